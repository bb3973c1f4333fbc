//! The report as KCIDB's JSON, which kernel CI systems submit to the database of KernelCI.
//!
//! The form is the I/O schema 5.3 of KCIDB (kernelci/kcidb-io, `kcidb_io/schema/v05_03.py`): a checkout, a build and test runs,
//! tied together by ids that start with the name of the CI system, its *origin*. A case on a subject is a test run, and its
//! path is `vmproof.<subject>.<area>.<case>`, and the interrupt set-up if it has one.
//!
//! | case | status |
//! |---|---|
//! | pass | `PASS` |
//! | fail, crash, hang | `FAIL`, known ones too: `misc.known` has the baseline's reason |
//! | skip | `SKIP` |
//! | error | `ERROR` |

use crate::{
    junit,
    model::{Case, Host, Report, Subject, Verdict},
    text::one_line,
};
use serde_json::{Value, json};

/// Version of the schema.
const VERSION: (u32, u32) = (5, 3);
/// Characters that an excerpt of a log may have (`log_excerpt`, `maxLength`).
const MAX_EXCERPT: usize = 16_384;

/// Whose report it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    origin: String,
    run: String,
    build: Option<String>,
}

/// Why a submission has no valid ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionError {
    /// The origin has other characters than KCIDB takes.
    #[error("`{origin}` is no origin of KCIDB; write lower-case letters, digits and underscores")]
    Origin {
        /// What was given.
        origin: String,
    },
    /// The run has no name, so that its tests would replace those of another.
    #[error(
        "the name of the run is empty or holds a NUL; give what no other run of this origin has, such as the number of the job"
    )]
    Run,
    /// The id of the build is not one of KCIDB's.
    #[error("`{build}` is no id of a build; write `ORIGIN:ID`, as it was submitted with the build")]
    Build {
        /// What was given.
        build: String,
    },
}

impl Submission {
    /// A submission of a CI system (`origin`) for a run, whose name no other run of that system has. `build` is the id of
    /// a build of the kernel that was submitted already; without one the report gets a checkout and a build of its own, named
    /// after the host's kernel.
    ///
    /// # Errors
    /// [`SubmissionError`].
    pub fn new(origin: &str, run: &str, build: Option<&str>) -> Result<Self, SubmissionError> {
        if !is_origin(origin) {
            return Err(SubmissionError::Origin { origin: origin.to_owned() });
        }
        if run.is_empty() || run.contains('\0') {
            return Err(SubmissionError::Run);
        }
        let is_id = |id: &str| id.split_once(':').is_some_and(|(origin, _)| is_origin(origin)) && !id.contains('\0');
        if let Some(build) = build.filter(|build| !is_id(build)) {
            return Err(SubmissionError::Build { build: build.to_owned() });
        }
        Ok(Self { origin: origin.to_owned(), run: run.to_owned(), build: build.map(str::to_owned) })
    }

    fn id(&self, name: &str) -> String {
        format!("{}:{}", self.origin, one_line(name))
    }
}

fn is_origin(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The report as JSON, with a line feed at the end.
///
/// # Errors
/// None that a [`Report`] can cause: every map in it has strings for keys. The error is serde's.
pub fn write(report: &Report, submission: &Submission) -> Result<String, serde_json::Error> {
    let own = submission.id(&format!("{}:{}", submission.run, report.host.kernel));
    let build = submission.build.clone().unwrap_or_else(|| own.clone());
    let tests: Vec<_> = report
        .subjects
        .iter()
        .flat_map(|subject| subject.cases.iter().map(move |case| (subject, case)))
        .map(|(subject, case)| test(report, subject, case, submission, &build))
        .collect();
    let mut object = json!({ "version": { "major": VERSION.0, "minor": VERSION.1 } });
    if submission.build.is_none() {
        object["checkouts"] = json!([{
            "id": own,
            "origin": submission.origin,
            "comment": format!("Linux {}", one_line(&report.host.kernel)),
        }]);
        object["builds"] = json!([{
            "id": own,
            "checkout_id": own,
            "origin": submission.origin,
            "architecture": "x86_64",
            "comment": "the kernel of the host, which was not built for this run",
        }]);
    }
    object["tests"] = Value::Array(tests);
    let mut text = serde_json::to_string_pretty(&object)?;
    text.push('\n');
    Ok(text)
}

fn test(report: &Report, subject: &Subject, case: &Case, submission: &Submission, build: &str) -> Value {
    let mut misc = json!({
        "verdict": case.verdict.name(),
        "feature": one_line(&case.feature),
        "clause": one_line(&case.spec),
        "source": one_line(&case.source),
        "repeat": case.repeat_command(&subject.id),
        "guest_image": one_line(&report.image.build_id),
        "nr_checks": case.checks.len(),
        "nr_failed_checks": case.failed_checks().count(),
    });
    if let Some(against) = case.against_baseline {
        misc["against_baseline"] = json!(against.name());
    }
    if let Some(known) = &case.known {
        misc["known"] = json!(one_line(known));
    }
    let mut test = json!({
        "id": submission.id(&format!("{}:{}:{}", submission.run, subject.id, case.id)),
        "origin": submission.origin,
        "build_id": build,
        "path": path(subject, case),
        "comment": one_line(&case.rule),
        "status": status(case.verdict),
        "environment": environment(&report.host, subject),
        "misc": misc,
    });
    // What was not run took no time.
    if !matches!(case.verdict, Verdict::Skip | Verdict::Error) {
        test["duration"] = json!(std::time::Duration::from_micros(case.duration_us).as_secs_f64());
    }
    if case.verdict != Verdict::Pass {
        let text = junit::description(case, subject);
        test["log_excerpt"] = json!(text.trim_start().chars().take(MAX_EXCERPT).collect::<String>());
    }
    test
}

fn environment(host: &Host, subject: &Subject) -> Value {
    json!({
        "comment": format!("{} on {}", one_line(&subject.version), one_line(&host.processor)),
        "misc": {
            "subject": one_line(&subject.id),
            "kernel": one_line(&host.kernel),
            "kvm_module": one_line(&host.kvm_module),
            "nr_processors": host.nr_processors,
        },
    })
}

const fn status(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail | Verdict::Crash | Verdict::Hang => "FAIL",
        Verdict::Skip => "SKIP",
        Verdict::Error => "ERROR",
    }
}

