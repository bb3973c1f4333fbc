//! The report as KTAP, for kernel CI.
//!
//! The format is that of "The Kernel Test Anything Protocol (KTAP), version 1", `Documentation/dev-tools/ktap.rst` of
//! Linux: a version line and a plan at each level, subtests indented by two spaces before the line of their parent, and
//! diagnostic lines before the result that they explain. Here a subject is a test, each of its cases is a subtest, and
//! the checks of a case are diagnostic lines.
//!
//! | case | result line |
//! |---|---|
//! | pass | `ok` |
//! | skip | `ok` with `# SKIP reason` |
//! | known to the baseline | `not ok` with `# TODO known: reason` |
//! | hang | `not ok` with `# TIMEOUT reason` |
//! | error | `not ok` with `# ERROR reason` |
//! | anything else | `not ok` with `# fail: reason`, `# crash: …`, `# regressed: …`, `# fixed: …` |
//!
//! A known failure does not make its subject `not ok`. TODO is among the directives that the document accepts ("not
//! expected to pass at the moment, e.g. because the feature it is testing is known to be broken"), though it
//! discourages it; a parser that does not know it falls back to `not ok`, and counts the case as failed.

use crate::{
    model::{Case, Report, Subject, Verdict},
    standing::{Standing, or_nothing},
    text::one_line,
};

/// The version line of this version.
const VERSION: &str = "KTAP version 1\n";

/// The directives that the document accepts.
const DIRECTIVES: &[&str] = &["SKIP", "TODO", "XFAIL", "TIMEOUT", "ERROR"];

/// What stands for a hash sign where it would have a meaning.
const HASH_SIGN: &str = "\\u{23}";

/// One level of nesting.
const INDENT: &str = "  ";

/// The report as KTAP.
pub fn write(report: &Report) -> String {
    let mut text = format!("{VERSION}1..{}\n", report.subjects.len());
    for (number, subject) in (1_u32..).zip(&report.subjects) {
        write_subject(&mut text, number, subject);
    }
    text
}

fn write_subject(text: &mut String, number: u32, subject: &Subject) {
    let name = description(&subject.id);
    text.push_str(&format!("{INDENT}{VERSION}"));
    // KUnit's parser learns the name of the parent from this line; to others it is a comment.
    text.push_str(&format!("{INDENT}# Subtest: {name}\n"));
    text.push_str(&format!("{INDENT}1..{}\n", subject.cases.len()));
    for (number, case) in (1_u32..).zip(&subject.cases) {
        write_case(text, number, case, subject);
    }
    let tally = subject.tally();
    text.push_str(&format!("# {name}: {tally}\n"));
    let result = if tally.unexpected() == 0 { "ok" } else { "not ok" };
    let is_skipped = subject.cases.iter().all(|case| case.standing() == Standing::Skipped);
    let directive = match is_skipped {
        true if subject.cases.is_empty() => " # SKIP no case was selected",
        true => " # SKIP every case was skipped",
        false => "",
    };
    text.push_str(&format!("{result} {number} {name}{directive}\n"));
}

fn write_case(text: &mut String, number: u32, case: &Case, subject: &Subject) {
    let name = description(&case.id);
    // Every diagnostic line starts with the name, so none can be taken for a header like `# Subtest:`.
    let mut diagnostic = |line: String| text.push_str(&format!("{INDENT}# {name}: {}\n", one_line(&line)));
    for check in &case.checks {
        let verdict = check.verdict.name();
        diagnostic(match check.verdict {
            Verdict::Pass => format!("{verdict}: {}", check.id),
            _ => format!(
                "{verdict}: {}: expected {}, actual {}",
                check.id,
                or_nothing(&check.expected),
                or_nothing(&check.actual)
            ),
        });
    }
    if !matches!(case.standing(), Standing::Passed | Standing::Skipped) {
        diagnostic(format!("rule: {}", case.rule));
        diagnostic(format!("clause: {}", case.spec));
        diagnostic(format!("source: {}", case.source));
        if let Some(reason) = case.shown_reason() {
            diagnostic(format!("reason: {reason}"));
        }
        if let Some(known) = &case.known {
            diagnostic(format!("baseline: {known}"));
        }
        diagnostic(format!("repeat: {}", case.repeat_command(&subject.id)));
    }
    text.push_str(&format!("{INDENT}{}\n", result_line(number, &name, case)));
}

