//! Reports in which every free string is one that a guest or a subject could have chosen to break a form.

use crate::{
    example,
    model::{Against, Case, Check, Report, Verdict},
};
use proptest::prelude::{Strategy, any, prop_oneof};

/// What the syntaxes of the forms are made of.
const PIECES: &[&str] = &[
    "<script>alert(1)</script>",
    "]]>",
    "<!--",
    "-->",
    "&amp;",
    "&",
    "\"",
    "'",
    "|",
    "\\|",
    "\\",
    "`",
    "```",
    "~~~",
    "#",
    " # SKIP",
    "# TODO",
    "not ok 1 x",
    "1..9",
    "KTAP version 1",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\0",
    "\u{1b}[31m",
    "\u{1b}",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{9b}31m",
    "é",
    "漢",
    "🦀",
    " ",
    "{{ x }}",
    "{%",
    "* ",
    "- ",
    "](http://x)",
    "<br>",
    "x",
];

/// Strings of any characters, and strings put together from what breaks parsers.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        proptest::collection::vec(proptest::sample::select(PIECES), 1..8).prop_map(|pieces| pieces.concat()),
    ]
}

/// A report with every verdict in every standing, and `text` as reason, expected, actual and all else that is free.
///
/// Ids keep a letter around it, because a report has no empty ids.
pub(crate) fn report(text: &str) -> Report {
    let mut report = example::report();
    report.host.kernel = text.to_owned();
    report.host.processor = text.to_owned();
    report.image.build_id = text.to_owned();
    for subject in &mut report.subjects {
        subject.version = text.to_owned();
        subject.offers = vec![text.to_owned()];
        let against =
            [None, Some(Against::Expected), Some(Against::Regressed), Some(Against::Fixed), Some(Against::New)];
        subject.cases = Verdict::ALL
            .iter()
            .flat_map(|&verdict| against.map(|against_baseline| hostile_case(text, verdict, against_baseline)))
            .collect();
    }
    report.subjects[0].id = format!("s{text}s");
    for row in &mut report.coverage {
        row.subject = format!("s{text}s");
    }
    for row in &mut report.features {
        row.title = text.to_owned();
    }
    report
}

fn hostile_case(text: &str, verdict: Verdict, against_baseline: Option<Against>) -> Case {
    let check =
        |verdict| Check { id: format!("c{text}c"), verdict, expected: text.to_owned(), actual: text.to_owned() };
    Case {
        id: format!("area::n{text}n"),
        feature: "PortIo".to_owned(),
        spec: text.to_owned(),
        rule: text.to_owned(),
        source: text.to_owned(),
        setup: None,
        axis: Some(format!("restore{text}")),
        verdict,
        reason: Some(text.to_owned()),
        checks: vec![check(Verdict::Pass), check(Verdict::Fail)],
        duration_us: 1,
        against_baseline,
        known: Some(text.to_owned()),
    }
}
