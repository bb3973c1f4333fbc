//! The accessed and dirty flags.

use super::{
    model::Operation,
    probe::{self, LEVELS, PAGE, attempt},
};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::control::{self, cr0},
    instruction, names,
    paging::{self, ALL_RIGHTS, Level, frame, read_entry, write_entry},
    tables::page_bit::{A, D, P, RW, US},
    vocabulary::Text,
};

/// [`PAGE`] mapped with A and D clear at every level, and nothing of it cached.
fn map_clean(bits: u64) -> u64 {
    let address = paging::map(PAGE, probe::ret_frame(), bits);
    for level in LEVELS {
        write_entry(level, PAGE, read_entry(level, PAGE) & !(A | D));
    }
    address
}

fn flags(level: Level) -> u64 {
    read_entry(level, PAGE) & (A | D)
}

fn check_flags(is_user: bool) {
    for (row, operation) in [Operation::Read, Operation::Write, Operation::Fetch].into_iter().enumerate() {
        let address = map_clean(ALL_RIGHTS);
        let outcome = attempt(is_user, operation, address);
        check_outcome!("access", [names!["read", "write", "fetch"]; row], outcome, Outcome::COMPLETED);
        let leaf = if operation == Operation::Write { A | D } else { A };
        check_eq!("flags of the PTE", [names!["read", "write", "fetch"]; row], flags(Level::Pt), leaf);
        check_eq!("flags of the PDE", [names!["read", "write", "fetch"]; row], flags(Level::Pd), A);
        check_eq!("flags of the PDPTE", [names!["read", "write", "fetch"]; row], flags(Level::Pdpt), A);
        check_eq!("flags of the PML4E", [names!["read", "write", "fetch"]; row], flags(Level::Pml4), A);
    }
}

/// An access at CPL 0 sets A in each entry of the walk, and a write sets D in the last one only.
#[case(feature = PagingAccessedDirty, spec = sdm3a("Accessed and Dirty Flags"))]
fn supervisor_access_sets_flags() {
    check_flags(false);
}

/// An access at CPL 3 sets A in each entry of the walk, and a write sets D in the last one only.
#[case(feature = PagingAccessedDirty, spec = sdm3a("Accessed and Dirty Flags"))]
fn user_access_sets_flags() {
    check_flags(true);
}

/// A write to a page that was only read before sets D.
#[case(feature = PagingAccessedDirty, spec = sdm3a("Accessed and Dirty Flags"))]
fn write_after_read_sets_dirty() {
    for (row, is_user) in [false, true].into_iter().enumerate() {
        let address = map_clean(ALL_RIGHTS);
        let _ = attempt(is_user, Operation::Read, address);
        check_eq!("after the read", [names!["CPL 0", "CPL 3"]; row], flags(Level::Pt), A);
        let _ = attempt(is_user, Operation::Write, address);
        check_eq!("after the write", [names!["CPL 0", "CPL 3"]; row], flags(Level::Pt), A | D);
    }
}

/// Flags that software clears, invalidating the translation, are set again by the next access.
#[case(feature = PagingAccessedDirty, spec = sdm3a("Accessed and Dirty Flags"))]
fn cleared_flags_are_set_again() {
    for (row, is_user) in [false, true, false, true].into_iter().enumerate() {
        let address = map_clean(ALL_RIGHTS);
        check_eq!("cleared", [names!["CPL 0", "CPL 3", "CPL 0 again", "CPL 3 again"]; row], flags(Level::Pt), 0);
        let _ = attempt(is_user, Operation::Write, address);
        check_eq!("set", [names!["CPL 0", "CPL 3", "CPL 0 again", "CPL 3 again"]; row], flags(Level::Pt), A | D);
    }
}

/// A write that the access rights forbid does not set D.
#[case(feature = PagingAccessedDirty, spec = sdm3a("Accessed and Dirty Flags"))]
fn denied_write_leaves_dirty_clear() {
    const ROWS: &[Text] = names!["CPL 0, read-only", "CPL 3, read-only", "CPL 3, supervisor page"];
    for (row, (is_user, bits)) in [(false, P | US), (true, P | US), (true, P | RW)].into_iter().enumerate() {
        let address = map_clean(bits);
        let outcome = attempt(is_user, Operation::Write, address);
        check!("denied", [ROWS; row], outcome != Outcome::COMPLETED);
        check_eq!("D", [ROWS; row], flags(Level::Pt) & D, 0);
    }
}

/// A write to a read-only page that a clear CR0.WP allows sets D.
#[case(feature = PagingAccessedDirty, spec = sdm3a("Accessed and Dirty Flags"))]
fn write_without_write_protection_sets_dirty() {
    let _clear = control::With::cr0(0, cr0::WP);
    let address = map_clean(P | US);
    check_outcome!("write", attempt(false, Operation::Write, address), Outcome::COMPLETED);
    check_eq!("flags", flags(Level::Pt), A | D);
}

/// LOCK CMPXCHG writes whatever the comparison says: it sets D, and needs the right to write, if they differ too.
#[case(feature = PagingAccessedDirty, spec = [sdm2("CMPXCHG—Compare and Exchange"), sdm3a("Accessed and Dirty Flags")])]
fn failing_compare_and_exchange_is_a_write() {
    let address = map_clean(ALL_RIGHTS);
    // The byte is a RET, so it differs from AL.
    let result = instruction!("lock cmpxchg byte ptr [{}], cl", in(reg) address, inout("al") 0_u8 => _, in("cl") 1_u8);
    check_outcome!("writable page", result, Outcome::COMPLETED);
    check_eq!("flags", flags(Level::Pt), A | D);
    let address = map_clean(P | US);
    let result = instruction!("lock cmpxchg byte ptr [{}], cl", in(reg) address, inout("al") 0_u8 => _, in("cl") 1_u8);
    check_outcome!("read-only page", result, Outcome::pf(3));
}

/// Two pages that share a frame have flags of their own.
#[case(feature = PagingAccessedDirty, spec = sdm3a("Accessed and Dirty Flags"))]
fn aliases_have_their_own_flags() {
    let first = map_clean(ALL_RIGHTS);
    paging::map(PAGE + 1, frame(0), ALL_RIGHTS);
    let _ = attempt(true, Operation::Write, first);
    check_eq!("written through", flags(Level::Pt), A | D);
    // A may be set by a speculative access; D never is.
    check_eq!("the other's D", read_entry(Level::Pt, PAGE + 1) & D, 0);
    let _ = attempt(false, Operation::Write, paging::address(PAGE + 1));
    check_eq!("written through, too", read_entry(Level::Pt, PAGE + 1) & (A | D), A | D);
}
