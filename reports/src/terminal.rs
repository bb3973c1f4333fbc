//! The report on a terminal: a table by feature, what was not as expected, and one line a subject.

mod features;

use crate::{
    model::{Case, Report, Subject},
    set_ups,
    standing::or_nothing,
    text::{duration, line, lines, one_line},
};

/// Whether colour is written. Only the caller knows where the text goes and what the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    #[default]
    Plain,
    /// With escape sequences for colour (ECMA-48, SGR).
    Colour,
}

/// What a piece of text means, and so how it is coloured.
#[derive(Clone, Copy)]
enum Tone {
    Good,
    Bad,
    Known,
    Quiet,
    Heading,
}

impl Style {
    fn paint(self, tone: Tone, text: &str) -> String {
        let parameters = match tone {
            _ if self == Self::Plain || text.is_empty() => return text.to_owned(),
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Known => "33",
            Tone::Quiet => "2",
            Tone::Heading => "1",
        };
        format!("\u{1b}[{parameters}m{text}\u{1b}[0m")
    }
}

/// Failed checks shown of one case: one tells what is wrong, hundreds bury the next case. The report files have all.
const SHOWN_CHECKS: usize = 5;

/// Cases named above the table, so that they stand on the first screen, whatever the table's length.
const SHOWN_FIRST: usize = 5;

/// Cases named of those whose interrupt set-ups differ.
const SHOWN_CASES: usize = 5;

/// The report for a terminal of `width` columns.
///
/// The table fits the width as long as there are columns enough for the counts: names of subjects become numbers, and
/// titles are cut, before a row takes a second line. If only some cases were selected, only their features are listed.
/// Cases that are as expected are counted, and nothing more is said of them. The others are named first, with feature and
/// clause, and told below the table.
///
/// The time in the last lines is the sum over the cases, which run in parallel.
pub fn write(report: &Report, style: Style, width: u16) -> String {
    let mut text = String::new();
    write_first(&mut text, report, style);
    features::write(&mut text, report, style, width);
    for subject in &report.subjects {
        for case in subject.cases.iter().filter(|case| case.standing().needs_attention()) {
            write_case(&mut text, case, subject, style);
        }
    }
    text.push('\n');
    for subject in &report.subjects {
        text.push_str(&summary(subject, style));
        text.push('\n');
    }
    write_set_ups(&mut text, report, style);
    text
}

/// Two lines each for the first cases that are not as expected: case and verdict, and below them feature and clause.
fn write_first(text: &mut String, report: &Report, style: Style) {
    let cases = || {
        let of = |subject| move |case| (subject, case);
        report.subjects.iter().flat_map(move |subject: &Subject| subject.cases.iter().map(of(subject)))
    };
    let unexpected = || cases().filter(|(_, case): &(&Subject, &Case)| case.standing().needs_attention());
    for (subject, case) in unexpected().take(SHOWN_FIRST) {
        let id = style.paint(Tone::Heading, &one_line(&case.id));
        line!(text, "{id} on {}: {}", one_line(&subject.id), style.paint(Tone::Bad, &case.verdict_text()));
        line!(text, "  {} · {}", one_line(&case.feature), one_line(&case.spec));
    }
    let nr_more = unexpected().count().saturating_sub(SHOWN_FIRST);
    if nr_more != 0 {
        line!(text, "… and {nr_more} more, told below the table");
    }
    if unexpected().next().is_some() {
        text.push('\n');
    }
}

/// One line a subject that names the cases whose interrupt set-ups differ.
fn write_set_ups(text: &mut String, report: &Report, style: Style) {
    let differences = set_ups::differences(report);
    for subject in &report.subjects {
        let cases: Vec<_> = differences.iter().filter(|found| found.subject == subject.id).collect();
        if cases.is_empty() {
            continue;
        }
        let mut named: Vec<String> =
            cases.iter().take(SHOWN_CASES).map(|found| one_line(found.case).into_owned()).collect();
        let nr_more = cases.len().saturating_sub(SHOWN_CASES);
        if nr_more != 0 {
            named.push(format!("… and {nr_more} more, all in the report files"));
        }
        let name = style.paint(Tone::Heading, &one_line(&subject.id));
        let noun = if cases.len() == 1 { "case" } else { "cases" };
        line!(text, "{name}: interrupt set-ups differ in {} {noun}: {}", cases.len(), named.join(", "));
    }
}

/// `vmm: 83 pass, 2 fail (2 known), 4 skip · 1.4 s of cases`; cases run side by side, so it is not the time of the run.
pub fn summary(subject: &Subject, style: Style) -> String {
    let tally = subject.tally();
    let tone = if tally.unexpected() == 0 { Tone::Good } else { Tone::Bad };
    let name = style.paint(tone, &one_line(&subject.id));
    format!("{name}: {tally} · {} of cases", duration(subject.duration_us()))
}

