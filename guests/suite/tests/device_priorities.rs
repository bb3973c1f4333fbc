//! The table of #NM and #UD against other faults holds what it claims, and each column of what it judges counts.

#[path = "../src/exceptions/device_model.rs"]
mod device_model;

use case::message::outcome::{COMPLETED, exception};
use device_model::{Class, Control, Observed, Other, ROWS, columns, expected, names};

const UD: u64 = exception(6, 0);
const NM: u64 = exception(7, 0);

fn controls() -> impl Iterator<Item = Control> {
    (0..8).map(|bits| Control { em: bits & 1 != 0, mp: bits & 2 != 0, ts: bits & 4 != 0 })
}

fn passes(pairs: [(u64, u64); 2]) -> bool {
    pairs.iter().all(|(actual, expected)| actual == expected)
}

#[test]
fn every_column_of_every_pair_counts() {
    for control in controls() {
        for row in &ROWS {
            let accepted = expected(row, control);
            for outcome in accepted {
                let ip = if outcome == COMPLETED { row.bytes.len() as u64 } else { 0 };
                assert!(passes(columns(row, control, Observed { outcome, ip })), "{}", row.name);
                assert!(!passes(columns(row, control, Observed { outcome, ip: ip + 1 })), "{}", row.name);
            }
            for vector in 0..20 {
                let outcome = exception(vector, 0);
                let seen = Observed { outcome, ip: 0 };
                assert_eq!(passes(columns(row, control, seen)), accepted.contains(&outcome), "{}: {vector}", row.name);
            }
        }
    }
}

#[test]
fn known_outcomes_of_pairs() {
    let find = |name: &str| ROWS.iter().find(|row| row.name == name).expect("the row is there");
    let ts = Control { em: false, mp: false, ts: true };
    let both = Control { em: true, mp: true, ts: true };
    let none = Control { em: false, mp: true, ts: false };
    assert_eq!(expected(find("FLD m32, unmapped"), ts), [NM; 2]);
    assert_eq!(expected(find("FLD m32, unmapped"), none), [exception(14, 4); 2]);
    assert_eq!(expected(find("MOVAPS, misaligned"), both), [UD; 2]);
    assert_eq!(expected(find("MOVAPS, misaligned"), ts), [NM; 2]);
    assert_eq!(expected(find("WAIT, pending"), ts), [exception(16, 0); 2]);
    assert_eq!(expected(find("WAIT, pending"), both), [NM; 2]);
    assert_eq!(expected(find("LOCK FLD m32"), ts), [NM, UD]);
    assert_eq!(expected(find("FLD m32, pending, unmapped"), none), [exception(16, 0), exception(14, 4)]);
}

#[test]
fn every_class_meets_every_other_fault_that_it_can() {
    for class in [Class::X87, Class::Vector, Class::Fxsave] {
        for other in [Other::Nothing, Other::Lock, Other::General, Other::Write] {
            assert!(ROWS.iter().any(|row| row.class == class && row.other == other), "{class:?} {other:?}");
        }
    }
    let mut all: Vec<_> = names().map(|name| name.get()).to_vec();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), ROWS.len());
}
