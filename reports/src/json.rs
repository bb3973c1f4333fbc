//! The report as JSON, the form that keeps everything: written, and read back strictly.
//!
//! The schema is `reports/schema/report-v1.json`. A reader of this version takes what the schema takes and refuses the
//! rest: a field that is misspelt or missing would otherwise be a difference between two reports that nobody made.

#[cfg(test)]
mod tests;

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
