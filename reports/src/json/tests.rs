//! What is written reads back and obeys the schema; what deviates is refused with its place.

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
