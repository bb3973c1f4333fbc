//! The model of extended page tables: each of its inputs counts, and wrong observations are told.

#[path = "../src/paging"]
mod paging {
    #[expect(dead_code, reason = "only the operations are used here")]
    pub(crate) mod decision;
}
#[path = "../src/vmx/ept_model.rs"]
mod ept_model;

use ept_model::{
    Decision, Ending, LINEAR, Mode, QUALIFICATION, TRANSLATED, USER_EXECUTE, bit, changed, decide, flags_agree,
    reserved_bits, with_rights,
};
use paging::decision::Operation;

const MODE: Mode =
    Mode { physical_bits: 40, execute_only: true, page_2m: true, page_1g: true, flags: false, mode_based: None };
const ALL: u64 = bit::R | bit::W | bit::X;
const FULL: [u64; 4] = [0x1007, 0x2007, 0x3007, 0x4037];

fn ending(entries: &[u64], operation: Operation, mode: &Mode) -> Ending {
    decide(entries, operation, mode).ending
}

#[test]
fn an_operation_needs_its_right_on_every_level() {
    for (operation, right) in [(Operation::Read, bit::R), (Operation::Write, bit::W), (Operation::Fetch, bit::X)] {
        assert_eq!(ending(&FULL, operation, &MODE), Ending::Completes);
        for level in [1, 2, 4, 8] {
            let without = changed(FULL, level, 0, right);
            // What cannot be read cannot be written either: that is a misconfiguration.
            let due = if right == bit::R { Ending::Misconfiguration } else { Ending::Violation };
            assert_eq!(ending(&without, operation, &MODE), due, "{operation:?} {level}");
        }
    }
}

#[test]
fn rights_of_the_qualification_are_those_of_all_levels() {
    let entries = changed(changed(FULL, 8, 0, bit::W), 1, 0, bit::X);
    let told = decide(&entries, Operation::Write, &MODE).qualification;
    assert_eq!(told, 2 | bit::R << 3 | LINEAR | TRANSLATED);
    let absent = changed(entries, 2, 0, ALL);
    assert_eq!(decide(&absent, Operation::Fetch, &MODE).qualification, 4 | LINEAR | TRANSLATED);
    assert_eq!(told & !QUALIFICATION, 0);
}

#[test]
fn execute_only_depends_on_the_processor() {
    let entries = with_rights(FULL, 1, bit::X);
    assert_eq!(ending(&entries, Operation::Fetch, &MODE), Ending::Completes);
    assert_eq!(ending(&entries, Operation::Read, &MODE), Ending::Violation);
    let without = Mode { execute_only: false, ..MODE };
    assert_eq!(ending(&entries, Operation::Fetch, &without), Ending::Misconfiguration);
}

#[test]
fn large_pages_depend_on_the_processor_and_end_the_walk() {
    for (index, without) in [(1, Mode { page_1g: false, ..MODE }), (2, Mode { page_2m: false, ..MODE })] {
        let mut entries = FULL;
        entries[index] = 0x4000_0000 | ALL | 6 << 3 | bit::PS;
        let decision = decide(&entries, Operation::Read, &MODE);
        assert_eq!((decision.ending, decision.nr_entries), (Ending::Completes, index + 1));
        assert_eq!(ending(&entries, Operation::Read, &without), Ending::Misconfiguration);
    }
    assert_eq!(ending(&changed(FULL, 8, bit::PS, 0), Operation::Read, &MODE), Ending::Misconfiguration);
    assert_eq!(ending(&changed(FULL, 1, bit::PS, 0), Operation::Read, &MODE), Ending::Completes);
}

#[test]
fn reserved_bits_are_those_of_the_manuals_tables() {
    let beyond = 0x000f_ff00_0000_0000;
    assert_eq!(reserved_bits(7, 4, &MODE), beyond | 0xf8);
    assert_eq!(reserved_bits(7, 3, &MODE), beyond | 0x78);
    assert_eq!(reserved_bits(7, 2, &MODE), beyond | 0x78);
    assert_eq!(reserved_bits(7, 1, &MODE), beyond);
    assert_eq!(reserved_bits(7 | bit::PS, 3, &MODE), beyond | 0x3fff_f000);
    assert_eq!(reserved_bits(7 | bit::PS, 2, &MODE), beyond | 0x1f_f000);
    assert_eq!(reserved_bits(7, 4, &Mode { physical_bits: 52, ..MODE }), 0xf8);
}

