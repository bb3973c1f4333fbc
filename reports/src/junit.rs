//! The report as JUnit XML, for CI systems that show test results.
//!
//! One test suite a subject, one test case a case. What a CI does with it:
//!
//! | case | in JUnit | a CI that reads it is |
//! |---|---|---|
//! | pass, as expected | nothing | green |
//! | skip | `skipped` with the reason | green |
//! | fail, crash, hang that the baseline **expects** | `skipped` with `known: ` and the baseline's reason | green |
//! | fail, crash, hang otherwise | `failure`, type `fail`, `crash` or `hang` | red |
//! | regressed (a skip included), fixed | `failure`, type `regressed` or `fixed` where the verdict itself is no failure | red |
//! | error | `error` | red |
//!
//! A known failure is shown as skipped because JUnit has no word for it, and a CI that is always red says nothing. The
//! text of the element still gives expected, actual and clause.

use crate::{
    model::{Case, Report, Subject, Verdict},
    standing::{Standing, or_nothing},
    text::{lines, one_line},
};
use quick_junit::{NonSuccessKind, Property, SerializeError, TestCase, TestCaseStatus, TestSuite};
use std::{fmt::Write, time::Duration};

/// The report as JUnit XML.
///
/// # Errors
/// None that a [`Report`] can cause, since it is written to memory. The error is quick-junit's.
pub fn write(report: &Report) -> Result<String, SerializeError> {
    let mut junit = quick_junit::Report::new("vmproof");
    junit.add_test_suites(report.subjects.iter().map(suite));
    junit.to_string()
}

fn suite(subject: &Subject) -> TestSuite {
    let mut suite = TestSuite::new(&*one_line(&subject.id));
    suite.add_property(Property::new("version", &*one_line(&subject.version)));
    suite.add_property(Property::new("offers", &*one_line(&subject.offers.join(" "))));
    suite.set_time(Duration::from_micros(subject.duration_us()));
    suite.add_test_cases(subject.cases.iter().map(|case| test_case(case, subject)));
    let nr_skipped =
        suite.test_cases.iter().filter(|case| matches!(case.status, TestCaseStatus::Skipped { .. })).count();
    // quick-junit counts them as disabled, which JUnit's readers take for something else.
    suite.disabled = 0;
    suite.extra.insert("skipped".into(), nr_skipped.to_string().into());
    suite
}

fn test_case(case: &Case, subject: &Subject) -> TestCase {
    let mut result = TestCase::new(&*one_line(&case.id), status(case, subject));
    result.set_classname(&*one_line(&subject.id));
    result.set_assertions(case.checks.len());
    result.set_time(Duration::from_micros(case.duration_us));
    result.add_property(Property::new("feature", &*one_line(&case.feature)));
    result.add_property(Property::new("spec", &*one_line(&case.spec)));
    result
}

fn status(case: &Case, subject: &Subject) -> TestCaseStatus {
    let why = case.why();
    let (mut status, message) = match case.standing() {
        Standing::Passed => return TestCaseStatus::success(),
        Standing::Skipped => (TestCaseStatus::skipped(), why),
        Standing::Known => {
            let reason = case.known.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("in the baseline");
            (TestCaseStatus::skipped(), format!("known: {reason}"))
        }
        Standing::Unexpected => (TestCaseStatus::non_success(NonSuccessKind::Failure), why),
        Standing::Broken => (TestCaseStatus::non_success(NonSuccessKind::Error), why),
    };
    status.set_message(&*one_line(&message));
    status.set_type(kind(case));
    if case.standing() != Standing::Skipped {
        status.set_description(description(case, subject));
    }
    status
}

/// The type attribute: the verdict, unless that alone would not be a failure.
fn kind(case: &Case) -> &'static str {
    match (case.verdict, case.against_baseline) {
        (Verdict::Pass | Verdict::Skip, Some(against)) if case.standing() == Standing::Unexpected => against.name(),
        _ => case.verdict.name(),
    }
}

