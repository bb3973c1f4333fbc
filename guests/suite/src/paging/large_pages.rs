//! Pages of 2 MiB.

use super::{
    model::{Mode, Operation, predict},
    probe::{self, PAGE, attempt},
};
use rt::{
    Outcome, case, check_eq, check_outcome, mmio, names,
    paging::{self, ALL_RIGHTS, Level, frame, read_entry, table, write_entry},
    tables::page_bit::{A, D, P, PS, RW, US},
};

/// Size of a page that a PDE maps.
pub(super) const SIZE: u64 = 2 << 20;

/// Maps the window's first 2 MiB by one page so that frame `index` lies in it, and returns its address there.
fn map(index: usize, bits: u64) -> u64 {
    write_entry(Level::Pd, PAGE, frame(index) & !(SIZE - 1) | PS | bits);
    paging::invalidate(paging::address(0) + frame(index) % SIZE);
    paging::address(0) + frame(index) % SIZE
}

/// An entry of a page directory with PS set maps 2 MiB: bits 20 to 0 of the address select the byte.
#[case(feature = PagingTranslation, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn large_page_translates_21_bits() {
    let values = [0x1122_3344_5566_7788, 0x99aa_bbcc_ddee_ff00, 0x0123_4567_89ab_cdef];
    for (row, (value, offset)) in values.into_iter().zip([0, 8, 0xff8]).enumerate() {
        mmio::write_u64(frame(row) + offset, value);
        let address = map(row, ALL_RIGHTS) + offset;
        check_eq!(
            "value",
            [names!["start of a frame", "second quadword", "last quadword"]; row],
            mmio::read_u64(address),
            value
        );
        mmio::write_u64(address, !value);
        check_eq!(
            "written",
            [names!["start of a frame", "second quadword", "last quadword"]; row],
            mmio::read_u64(frame(row) + offset),
            !value
        );
    }
}

const LEAF: [u64; 8] = [0, P, RW, P | RW, US, P | US, RW | US, P | RW | US];

fn check_rights(mode: Mode) {
    for (row, bits) in LEAF.into_iter().enumerate() {
        let address = map(0, bits);
        let entries = [read_entry(Level::Pml4, PAGE), read_entry(Level::Pdpt, PAGE), read_entry(Level::Pd, PAGE)];
        for operation in [Operation::Read, Operation::Write] {
            probe::check_access!(
                names!["none", "P", "RW", "P+RW", "US", "P+US", "RW+US", "P+RW+US"];
                row, operation, attempt(mode.user, operation, address), predict(&entries, operation, mode)
            );
        }
    }
}

/// The rights of a 2 MiB page at CPL 3 are those of the three entries of its walk.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn large_page_user_access() {
    check_rights(Mode::USER);
}

/// The rights of a 2 MiB page at CPL 0 are those of the three entries of its walk.
#[case(feature = PagingPermissions, spec = sdm3a("Determination of Access Rights"))]
fn large_page_supervisor_access() {
    check_rights(Mode::SUPERVISOR);
}

/// A 2 MiB page has A and D in its page-directory entry.
#[case(feature = PagingAccessedDirty, spec = sdm3a("Accessed and Dirty Flags"))]
fn large_page_flags() {
    for (row, (is_user, operation)) in
        [(false, Operation::Read), (false, Operation::Write), (true, Operation::Read), (true, Operation::Write)]
            .into_iter()
            .enumerate()
    {
        let address = map(0, ALL_RIGHTS);
        check_outcome!(
            "access",
            [names!["CPL 0 read", "CPL 0 write", "CPL 3 read", "CPL 3 write"]; row],
            attempt(is_user, operation, address),
            Outcome::COMPLETED
        );
        check_eq!(
            "flags",
            [names!["CPL 0 read", "CPL 0 write", "CPL 3 read", "CPL 3 write"]; row],
            read_entry(Level::Pd, PAGE) & (A | D),
            if operation == Operation::Write { A | D } else { A }
        );
    }
}

/// INVLPG for one address of a 2 MiB page drops the translations of the whole page.
#[case(feature = PagingInvalidation, spec = [sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"),
       apm3("INVLPG")])]
fn invlpg_drops_a_whole_large_page() {
    mmio::write_u64(frame(0), 0x1111);
    mmio::write_u64(frame(1), 0x2222);
    let (first, second) = (map(0, ALL_RIGHTS), map(1, ALL_RIGHTS));
    check_eq!("first frame through the large page", mmio::read_u64(first), 0x1111);
    check_eq!("second frame through the large page", mmio::read_u64(second), 0x2222);
    // Instead, a page table in frame 2, that swaps the two.
    let index = |address: u64| (address >> 12 & 511) as usize;
    table::write(frame(2), index(first), frame(1) | ALL_RIGHTS);
    table::write(frame(2), index(second), frame(0) | ALL_RIGHTS);
    paging::write_entry_only(Level::Pd, PAGE, frame(2) | ALL_RIGHTS);
    paging::invalidate(first);
    check_eq!("first address", mmio::read_u64(first), 0x2222);
    check_eq!("second address", mmio::read_u64(second), 0x1111);
}

/// A 2 MiB page that takes the place of a page table is used after INVLPG, and the reverse.
#[case(feature = PagingInvalidation, spec = sdm3a("Operations that Invalidate TLBs and Paging-Structure Caches"))]
fn large_page_replaces_a_table() {
    mmio::write_u64(frame(0), 0x1111);
    mmio::write_u64(frame(1), 0x2222);
    let table_entry = read_entry(Level::Pd, PAGE);
    let page = (frame(0) % SIZE / 4096) as usize;
    let address = paging::map(page, frame(1), ALL_RIGHTS);
    check_eq!("through the table", mmio::read_u64(address), 0x2222);
    check_eq!("through the large page", mmio::read_u64(map(0, ALL_RIGHTS)), 0x1111);
    write_entry(Level::Pd, page, table_entry);
    check_eq!("through the table again", mmio::read_u64(address), 0x2222);
}
