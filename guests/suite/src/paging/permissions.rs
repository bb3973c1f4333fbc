//! Access rights by P, R/W and U/S, with CR0.WP set and clear.

use super::{
    model::{Mode, Operation, predict},
    probe::{self, LEVELS, PAGE, attempt, check_access},
};
use rt::{
    case, check_outcome,
    cpu::control::{self, cr0},
    names,
    paging::{self, Level, frame},
    tables::page_bit::{P, RW, US},
};

const DATA: [Operation; 2] = [Operation::Read, Operation::Write];

/// Every combination of P, R/W and U/S in the page's own entry.
const LEAF: [u64; 8] = [0, P, RW, P | RW, US, P | US, RW | US, P | RW | US];

fn check_leaf_rights(mode: Mode) {
    for (row, bits) in LEAF.into_iter().enumerate() {
        let address = paging::map(PAGE, frame(0), bits);
        for operation in DATA {
            check_access!(
                names!["none", "P", "RW", "P+RW", "US", "P+US", "RW+US", "P+RW+US"];
                row, operation, attempt(mode.user, operation, address), predict(&probe::entries(), operation, mode)
            );
        }
    }
}

/// At CPL 3 a page is readable if its entry has P and U/S, and writable if it has R/W too.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn user_access_by_leaf_rights() {
    check_leaf_rights(Mode::USER);
}

/// At CPL 0 with CR0.WP set a page is readable if its entry has P, and writable if it has R/W too, whatever U/S says.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn supervisor_access_by_leaf_rights() {
    check_leaf_rights(Mode::SUPERVISOR);
}

/// With CR0.WP clear CPL 0 may write to a read-only page.
#[case(feature = PagingPermissions, spec = [sdm3a("Determination of Access Rights"), apm2("Write Protect (CR0.WP) Bit")])]
fn supervisor_access_without_write_protection() {
    let clear = control::With::cr0(0, cr0::WP);
    check_outcome!("CR0.WP can be cleared", clear.as_ref().map(|_| ()).map_err(|e| *e), rt::Outcome::COMPLETED);
    check_leaf_rights(Mode { write_protect: false, ..Mode::SUPERVISOR });
}

/// With CR0.WP clear CPL 3 still may not write to a read-only page.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn user_access_without_write_protection() {
    let _clear = control::With::cr0(0, cr0::WP);
    check_leaf_rights(Mode { write_protect: false, ..Mode::USER });
}

/// A change of CR0.WP takes effect for a page that was accessed before it.
#[case(feature = PagingPermissions, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn write_protect_takes_effect_at_once() {
    let address = paging::map(PAGE, frame(0), P | US);
    for row in 0..3 {
        let set = row % 2 == 0;
        let (to_set, to_clear) = if set { (cr0::WP, 0) } else { (0, cr0::WP) };
        let _with = control::With::cr0(to_set, to_clear);
        let mode = Mode { write_protect: set, ..Mode::SUPERVISOR };
        check_outcome!(
            "write",
            [names!["WP set", "WP cleared", "WP set again"]; row],
            attempt(false, Operation::Write, address),
            predict(&probe::entries(), Operation::Write, mode)
        );
    }
}

/// Rights taken away at one level, by level and by kind.
const PARENTS: [[u64; 4]; 8] = [
    [RW, 0, 0, 0],
    [0, RW, 0, 0],
    [0, 0, RW, 0],
    [0, 0, 0, RW],
    [US, 0, 0, 0],
    [0, US, 0, 0],
    [0, 0, US, 0],
    [0, 0, 0, US],
];

fn check_parents(mode: Mode) {
    for (row, missing) in PARENTS.into_iter().enumerate() {
        let address = probe::map_without(missing);
        for operation in DATA {
            check_access!(
                names![
                    "PML4E without RW", "PDPTE without RW", "PDE without RW", "PTE without RW", "PML4E without US",
                    "PDPTE without US", "PDE without US", "PTE without US",
                ];
                row, operation, attempt(mode.user, operation, address), predict(&probe::entries(), operation, mode)
            );
        }
        probe::restore_parents();
    }
}

/// CPL 3 may do what every entry of the walk allows: one without R/W or U/S at any level forbids it.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn user_rights_are_those_of_all_levels() {
    check_parents(Mode::USER);
}

/// CPL 0 may not write, with CR0.WP set, if any entry of the walk lacks R/W.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn supervisor_rights_are_those_of_all_levels() {
    check_parents(Mode::SUPERVISOR);
}

/// An absent entry at any level raises #PF with P clear in the error code, whatever its other bits are.
#[case(feature = PagingPermissions, spec = sdm3a("Page-Fault Exceptions"))]
fn absent_at_each_level() {
    let address = probe::map_without([0; 4]);
    for (row, level) in LEVELS.into_iter().enumerate() {
        let entry = paging::read_entry(level, PAGE);
        // Reserved bits of an entry that is not present are not looked at.
        paging::write_entry(level, PAGE, !P);
        for (operation, user) in [(Operation::Read, false), (Operation::Write, true)] {
            let mode = if user { Mode::USER } else { Mode::SUPERVISOR };
            check_access!(
                names!["PML4E", "PDPTE", "PDE", "PTE"];
                row, operation, attempt(user, operation, address), predict(&probe::entries(), operation, mode)
            );
        }
        paging::write_entry(level, PAGE, entry);
    }
    check_outcome!("present again", attempt(true, Operation::Write, address), rt::Outcome::COMPLETED);
}

/// Each page of a table has rights of its own: a fault in one says nothing about its neighbours.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn neighbouring_pages_differ() {
    let rights = [P | RW | US, P | US, 0, P | RW, P | RW | US];
    for (page, bits) in rights.into_iter().enumerate() {
        paging::map(page, frame(page), bits);
    }
    for (row, page) in [0, 1, 2, 3, 4, 0, 4].into_iter().enumerate() {
        let mut entries = probe::entries();
        entries[3] = paging::read_entry(Level::Pt, page);
        check_outcome!(
            "user write",
            [names!["all", "read-only", "absent", "supervisor", "all, behind", "the first again", "the last again"];
                row],
            attempt(true, Operation::Write, paging::address(page)),
            predict(&entries, Operation::Write, Mode::USER)
        );
    }
}
