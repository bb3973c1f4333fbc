//! The report as annotations of GitHub Actions: one workflow command for each case that someone must look at.
//!
//! The form is that of GitHub Docs, "Workflow commands for GitHub Actions", "Setting an error message":
//! `::error file=…,line=…,title=…::message`. A percent sign and line breaks are written as `%25`, `%0D` and `%0A`, and in
//! properties `:` and `,` as `%3A` and `%2C` (actions/toolkit, `packages/core/src/command.ts`). GitHub shows ten of a kind for
//! each step, so regressions come first, and one more line says how many there are.

use crate::{
    changes::feature_name,
    model::{Case, Report, Subject},
    standing::{Standing, or_nothing},
    text::{line, lines, one_line},
};

/// How many annotations of a kind GitHub shows for a step.
const SHOWN: usize = 10;

/// Checks that are told of a case.
const SHOWN_CHECKS: usize = 5;

/// The annotations, a line each; empty if everything is as expected.
pub fn write(report: &Report) -> String {
    let all = report.subjects.iter().flat_map(|subject| subject.cases.iter().map(move |case| (subject, case)));
    let mut told: Vec<_> = all.filter(|(_, case)| case.standing().needs_attention()).collect();
    // A baseline that is out of date is the least of them.
    told.sort_by_key(|(_, case)| case.against_baseline == Some(crate::Against::Fixed));
    let mut text = String::new();
    for (subject, case) in &told {
        line!(text, "{}", annotation(subject, case));
    }
    if told.len() > SHOWN {
        let message = format!("{} cases are not as expected, of which GitHub shows {SHOWN} here", told.len());
        line!(text, "::notice title=vmproof::{}", data(&message));
    }
    text
}

fn annotation(subject: &Subject, case: &Case) -> String {
    let place = match case.source.rsplit_once(':') {
        Some((file, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("file={},line={number},", property(file))
        }
        _ => format!("file={},", property(or_nothing(&case.source))),
    };
    let title = format!("{} on {}: {}", case.id, subject.id, case.verdict_text());
    format!("::error {place}title={}::{}", property(&title), data(&message(subject, case)))
}

/// What a person needs in the margin of a source file.
fn message(subject: &Subject, case: &Case) -> String {
    let mut text = String::new();
    line!(text, "{}", one_line(&case.rule));
    line!(text, "feature: {}", feature_name(&case.feature));
    line!(text, "clause: {}", one_line(or_nothing(&case.spec)));
    for check in case.failed_checks().take(SHOWN_CHECKS) {
        let (expected, actual) = (one_line(or_nothing(&check.expected)), one_line(or_nothing(&check.actual)));
        line!(text, "{}: expected {expected}, actual {actual}", one_line(&check.id));
    }
    let nr_more = case.failed_checks().count().saturating_sub(SHOWN_CHECKS);
    if nr_more != 0 {
        line!(text, "… and {nr_more} more failed checks");
    }
    if let Some(reason) = case.shown_reason() {
        line!(text, "{}", lines(&reason).trim_end());
    }
    if case.standing() == Standing::Unexpected && case.known.is_some() {
        line!(text, "baseline: {}", one_line(case.known.as_deref().unwrap_or_default()));
    }
    text.push_str(&case.repeat_command(&subject.id));
    text
}

/// The text of a command.
fn data(text: &str) -> String {
    lines(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(&one_line(text)).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::{
        example, hostile,
        model::{Report, Subject, Verdict},
    };

    #[test]
    fn the_example_is_as_checked_in() {
        insta::assert_snapshot!(write(&example::report()));
    }

    #[test]
    fn nothing_is_told_of_a_run_as_expected() {
        let mut report = example::report();
        for subject in &mut report.subjects {
            subject.cases.retain(|case| !case.standing().needs_attention());
        }
        assert_eq!(write(&report), "");
    }

    #[test]
    fn more_than_are_shown_are_counted() {
        let cases = (0..11).map(|number| example::case(&format!("a::b{number}"), "PortIo", Verdict::Fail));
        let subject = Subject { id: "vmm".to_owned(), cases: cases.collect(), ..Subject::default() };
        let text = write(&Report { subjects: vec![subject], ..example::report() });
        assert_eq!(text.lines().count(), 12);
        assert!(
            text.ends_with("::notice title=vmproof::11 cases are not as expected, of which GitHub shows 10 here\n")
        );
    }

    #[test]
    fn a_source_without_a_line_is_a_file() {
        let mut report = example::report();
        report.subjects.truncate(1);
        report.subjects[0].cases.retain(|case| case.id == "paging::permissions");
        report.subjects[0].cases[0].source = "host".to_owned();
        assert!(write(&report).starts_with("::error file=host,title=paging%3A%3Apermissions on vmm%3A fail"));
    }

    proptest::proptest! {
        #[test]
        fn any_string_is_one_command_a_case(text in hostile::text()) {
            let told = write(&hostile::report(&text));
            proptest::prop_assert_eq!(told.lines().count(), write(&hostile::report("x")).lines().count());
            for line in told.lines() {
                // A property holds neither of the characters that would end it.
                let (properties, _) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
                let is_command = properties.starts_with("error file=") || properties.starts_with("notice title=");
                proptest::prop_assert!(is_command, "{}", line);
                proptest::prop_assert!(properties.matches(',').count() <= 2, "{}", line);
                proptest::prop_assert!(line.chars().all(|character| !character.is_control()), "{}", line);
            }
        }
    }
}
