//! A report.json that somebody bent: it is refused with a reason, or it goes through every form and comparison without a panic.

#![forbid(unsafe_code)]

use proptest::prelude::*;
use reports::{
    History, Report, Style, annotations,
    changes::Changes,
    history::Run,
    html, json, junit,
    kcidb::{self, Submission},
    ktap, markdown,
    merge::{self, Part},
    terminal,
};

/// The example, as its snapshot has it.
fn example() -> &'static str {
    let snapshot = include_str!("../src/json/snapshots/reports__json__tests__the_example_is_as_checked_in.snap");
    let start = snapshot.find("{\n").unwrap();
    &snapshot[start..]
}

/// Values that the schema takes in some places and that say nothing there.
const VALUES: &[&str] = &[
    "0",
    "-1",
    "18446744073709551615",
    "1e400",
    "null",
    "true",
    "\"\"",
    "\"\\u0000\"",
    "\"@\"",
    "\"::\"",
    "[]",
    "{}",
    "\"pass\"",
];

#[derive(Clone, Debug)]
enum Bend {
    /// So many bytes are left out.
    Cut(usize, usize),
    /// Another byte stands there.
    Byte(usize, u8),
    /// The value of a line is another one.
    Value(usize, &'static str),
    /// A line stands twice.
    Line(usize),
}

fn bend() -> impl Strategy<Value = Bend> {
    let place = 0..example().len();
    let line = 0..example().lines().count();
    prop_oneof![
        (place.clone(), 1_usize..200).prop_map(|(start, length)| Bend::Cut(start, length)),
        (place, any::<u8>()).prop_map(|(place, byte)| Bend::Byte(place, byte)),
        (line.clone(), proptest::sample::select(VALUES)).prop_map(|(line, value)| Bend::Value(line, value)),
        line.prop_map(Bend::Line),
    ]
}

fn bent(text: &str, bend: &Bend) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let lines: Vec<&str> = text.lines().collect();
    match *bend {
        Bend::Cut(start, length) => {
            let start = start.min(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes.drain(start..end);
        }
        Bend::Byte(place, byte) => {
            let place = place.min(bytes.len().saturating_sub(1));
            bytes[place] = byte;
        }
        Bend::Value(number, value) => {
            let mut lines: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            if let Some(line) = lines.get_mut(number)
                && let Some((name, rest)) = line.split_once(": ")
            {
                let comma = if rest.ends_with(',') { "," } else { "" };
                *line = format!("{name}: {value}{comma}");
            }
            return lines.join("\n");
        }
        Bend::Line(number) => {
            let mut lines = lines;
            if let Some(&line) = lines.get(number) {
                lines.insert(number, line);
            }
            return lines.join("\n");
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Everything that a report can be made into.
fn use_it(report: &Report, other: &Report) {
    let history = History { runs: vec![Run { label: "before".to_owned(), report: other.clone() }] };
    assert!(html::write_with(report, &history).is_ok());
    assert!(junit::write(report).is_ok());
    let _ = (ktap::write(report), markdown::write(report), terminal::write(report, Style::Plain, 80));
    let _ = annotations::write(report);
    assert!(kcidb::write(report, &Submission::new("ci", "1", None).unwrap()).is_ok());
    for (one, two) in [(report, other), (other, report), (report, report)] {
        let _ = Changes::between(one, two).map(|changes| changes.tell(None));
        let part = |report: &Report| Part { path: "report.json".into(), report: report.clone() };
        if let Ok(merged) = merge::merge(&[part(one), part(two)]) {
            assert_eq!(json::read(&json::write(&merged).unwrap()).unwrap(), merged);
        }
    }
}

#[test]
fn the_example_is_whole() {
    let report = json::read(example()).unwrap();
    use_it(&report, &report);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]
    #[test]
    fn a_bent_report_is_refused_or_used(bends in proptest::collection::vec(bend(), 1..4)) {
        let text = bends.iter().fold(example().to_owned(), |text, bend| bent(&text, bend));
        if let Ok(report) = json::read(&text) {
            use_it(&report, &json::read(example()).unwrap());
        }
    }
}