/// The place in the tree of tests, of words without other characters than KCIDB takes.
fn path(subject: &Subject, case: &Case) -> String {
    let setup = case.setup.as_deref();
    let words = ["vmproof", &subject.id].into_iter().chain(case.plain_id().split("::")).chain(setup);
    words.map(word).collect::<Vec<_>>().join(".")
}

fn word(text: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => character,
        _ => '_',
    };
    if text.is_empty() { "_".to_owned() } else { text.chars().map(plain).collect() }
}

#[cfg(test)]
mod tests {
    use super::{Submission, SubmissionError, write};
    use crate::{example, hostile};
    use serde_json::Value;
    use std::collections::BTreeSet;

    fn submission() -> Submission {
        Submission::new("my_ci", "job-17", None).unwrap()
    }

    /// The rules of the schema that concern what is written here, and no additional properties.
    fn validator() -> jsonschema::Validator {
        let rules = include_str!("../schema/kcidb-v5.3-rules.json");
        jsonschema::draft202012::new(&serde_json::from_str(rules).unwrap()).unwrap()
    }

    fn errors(text: &str) -> Vec<String> {
        validator().iter_errors(&serde_json::from_str(text).unwrap()).map(|error| error.to_string()).collect()
    }

    #[test]
    fn the_example_is_as_checked_in() {
        insta::assert_snapshot!(write(&example::report(), &submission()).unwrap());
    }

    #[test]
    fn the_example_keeps_the_rules_of_the_schema() {
        assert_eq!(errors(&write(&example::report(), &submission()).unwrap()), Vec::<String>::new());
        let of_build = Submission::new("my_ci", "job-17", Some("maestro:6612")).unwrap();
        let text = write(&example::report(), &of_build).unwrap();
        assert_eq!(errors(&text), Vec::<String>::new());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value.get("builds").is_none() && value["tests"][0]["build_id"] == "maestro:6612");
    }

    #[test]
    fn the_rules_refuse_what_kcidb_would() {
        let value: Value = serde_json::from_str(&write(&example::report(), &submission()).unwrap()).unwrap();
        let wrong: &[(&str, Value)] = &[
            ("/tests/0/id", Value::from("my_ci")),
            ("/tests/0/path", Value::from("vmproof.a b")),
            ("/tests/0/status", Value::from("fail")),
            ("/tests/0/duration", Value::Null),
            ("/builds/0/architecture", Value::from("X86")),
            ("/version/major", Value::from(4)),
            ("/tests/0/log_excerpt", Value::from("x".repeat(16_385))),
            ("/tests/0/waived", Value::from(true)),
        ];
        for (place, wrong) in wrong {
            let mut value = value.clone();
            let (parent, field) = place.rsplit_once('/').unwrap();
            value.pointer_mut(parent).unwrap()[field] = wrong.clone();
            assert!(!validator().is_valid(&value), "{place}");
        }
    }

    #[test]
    fn every_test_run_has_an_id_of_its_own() {
        let value: Value = serde_json::from_str(&write(&example::report(), &submission()).unwrap()).unwrap();
        let tests = value["tests"].as_array().unwrap();
        let ids: BTreeSet<_> = tests.iter().map(|test| test["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), tests.len());
    }

    #[test]
    fn names_that_kcidb_would_refuse_are_told() {
        let error = |origin, run, build| Submission::new(origin, run, build).unwrap_err();
        assert!(matches!(error("My-CI", "1", None), SubmissionError::Origin { .. }));
        assert!(matches!(error("", "1", None), SubmissionError::Origin { .. }));
        assert!(matches!(error("ci", "", None), SubmissionError::Run));
        assert!(matches!(error("ci", "1", Some("no-origin")), SubmissionError::Build { .. }));
        assert!(error("ci", "1", Some("x")).to_string().contains("ORIGIN:ID"));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn any_string_keeps_the_rules(text in hostile::text()) {
            let text = write(&hostile::report(&text), &submission()).unwrap();
            proptest::prop_assert_eq!(errors(&text), Vec::<String>::new());
        }
    }
}
