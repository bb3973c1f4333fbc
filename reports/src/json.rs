//! The report as JSON, the form that keeps everything: written, and read back strictly.
//!
//! The schema is `reports/schema/report-v1.json`. A reader of this version takes what the schema takes and refuses the
//! rest: a field that is misspelt or missing would otherwise be a difference between two reports that nobody made.

use crate::model::{Case, Report, SCHEMA, Verdict};
use serde::{Deserialize, Serialize as _};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What every version of the schema's name starts with.
const SCHEMA_FAMILY: &str = "vmproof/report/";

/// The schema of the JSON form, itself JSON.
pub const SCHEMA_TEXT: &str = include_str!("../schema/report-v1.json");

/// Why a report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("failed to read the report `{}`", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file was read, but not a report in it.
    #[error("`{}` is not a report that can be read", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<ReadError>,
    },
    /// It is not JSON, or not whole.
    #[error("this is not JSON, or it was cut off")]
    Syntax {
        /// Says the line and column.
        source: serde_json::Error,
    },
    /// It is JSON, but nothing says that it is a report.
    #[error("the field `schema` says {found}, where a report says `{SCHEMA}`")]
    NotAReport {
        /// What stands there: a string in quotes, or `nothing`.
        found: String,
    },
    /// It is a report of another version.
    #[error(
        "the report has the schema `{found}`, and this vmproof reads `{SCHEMA}`; \
         read it with the vmproof that wrote it, or run the suite again with this one"
    )]
    OtherVersion {
        /// Its schema.
        found: String,
    },
    /// A field is missing, unknown or of the wrong type.
    #[error("the field `{field}` is wrong")]
    Field {
        /// The path of the field: `subjects[0].cases[3].verdict`, or `.` for the whole.
        field: String,
        /// What is wrong with it, and the line and column.
        source: serde_json::Error,
    },
    /// A field has a value of the right type that says nothing sensible.
    #[error("the field `{field}` {problem}")]
    Value {
        /// The path of the field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Depth of a check: report, subjects, subject, cases, case, checks, check.
const CHECK_DEPTH: usize = 7;

/// Indents everything but checks, of which there are so many that indentation would be most of the file.
#[derive(Default)]
struct LineACheck {
    pretty: PrettyFormatter<'static>,
    depth: usize,
}

impl LineACheck {
    fn is_in_check(&self) -> bool {
        self.depth >= CHECK_DEPTH
    }
}

impl Formatter for LineACheck {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        if self.is_in_check() { CompactFormatter.begin_array(writer) } else { self.pretty.begin_array(writer) }
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let is_in_check = self.is_in_check();
        self.depth -= 1;
        if is_in_check { CompactFormatter.end_array(writer) } else { self.pretty.end_array(writer) }
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        match self.is_in_check() {
            true => CompactFormatter.begin_array_value(writer, first),
            false => self.pretty.begin_array_value(writer, first),
        }
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.is_in_check() { CompactFormatter.end_array_value(writer) } else { self.pretty.end_array_value(writer) }
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        if self.is_in_check() { CompactFormatter.begin_object(writer) } else { self.pretty.begin_object(writer) }
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let is_in_check = self.is_in_check();
        self.depth -= 1;
        if is_in_check { CompactFormatter.end_object(writer) } else { self.pretty.end_object(writer) }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        match self.is_in_check() {
            true => CompactFormatter.begin_object_key(writer, first),
            false => self.pretty.begin_object_key(writer, first),
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.is_in_check() {
            true => CompactFormatter.begin_object_value(writer),
            false => self.pretty.begin_object_value(writer),
        }
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.is_in_check() {
            true => CompactFormatter.end_object_value(writer),
            false => self.pretty.end_object_value(writer),
        }
    }
}

/// The report as indented JSON, a check a line, that ends with a line feed.
///
/// # Errors
/// None that a [`Report`] can cause: every map in it has strings for keys. The error is serde's.
pub fn write(report: &Report) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    report.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, LineACheck::default()))?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Reads a report.
///
/// # Errors
/// Any [`ReadError`] but [`ReadError::File`] and [`ReadError::Content`]. The version is looked at before the rest, so a
/// report of another version is called that, not wrong.
pub fn read(text: &str) -> Result<Report, ReadError> {
    /// The one field that every version has.
    #[derive(Deserialize)]
    struct Head {
        schema: Option<serde_json::Value>,
    }

    // Anything that is JSON gets past the first step; a list or a number has no head, and so no schema.
    let value: serde_json::Value = serde_json::from_str(text).map_err(|source| ReadError::Syntax { source })?;
    let head = Head::deserialize(value).unwrap_or(Head { schema: None });
    match head.schema {
        Some(serde_json::Value::String(found)) if found == SCHEMA => (),
        Some(serde_json::Value::String(found)) if found.starts_with(SCHEMA_FAMILY) => {
            return Err(ReadError::OtherVersion { found });
        }
        Some(found) => return Err(ReadError::NotAReport { found: format!("`{found}`") }),
        None => return Err(ReadError::NotAReport { found: "nothing".to_owned() }),
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    let report: Report = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| ReadError::Field { field: error.path().to_string(), source: error.into_inner() })?;
    validate(&report)?;
    Ok(report)
}

