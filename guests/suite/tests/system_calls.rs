//! Every column of what is judged of system calls outside of long mode is seen when it is wrong.

#[path = "../src/segments/columns.rs"]
mod columns;
#[path = "../src/syscall/outside_model.rs"]
mod outside_model;
#[expect(dead_code, unused_imports, reason = "each test uses a part")]
pub mod runtime;

use columns::assert_each_column_counts;
use outside_model::{GROUP, SYSENTER, SYSEXIT, refused, syscall};
use runtime::{Outcome, mmio};

#[test]
fn every_column_counts() {
    assert_each_column_counts(refused(Outcome::GP, 0x4000));
    assert_each_column_counts(refused(Outcome::UD, 0x1_4000));
    assert_each_column_counts(SYSENTER);
    assert_each_column_counts(SYSEXIT);
    assert_each_column_counts(syscall(0x4000));
}

#[test]
fn segments_follow_each_other() {
    assert_eq!([SYSENTER.ss, SYSEXIT.cs, SYSEXIT.ss].map(|value| value - u64::from(GROUP)), [8, 19, 27]);
    assert_eq!((syscall(0x4000).ecx, syscall(0x4000).ss), (0x4002, SYSENTER.ss));
    assert_eq!(GROUP & 7, 0);
}