fn result_line(number: u32, name: &str, case: &Case) -> String {
    let why = case.why();
    let (result, directive) = match (case.standing(), case.verdict) {
        (Standing::Passed, _) => ("ok", String::new()),
        (Standing::Skipped, _) => ("ok", format!("SKIP {why}")),
        (Standing::Known, _) => {
            ("not ok", format!("TODO known: {}", case.known.as_deref().unwrap_or("in the baseline")))
        }
        (Standing::Unexpected, Verdict::Hang) => ("not ok", format!("TIMEOUT {why}")),
        // A word before the reason keeps a reason that starts with a directive from being one.
        (Standing::Unexpected, Verdict::Pass | Verdict::Skip) => {
            ("not ok", format!("{}: {why}", case.against_baseline.map_or("unexpected", crate::Against::name)))
        }
        (Standing::Unexpected, verdict) => ("not ok", format!("{}: {why}", verdict.name())),
        (Standing::Broken, _) => ("not ok", format!("ERROR {why}")),
    };
    if directive.is_empty() {
        return format!("{result} {number} {name}");
    }
    format!("{result} {number} {name} # {}", diagnostic_data(&directive))
}

/// Text before the hash sign of a result line: "can't include #", says the document.
fn description(text: &str) -> String {
    one_line(text).replace('#', HASH_SIGN).trim_end().to_owned()
}