/// Reads a report from a file.
///
/// # Errors
/// [`ReadError::File`] if the file cannot be read or is not UTF-8, [`ReadError::Content`] if it holds no report.
pub fn read_file(path: &Path) -> Result<Report, ReadError> {
    let text = fs::read_to_string(path).map_err(|source| ReadError::File { path: path.to_owned(), source })?;
    read(&text).map_err(|source| ReadError::Content { path: path.to_owned(), source: Box::new(source) })
}

/// What the schema demands and the types do not.
fn validate(report: &Report) -> Result<(), ReadError> {
    if let Some(shard) = report.shard {
        demand(shard.count != 0, || "shard.count".to_owned(), "is 0")?;
        // The schema cannot compare two fields.
        let is_part = (1..=shard.count).contains(&shard.number);
        demand(is_part, || "shard.number".to_owned(), "is not one of the shards, which are numbered from 1")?;
    }
    for (number, subject) in report.subjects.iter().enumerate() {
        let place = format!("subjects[{number}]");
        demand(!subject.id.is_empty(), || format!("{place}.id"), "is empty")?;
        for (number, case) in subject.cases.iter().enumerate() {
            validate_case(case, &format!("{place}.cases[{number}]"))?;
        }
    }
    for (number, row) in report.features.iter().enumerate() {
        demand(!row.id.is_empty(), || format!("features[{number}].id"), "is empty")?;
        for (subject, counts) in &row.by_subject {
            for (verdict, count) in counts {
                let place = || format!("features[{number}].by_subject.{subject}.{verdict}");
                let is_known = Verdict::ALL.iter().any(|known| known.name() == verdict);
                demand(is_known, place, "is not a verdict")?;
                demand(*count != 0, place, "is 0, which is written by leaving it out")?;
            }
        }
    }
    for (number, row) in report.coverage.iter().enumerate() {
        let place = |field: &str| format!("coverage[{number}].{field}");
        demand(!row.subject.is_empty(), || place("subject"), "is empty")?;
        demand(!row.on.is_empty(), || place("on"), "is empty")?;
        demand(!row.encoding.is_empty(), || place("encoding"), "is empty")?;
        demand(matches!(row.mode_bits, 16 | 32 | 64), || place("mode_bits"), "is not 16, 32 or 64")?;
        demand(row.operand_bits != Some(0), || place("operand_bits"), "is 0, which is written by leaving it out")?;
    }
    Ok(())
}

fn validate_case(case: &Case, place: &str) -> Result<(), ReadError> {
    demand(!case.id.is_empty(), || format!("{place}.id"), "is empty")?;
    demand(!case.feature.is_empty(), || format!("{place}.feature"), "is empty")?;
    if let Some(setup) = &case.setup {
        demand(!setup.is_empty(), || format!("{place}.setup"), "is empty")?;
        demand(
            case.id.ends_with(&format!("@{setup}")),
            || format!("{place}.id"),
            "does not end with `@` and the set-up",
        )?;
    }
    demand(case.axis.as_deref() != Some(""), || format!("{place}.axis"), "is empty")?;
    let is_silent = case.verdict == Verdict::Skip && case.reason.is_none();
    demand(!is_silent, || format!("{place}.reason"), "is missing, and a skip says why")?;
    for (number, check) in case.checks.iter().enumerate() {
        demand(!check.id.is_empty(), || format!("{place}.checks[{number}].id"), "is empty")?;
        let is_verdict = matches!(check.verdict, Verdict::Pass | Verdict::Fail);
        demand(is_verdict, || format!("{place}.checks[{number}].verdict"), "is neither `pass` nor `fail`")?;
    }
    Ok(())
}

