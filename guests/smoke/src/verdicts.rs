//! Verdicts that a case can have by ordinary means.

use rt::{case, check_eq, misbehave, skip};

/// One check, which passes: the shortest case there is.
#[case(feature = PortIo, spec = vmproof("A case that passes"))]
fn passes() {
    check_eq!("one is one", 1, 1);
}

/// A check that passes and one that fails, with 1 where 2 is expected: a failure.
#[case(feature = PortIo, spec = vmproof("A case that fails"))]
fn fails() {
    check_eq!("two is two", 2, 2);
    check_eq!("one is two", 1, 2);
}

/// A case that cannot decide: a skip with its reason.
#[case(feature = PortIo, spec = vmproof("A case that skips"))]
fn skips() {
    skip!("this case always skips");
}

/// A panic: told with file and line.
#[case(feature = PortIo, spec = vmproof("A case that panics"))]
fn panics() {
    panic!("on purpose");
}

/// A case without a check: not a pass.
#[case(feature = PortIo, spec = vmproof("A case that checks nothing"))]
fn no_checks() {}

/// 200 checks of one table, which pass: more than one page holds.
#[case(feature = PortIo, spec = vmproof("A case with many checks"))]
fn many_checks() {
    for row in 0..200_u64 {
        check_eq!("row", [&[]; row], row, row);
    }
}

/// A check that fails and then a triple fault: the failure must not be lost.
#[case(feature = PortIo, spec = vmproof("A case that fails and then dies"))]
fn fails_then_dies() {
    check_eq!("one is two", 1, 2);
    misbehave::triple_fault();
}