/// Everything that is needed to understand the case without another file, one fact a line.
pub(crate) fn description(case: &Case, subject: &Subject) -> String {
    let mut text = String::from("\n");
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: &str| _ = writeln!(text, "{name}: {}", lines(or_nothing(value)));
    line("verdict", &case.verdict_text());
    line("rule", &case.rule);
    for check in case.failed_checks() {
        line("check", &check.id);
        line("  expected", &check.expected);
        line("  actual", &check.actual);
    }
    if let Some(reason) = case.shown_reason() {
        line("reason", &reason);
    }
    if let Some(known) = &case.known {
        line("baseline", known);
    }
    line("clause", &case.spec);
    line("source", &case.source);
    line("repeat", &case.repeat_command(&subject.id));
    text
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::{
        example, hostile,
        model::{Against, Case, Report, Subject, Verdict},
    };
    use quick_xml::{Reader, events::Event};

    /// The names of all elements and the number of events, or what is not well-formed.
    fn parse(xml: &str) -> Result<Vec<String>, String> {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().check_comments = true;
        let mut elements = Vec::new();
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(element) | Event::Empty(element) => {
                    elements.push(String::from_utf8_lossy(element.name().as_ref()).into_owned());
                    for attribute in element.attributes() {
                        let attribute = attribute.map_err(|error| error.to_string())?;
                        is_xml_text(&attribute.unescape_value().map_err(|error| error.to_string())?)?;
                    }
                }
                Event::Text(text) => is_xml_text(&text.decode().map_err(|error| error.to_string())?)?,
                Event::Eof => return Ok(elements),
                _ => (),
            }
        }
    }

    /// quick-xml does not look for characters outside XML 1.0 section 2.2, production 2, as stricter parsers do.
    fn is_xml_text(text: &str) -> Result<(), String> {
        let is_char =
            |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        text.chars().find(|c| !is_char(*c)).map_or(Ok(()), |c| Err(format!("{c:?} is not a character of XML")))
    }

    fn report_of(verdict: Verdict, against_baseline: Option<Against>) -> Report {
        let case = Case { against_baseline, ..example::case("pio::in", "PortIo", verdict) };
        let subject = Subject { id: "vmm".to_owned(), cases: vec![case], ..Subject::default() };
        Report { subjects: vec![subject], ..example::report() }
    }

    #[test]
    fn the_example_is_as_checked_in() {
        insta::assert_snapshot!(write(&example::report()).unwrap());
    }

    #[test]
    fn the_parser_of_these_tests_finds_broken_xml() {
        assert!(parse("<a><b></a>").is_err());
        assert!(parse("<a b='&nbsp;'/>").is_err());
        assert!(parse("<a>\u{1b}</a>").is_err());
    }

    #[test]
    fn a_known_failure_does_not_make_a_ci_red() {
        for verdict in [Verdict::Fail, Verdict::Crash, Verdict::Hang] {
            let xml = write(&report_of(verdict, Some(Against::Expected))).unwrap();
            assert!(xml.contains("failures=\"0\"") && xml.contains("<skipped message=\"known: "), "{xml}");
        }
    }

    #[test]
    fn what_is_not_as_the_baseline_says_makes_a_ci_red() {
        let table = [
            (Verdict::Pass, Some(Against::Fixed), "failure", "fixed"),
            (Verdict::Skip, Some(Against::Regressed), "failure", "regressed"),
            (Verdict::Fail, Some(Against::Regressed), "failure", "fail"),
            (Verdict::Crash, Some(Against::New), "failure", "crash"),
            (Verdict::Hang, None, "failure", "hang"),
            (Verdict::Error, Some(Against::Expected), "error", "error"),
        ];
        for (verdict, against, element, kind) in table {
            let xml = write(&report_of(verdict, against)).unwrap();
            assert!(parse(&xml).unwrap().iter().any(|name| name == element), "{verdict:?} {against:?}: {xml}");
            assert!(xml.contains(&format!("type=\"{kind}\"")), "{verdict:?} {against:?}: {xml}");
        }
    }

    #[test]
    fn nothing_is_written_to_system_out() {
        let xml = write(&example::report()).unwrap();
        assert!(!xml.contains("system-out") && !xml.contains("timestamp"));
    }

    proptest::proptest! {
        #[test]
        fn any_string_keeps_it_well_formed(text in hostile::text()) {
            let elements = parse(&write(&hostile::report(&text)).unwrap()).unwrap();
            let plain = parse(&write(&hostile::report("x")).unwrap()).unwrap();
            proptest::prop_assert_eq!(elements, plain, "a string changed the structure");
        }
    }
}