fn write_case(text: &mut String, case: &Case, subject: &Subject, style: Style) {
    let id = style.paint(Tone::Heading, &one_line(&case.id));
    let verdict = style.paint(Tone::Bad, &case.verdict_text());
    line!(text, "\n{id} on {}: {verdict}", one_line(&subject.id));
    let mut field = |name: &str, value: &str| {
        // Further lines of a value stand under its first.
        let value = lines(or_nothing(value)).trim_end().replace('\n', "\n            ");
        line!(text, "  {}{value}", style.paint(Tone::Quiet, &format!("{name:<10}")));
    };
    field("rule", &case.rule);
    for check in case.failed_checks().take(SHOWN_CHECKS) {
        field("check", &check.id);
        field("expected", &check.expected);
        field("actual", &check.actual);
    }
    let nr_more = case.failed_checks().count().saturating_sub(SHOWN_CHECKS);
    if nr_more != 0 {
        field("", &format!("… and {nr_more} more failed checks, all in the report files"));
    }
    if let Some(reason) = case.shown_reason() {
        field("reason", &reason);
    }
    if let Some(known) = &case.known {
        field("baseline", known);
    }
    field("clause", &case.spec);
    field("source", &case.source);
    field("repeat", &case.repeat_command(&subject.id));
}

#[cfg(test)]
mod tests {
    use super::{SHOWN_CHECKS, Style, write};
    use crate::{
        example, hostile,
        model::{Against, Case, Verdict},
        standing::Standing,
    };

    #[test]
    fn the_plain_example_is_as_checked_in() {
        insta::assert_snapshot!(write(&example::report(), Style::Plain, 100));
    }

    #[test]
    fn the_coloured_example_is_as_checked_in() {
        // Escapes as text, so that a diff of the snapshot can be read.
        insta::assert_snapshot!(write(&example::report(), Style::Colour, 100).replace('\u{1b}', "␛"));
    }

    #[test]
    fn expected_cases_are_counted_and_not_told() {
        let report = example::report();
        let text = write(&report, Style::Plain, 100);
        for subject in &report.subjects {
            for case in &subject.cases {
                let is_told = text.contains(&format!("{} on {}:", case.id, subject.id));
                assert_eq!(is_told, matches!(case.standing(), Standing::Unexpected | Standing::Broken), "{}", case.id);
            }
        }
        assert!(text.contains("1 hang (1 known)"), "{text}");
    }

    #[test]
    fn one_regression_is_named_on_the_first_screen() {
        const ROWS: usize = 24;
        let mut report = example::report();
        let [row, ..] = report.features.as_slice() else { unreachable!("the example has features") };
        // A table that fills more than a screen.
        report.features = vec![row.clone(); 2 * ROWS];
        for subject in &mut report.subjects {
            subject.cases.retain(|case| !case.standing().needs_attention());
        }
        assert!(!write(&report, Style::Plain, 100).contains("PagingPermissions"));
        let regression = Case {
            against_baseline: Some(Against::Regressed),
            ..example::case("paging::permissions", "PagingPermissions", Verdict::Fail)
        };
        report.subjects[0].cases.push(regression.clone());
        let text = write(&report, Style::Plain, 100);
        let screen: Vec<_> = text.lines().take(ROWS).collect();
        for words in ["paging::permissions on ", "PagingPermissions", &regression.spec] {
            assert!(screen.iter().any(|line| line.contains(words)), "{words} is not in {screen:#?}");
        }
    }

    #[test]
    fn many_failed_checks_do_not_bury_the_next_case() {
        let mut report = example::report();
        let check = |number| example::check(&format!("row {number}"), Verdict::Fail, "1", "2");
        report.subjects[0].cases[4].checks = (0..40).map(check).collect();
        let text = write(&report, Style::Plain, 100);
        assert_eq!(text.matches("row ").count(), SHOWN_CHECKS);
        assert!(text.contains("… and 35 more failed checks"), "{text}");
    }

    #[test]
    fn plain_has_no_escape_sequences() {
        assert!(!write(&hostile::report("\u{1b}[31m\u{9b}"), Style::Plain, 100).contains(['\u{1b}', '\u{9b}']));
    }

    proptest::proptest! {
        #[test]
        fn any_string_keeps_the_terminal_in_order(text in hostile::text(), width in 0_u16..200) {
            let plain = write(&hostile::report(&text), Style::Plain, width);
            proptest::prop_assert!(plain.chars().all(|character| character == '\n' || !character.is_control()));
        }
    }
}
