//! The judging of SVM's exits and of VMRUN's checks catches a wrong observation in every column.

// Each test uses a part of what stands there.
#![expect(dead_code, reason = "compiled for the cases of the guest")]

#[path = "../src/svm/legality_model.rs"]
mod legality_model;
#[path = "../src/svm/model.rs"]
mod model;

use legality_model::{Change, agrees, due, illegal, legal};
use model::{Column, Observed, Offered, Row};

const ALL: Offered = Offered { next_rip: true, decode_assists: true };
const NONE: Offered = Offered { next_rip: false, decode_assists: false };
const ROW: Row = Row::instruction(0x7b, 2).with_info_1(5).with_info_2(7).at(1);
const RIGHT: Observed = Observed { code: 0x7b, info_1: 5, info_2: 7, rip: 1, next_rip: 3, rax: 0 };

/// The columns that find fault with an observation.
fn faults(row: &Row, offered: Offered, seen: Observed) -> Vec<Column> {
    let columns = row.columns(offered, seen).into_iter().flatten();
    columns.filter(|(_, actual, expected)| actual != expected).map(|(column, ..)| column).collect()
}

#[test]
fn a_right_observation_passes_every_column() {
    assert_eq!(faults(&ROW, ALL, RIGHT), []);
    assert_eq!(ROW.columns(ALL, RIGHT).into_iter().flatten().count(), 6);
}

#[test]
fn a_wrong_observation_is_caught_in_its_column() {
    let wrong = [
        (Observed { code: 0x7c, ..RIGHT }, Column::Code),
        (Observed { info_1: 4, ..RIGHT }, Column::Info1),
        (Observed { info_2: 6, ..RIGHT }, Column::Info2),
        (Observed { rip: 3, ..RIGHT }, Column::Rip),
        (Observed { next_rip: 2, ..RIGHT }, Column::NextRip),
        (Observed { rax: 1, ..RIGHT }, Column::Rax),
    ];
    for (seen, column) in wrong {
        assert_eq!(faults(&ROW, ALL, seen), [column]);
    }
    assert_eq!(faults(&ROW, ALL, Observed::NOT_RUN), [Column::Code]);
}

#[test]
fn what_is_not_offered_is_not_judged() {
    assert_eq!(faults(&ROW, NONE, Observed { next_rip: 0, ..RIGHT }), []);
    let assisted = Row::instruction(0x7b, 2).assisted(9).at(1);
    assert_eq!(faults(&assisted, NONE, Observed { info_1: 1, ..RIGHT }), []);
    assert_eq!(faults(&assisted, ALL, Observed { info_1: 1, ..RIGHT }), [Column::Info1]);
}

#[test]
fn a_rule_is_broken_by_the_other_ending() {
    const REFUSED: u64 = u64::MAX;
    const ENDED: u64 = 0x81;
    for (rule, right, wrong) in
        [(illegal(0, 8, Change::Set(1)), REFUSED, ENDED), (legal(0, 8, Change::Set(1)), ENDED, REFUSED)]
    {
        assert!(agrees(&rule, right, REFUSED, ENDED) && due(&rule, REFUSED, ENDED) == right);
        assert!(!agrees(&rule, wrong, REFUSED, ENDED));
    }
}

#[test]
fn changes_change_their_bits_alone() {
    assert_eq!(Change::Set(4).apply(3), 7);
    assert_eq!(Change::Clear(1).apply(3), 2);
    assert_eq!(Change::To(9).apply(3), 9);
}