fn demand(is_right: bool, field: impl Fn() -> String, problem: &str) -> Result<(), ReadError> {
    if is_right { Ok(()) } else { Err(ReadError::Value { field: field(), problem: problem.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::{ReadError, SCHEMA_TEXT, read, read_file, write};
    use crate::{example, hostile};
    use serde_json::{Value, json};
    use std::{error::Error, path::Path};

    fn example_value() -> Value {
        serde_json::to_value(example::report()).unwrap()
    }

    fn validator() -> jsonschema::Validator {
        jsonschema::draft202012::new(&serde_json::from_str(SCHEMA_TEXT).unwrap()).unwrap()
    }

    /// The error with its causes, as a binary prints it.
    fn chain(error: &(dyn Error + 'static)) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }

    #[test]
    fn the_example_is_as_checked_in() {
        insta::assert_snapshot!(write(&example::report()).unwrap());
    }

    #[test]
    fn the_schema_is_a_schema() {
        let schema: Value = serde_json::from_str(SCHEMA_TEXT).unwrap();
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
    }

    #[test]
    fn what_is_written_obeys_the_schema_and_reads_back() {
        let report = example::report();
        let text = write(&report).unwrap();
        let errors: Vec<String> =
            validator().iter_errors(&serde_json::from_str(&text).unwrap()).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(read(&text).unwrap(), report);
    }

    #[test]
    fn a_report_without_coverage_is_as_it_was_before() {
        let report = crate::Report { coverage: Vec::new(), ..example::report() };
        let text = write(&report).unwrap();
        assert!(!text.contains("\"coverage\"") && validator().is_valid(&serde_json::from_str(&text).unwrap()));
        assert_eq!(read(&text).unwrap(), report);
    }

    /// Each deviation: where, what is put there (or `None`: the field is removed), and what the reader says.
    #[test]
    fn schema_and_reader_refuse_the_same_deviations() {
        let case = "/subjects/0/cases/1";
        let check = "/subjects/0/cases/1/checks/0";
        let deviations = [
            (String::new(), "host", None, "missing field `host`"),
            (String::new(), "extra", Some(json!(1)), "unknown field `extra`"),
            ("/host".into(), "nr_processors", Some(json!(-1)), "`host.nr_processors`"),
            ("/host".into(), "hostname", Some(json!("x")), "`host.hostname`"),
            ("/image".into(), "build_id", Some(json!(7)), "`image.build_id`"),
            (String::new(), "shard", Some(json!({"number": 0, "count": 2})), "`shard.number` is not one of"),
            (String::new(), "shard", Some(json!({"number": 1})), "missing field `count`"),
            (String::new(), "shard", Some(json!({"number": 1, "count": 0})), "`shard.count` is 0"),
            ("/subjects/0".into(), "id", Some(json!("")), "`subjects[0].id` is empty"),
            ("/subjects/0".into(), "version", None, "`subjects[0]`"),
            (case.into(), "verdict", Some(json!("passed")), "`subjects[0].cases[1].verdict`"),
            (case.into(), "verdict", Some(json!("PASS")), "`subjects[0].cases[1].verdict`"),
            (case.into(), "verdict", None, "missing field `verdict`"),
            (case.into(), "knwon", Some(json!("typing error")), "`subjects[0].cases[1].knwon`"),
            (case.into(), "against_baseline", Some(json!("worse")), "`subjects[0].cases[1].against_baseline`"),
            (case.into(), "duration_us", Some(json!(1.5)), "`subjects[0].cases[1].duration_us`"),
            (case.into(), "id", Some(json!("")), "`subjects[0].cases[1].id` is empty"),
            (case.into(), "feature", Some(json!("")), "`subjects[0].cases[1].feature` is empty"),
            (check.into(), "verdict", Some(json!("hang")), "`subjects[0].cases[1].checks[0].verdict` is neither"),
            (check.into(), "actual", None, "missing field `actual`"),
            (check.into(), "note", Some(json!("")), "`subjects[0].cases[1].checks[0].note`"),
            ("/features/0".into(), "title", None, "missing field `title`"),
            ("/features/0".into(), "by_subject", Some(json!({"vmm": {"ok": 1}})), "`features[0].by_subject.vmm.ok`"),
            ("/features/0".into(), "by_subject", Some(json!({"vmm": {"pass": 0}})), "is 0"),
            ("/coverage/0".into(), "on", Some(json!("")), "`coverage[0].on` is empty"),
            ("/coverage/0".into(), "subject", Some(json!("")), "`coverage[0].subject` is empty"),
            ("/coverage/0".into(), "encoding", Some(json!("")), "`coverage[0].encoding` is empty"),
            ("/coverage/0".into(), "mode_bits", Some(json!(8)), "`coverage[0].mode_bits` is not"),
            ("/coverage/0".into(), "operand_bits", Some(json!(0)), "`coverage[0].operand_bits` is 0"),
            ("/coverage/0".into(), "refused", None, "missing field `refused`"),
            ("/coverage/0".into(), "forms", Some(json!(1)), "unknown field `forms`"),
        ];
        let validator = validator();
        for (parent, field, value, message) in deviations {
            let mut report = example_value();
            let object = report.pointer_mut(&parent).unwrap().as_object_mut().unwrap();
            match value {
                Some(value) => _ = object.insert(field.to_owned(), value),
                None => assert!(object.remove(field).is_some(), "{parent}/{field} was not there"),
            }
            assert!(!validator.is_valid(&report), "the schema takes {parent}/{field}");
            let error = read(&report.to_string()).expect_err(field);
            let text = chain(&error);
            assert!(text.contains(message), "{parent}/{field}: {text}");
        }
    }

    #[test]
    fn a_silent_skip_is_refused() {
        let mut report = example_value();
        let cases = report.pointer_mut("/subjects/0/cases").unwrap().as_array_mut().unwrap();
        let (number, skip) =
            cases.iter_mut().enumerate().find(|(_, case)| case["verdict"] == "skip").expect("a skip in the example");
        skip.as_object_mut().unwrap().remove("reason");
        assert!(!validator().is_valid(&report));
        let message = read(&report.to_string()).unwrap_err().to_string();
        assert_eq!(message, format!("the field `subjects[0].cases[{number}].reason` is missing, and a skip says why"));
    }

    #[test]
    fn a_field_error_says_where_it_stands() {
        let text = write(&example::report()).unwrap().replacen("\"fail\"", "\"failed\"", 1);
        let line = 1 + text.lines().position(|line| line.contains("\"failed\"")).unwrap();
        let text = chain(&read(&text).unwrap_err());
        assert!(text.contains("unknown variant `failed`") && text.contains(&format!("line {line} column")), "{text}");
    }

    #[test]
    fn another_version_is_named_with_what_to_do() {
        let error = read(r#"{"schema": "vmproof/report/2", "anything": {}}"#).unwrap_err();
        assert!(matches!(&error, ReadError::OtherVersion { found } if found == "vmproof/report/2"));
        let text = error.to_string();
        assert!(text.contains("`vmproof/report/2`") && text.contains("`vmproof/report/1`"), "{text}");
        assert!(text.contains("run the suite again"), "{text}");
    }

    #[test]
    fn other_json_is_not_a_report() {
        for text in ["[]", "1", "null", "{}", r#"{"schema": null}"#, r#"{"schema": "junit"}"#, r#"{"schema": 1}"#] {
            assert!(matches!(read(text), Err(ReadError::NotAReport { .. })), "{text}");
        }
    }

    #[test]
    fn a_report_cut_off_anywhere_is_an_error() {
        let text = write(&example::report()).unwrap();
        for end in (0..text.trim_end().len()).filter(|&end| text.is_char_boundary(end)).step_by(97) {
            assert!(matches!(read(&text[..end]), Err(ReadError::Syntax { .. })), "{end}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_file(Path::new("/nonexistent/report.json")).unwrap_err();
        assert_eq!(error.to_string(), "failed to read the report `/nonexistent/report.json`");
    }

    proptest::proptest! {
        #[test]
        fn any_string_survives(text in hostile::text()) {
            let report = hostile::report(&text);
            let json = write(&report).unwrap();
            proptest::prop_assert!(validator().is_valid(&serde_json::from_str(&json).unwrap()));
            proptest::prop_assert_eq!(read(&json).unwrap(), report);
        }
    }
}