/// Text after the hash sign of a result line.
///
/// Parsers look for ` # SKIP` anywhere in the line, so a hash sign is kept only as the start of a word that is no
/// directive: `#PF(4)`, which half of all reasons hold.
fn diagnostic_data(text: &str) -> String {
    let text = one_line(text);
    let mut result = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some((before, after)) = rest.split_once('#') {
        result.push_str(before);
        let word = after.split(|character: char| !character.is_ascii_alphanumeric()).next().unwrap_or_default();
        let is_directive = DIRECTIVES.iter().any(|directive| directive.eq_ignore_ascii_case(word));
        result.push_str(if word.is_empty() || is_directive { HASH_SIGN } else { "#" });
        rest = after;
    }
    result.push_str(rest);
    result.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::{
        example, hostile,
        model::{Against, Case, Report, Subject, Verdict},
    };

    /// The kinds of the lines, or the first line that is none of the four kinds of KTAP.
    fn parse(text: &str) -> Result<Vec<&'static str>, String> {
        let kind = |line: &str| {
            let line = line.trim_start_matches(' ');
            let is_result = |line: &str| {
                let (number, rest) = line.split_once(' ').unwrap_or((line, ""));
                let is_data_plain = |data: &str| !data.contains("# ") && !data.contains("#SKIP");
                number.parse::<u32>().is_ok()
                    && rest.split_once('#').is_none_or(|(_, data)| is_data_plain(data.trim_start()))
            };
            match line {
                "KTAP version 1" => Some("version"),
                _ if line.strip_prefix("1..").is_some_and(|plan| plan.parse::<u32>().is_ok()) => Some("plan"),
                _ if line.starts_with("# ") => Some("diagnostic"),
                _ if line.strip_prefix("ok ").is_some_and(is_result) => Some("ok"),
                _ if line.strip_prefix("not ok ").is_some_and(is_result) => Some("not ok"),
                _ => None,
            }
        };
        // Not `str::lines`: a carriage return alone also ends a line for some readers.
        let text = text.strip_suffix('\n').ok_or("the last line has no end")?;
        text.split(['\n', '\r', '\u{85}', '\u{2028}']).map(|line| kind(line).ok_or_else(|| line.to_owned())).collect()
    }

    fn line_of(verdict: Verdict, against_baseline: Option<Against>, reason: &str) -> String {
        let case = Case {
            against_baseline,
            reason: Some(reason.to_owned()),
            known: Some("erratum 7".to_owned()),
            ..example::case("pio::in", "PortIo", verdict)
        };
        let subject = Subject { id: "vmm".to_owned(), cases: vec![case], ..Subject::default() };
        let text = write(&Report { subjects: vec![subject], ..example::report() });
        text.lines().find(|line| line.contains("ok 1 pio::in")).unwrap().trim().to_owned()
    }

    #[test]
    fn the_example_is_as_checked_in() {
        insta::assert_snapshot!(write(&example::report()));
    }

    #[test]
    fn each_standing_has_its_result_line() {
        use Against::{Expected, Fixed, Regressed};
        let table = [
            (Verdict::Pass, Some(Expected), "ok 1 pio::in"),
            (Verdict::Pass, Some(Fixed), "not ok 1 pio::in # fixed: why"),
            (Verdict::Skip, None, "ok 1 pio::in # SKIP why"),
            (Verdict::Skip, Some(Regressed), "not ok 1 pio::in # regressed: why"),
            (Verdict::Fail, Some(Expected), "not ok 1 pio::in # TODO known: erratum 7"),
            (Verdict::Fail, None, "not ok 1 pio::in # fail: why"),
            (Verdict::Crash, Some(Regressed), "not ok 1 pio::in # crash: why"),
            (Verdict::Hang, None, "not ok 1 pio::in # TIMEOUT why"),
            (Verdict::Error, None, "not ok 1 pio::in # ERROR why"),
        ];
        for (verdict, against, line) in table {
            assert_eq!(line_of(verdict, against, "why"), line);
        }
    }

    #[test]
    fn a_reason_cannot_forge_a_directive_and_mnemonics_stay() {
        let table = [
            ("SKIP # SKIP\n#", "fail: SKIP \\u{23} SKIP\\n\\u{23}"),
            ("#SKIP #todo", "fail: \\u{23}SKIP \\u{23}todo"),
            ("expected #PF(4), actual #GP(0)", "fail: expected #PF(4), actual #GP(0)"),
        ];
        for (reason, data) in table {
            assert_eq!(line_of(Verdict::Fail, None, reason), format!("not ok 1 pio::in # {data}"));
        }
    }

    #[test]
    fn a_known_failure_leaves_its_subject_ok_and_an_unexpected_one_does_not() {
        let report = |against_baseline| {
            let case = Case { against_baseline, ..example::case("pio::in", "PortIo", Verdict::Fail) };
            let subject = Subject { id: "vmm".to_owned(), cases: vec![case], ..Subject::default() };
            write(&Report { subjects: vec![subject], ..example::report() })
        };
        assert!(report(Some(Against::Expected)).ends_with("\nok 1 vmm\n"));
        assert!(report(Some(Against::Regressed)).ends_with("\nnot ok 1 vmm\n"));
    }

    #[test]
    fn a_subject_without_cases_is_skipped() {
        let subject = Subject { id: "vmm".to_owned(), ..Subject::default() };
        let text = write(&Report { subjects: vec![subject], ..example::report() });
        assert!(text.contains("\n  1..0\n") && text.ends_with("\nok 1 vmm # SKIP no case was selected\n"), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn any_string_keeps_every_line_whole(text in hostile::text()) {
            let kinds = parse(&write(&hostile::report(&text))).map_err(proptest::test_runner::TestCaseError::fail)?;
            proptest::prop_assert_eq!(kinds, parse(&write(&hostile::report("x"))).unwrap());
        }
    }
}