#[test]
fn memory_types_are_five() {
    for kind in 0..8 {
        let entries = changed(FULL, 1, kind << 3, 7 << 3);
        let due = if matches!(kind, 2 | 3 | 7) { Ending::Misconfiguration } else { Ending::Completes };
        assert_eq!(ending(&entries, Operation::Read, &MODE), due, "{kind}");
    }
}

#[test]
fn the_first_entry_that_is_absent_or_wrong_ends_the_walk() {
    let absent_first = changed(changed(FULL, 8, 0, ALL), 1, 7 << 3, 0);
    assert_eq!(decide(&absent_first, Operation::Read, &MODE).nr_entries, 1);
    assert_eq!(ending(&absent_first, Operation::Read, &MODE), Ending::Violation);
    // A right that is missing counts last.
    let wrong_last = changed(changed(FULL, 8, 0, bit::X), 1, 7 << 3, 0);
    assert_eq!(ending(&wrong_last, Operation::Fetch, &MODE), Ending::Misconfiguration);
    // What an absent entry holds does not count.
    assert_eq!(ending(&changed(FULL, 1, 7 << 3, ALL), Operation::Read, &MODE), Ending::Violation);
}

#[test]
fn a_users_right_to_execute_counts_by_the_mode() {
    let user = Mode { mode_based: Some(true), ..MODE };
    let supervisor = Mode { mode_based: Some(false), ..MODE };
    assert_eq!(ending(&FULL, Operation::Fetch, &user), Ending::Violation);
    assert_eq!(ending(&FULL, Operation::Fetch, &supervisor), Ending::Completes);
    let both = changed(FULL, 15, bit::XU, 0);
    assert_eq!(ending(&both, Operation::Fetch, &user), Ending::Completes);
    let alone = changed(both, 1, 0, ALL);
    assert_eq!(ending(&alone, Operation::Fetch, &user), Ending::Completes);
    let told = decide(&alone, Operation::Read, &user).qualification;
    assert_eq!(told, 1 | USER_EXECUTE | LINEAR | TRANSLATED);
    // Without the control the bit is ignored, and the entry absent.
    assert_eq!(decide(&alone, Operation::Read, &MODE).qualification, 1 | LINEAR | TRANSLATED);
    let not_alone = Mode { execute_only: false, ..user };
    assert_eq!(ending(&alone, Operation::Fetch, &not_alone), Ending::Misconfiguration);
}

#[test]
fn flags_that_are_wrong_are_told() {
    let flags = Mode { flags: true, ..MODE };
    let agree =
        |after: [u64; 4], operation, decision: &Decision, mode| flags_agree(&FULL, &after, operation, decision, mode);
    let read = decide(&FULL, Operation::Read, &flags);
    let accessed = changed(FULL, 15, bit::A, 0);
    let dirty = changed(accessed, 1, bit::D, 0);
    assert!(agree(accessed, Operation::Read, &read, &flags));
    assert!(agree(dirty, Operation::Write, &read, &flags));
    assert!(agree(FULL, Operation::Write, &read, &MODE));
    // One missing, one too many, dirty above, another bit, and any without the control.
    for level in [1, 2, 4, 8] {
        assert!(!agree(changed(accessed, level, 0, bit::A), Operation::Read, &read, &flags));
        assert!(!agree(changed(accessed, level, bit::D, 0), Operation::Read, &read, &flags));
        assert!(!agree(changed(dirty, level, 1 << 20, 0), Operation::Write, &read, &flags));
        assert!(!agree(changed(FULL, level, bit::A, 0), Operation::Read, &read, &MODE));
    }
    assert!(!agree(accessed, Operation::Write, &read, &flags));
    let refused = changed(FULL, 1, 0, bit::W);
    let decision = decide(&refused, Operation::Write, &flags);
    assert!(flags_agree(&refused, &changed(refused, 12, bit::A, 0), Operation::Write, &decision, &flags));
    assert!(!flags_agree(&refused, &changed(refused, 1, bit::D, 0), Operation::Write, &decision, &flags));
}
