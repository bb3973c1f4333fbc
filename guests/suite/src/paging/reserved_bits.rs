//! Reserved and ignored bits of paging-structure entries.

use super::{
    model::{Operation, error_code},
    probe::{self, LEVELS, PAGE, access_code, attempt},
};
use rt::{
    Outcome, case, check, check_eq, check_outcome, names,
    paging::{self, Level, frame, read_entry, read_physical_address_bits, write_entry},
    tables::page_bit::{A, D, P, PCD, PS, PWT, RW, US, XD},
};

const fn reserved(is_user: bool, operation: Operation) -> Outcome {
    Outcome::pf(access_code(is_user, operation) | error_code::P | error_code::RSVD)
}

/// Sets the bits in the entry at each level in turn and checks that reads at CPL 0 and writes at CPL 3 lead to that.
fn check_levels(bits: u64, supervisor: Outcome, user: Outcome) {
    let address = probe::map_without([0; 4]);
    for (row, level) in LEVELS.into_iter().enumerate() {
        let entry = read_entry(level, PAGE);
        write_entry(level, PAGE, entry | bits);
        check_outcome!(
            "CPL 0 read",
            [names!["PML4E", "PDPTE", "PDE", "PTE"]; row],
            attempt(false, Operation::Read, address),
            supervisor
        );
        check_outcome!(
            "CPL 3 write",
            [names!["PML4E", "PDPTE", "PDE", "PTE"]; row],
            attempt(true, Operation::Write, address),
            user
        );
        write_entry(level, PAGE, entry);
    }
    check_outcome!("without the bits", attempt(true, Operation::Write, address), Outcome::COMPLETED);
}

/// With EFER.NXE clear, bit 63 of an entry at any level is reserved: #PF with RSVD.
#[case(feature = PagingReservedBits, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn execute_disable_is_reserved_without_nxe() {
    check_levels(XD, reserved(false, Operation::Read), reserved(true, Operation::Write));
}

/// The physical-address bits from MAXPHYADDR up are reserved at every level: the lowest of them raises #PF with RSVD.
#[case(feature = PagingReservedBits, spec = [sdm3a("4-Level Paging and 5-Level Paging"),
       sdm3a("Enumeration of Paging Features by CPUID")])]
fn lowest_bit_above_maxphyaddr() {
    let width = read_physical_address_bits();
    if width >= 52 {
        rt::skip!("physical addresses have 52 bits, so none is reserved");
        return;
    }
    check_levels(1 << width, reserved(false, Operation::Read), reserved(true, Operation::Write));
}

/// The physical-address bits from MAXPHYADDR up are reserved at every level: bit 51 raises #PF with RSVD.
#[case(feature = PagingReservedBits, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn highest_bit_above_maxphyaddr() {
    if read_physical_address_bits() >= 52 {
        rt::skip!("physical addresses have 52 bits, so none is reserved");
        return;
    }
    check_levels(1 << 51, reserved(false, Operation::Read), reserved(true, Operation::Write));
}

/// Bits 11 to 9 and 58 to 52 are ignored at every level.
#[case(feature = PagingReservedBits, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn available_bits_are_ignored() {
    check_levels(0x7f << 52 | 7 << 9, Outcome::COMPLETED, Outcome::COMPLETED);
}

/// Bits 62 to 59 of a page's entry are ignored while CR4.PKE and CR4.PKS are clear, and those of the others always.
#[case(feature = PagingReservedBits, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn protection_key_bits_are_ignored_without_pke() {
    check_levels(0xf << 59, Outcome::COMPLETED, Outcome::COMPLETED);
}

/// PWT and PCD choose a memory type and nothing else: no translation and no right depends on them.
#[case(feature = PagingReservedBits, spec = sdm3a("Paging and Memory Typing"))]
fn memory_type_bits_translate_alike() {
    check_levels(PWT | PCD, Outcome::COMPLETED, Outcome::COMPLETED);
}

/// Bit 7 of a PML4 entry is reserved.
#[case(feature = PagingReservedBits, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn page_size_is_reserved_in_pml4() {
    let address = probe::map_without([0; 4]);
    write_entry(Level::Pml4, PAGE, read_entry(Level::Pml4, PAGE) | PS);
    for (row, is_user) in [false, true].into_iter().enumerate() {
        for operation in [Operation::Read, Operation::Write] {
            probe::check_access!(
                names!["CPL 0", "CPL 3"];
                row, operation, attempt(is_user, operation, address), reserved(is_user, operation)
            );
        }
    }
}

/// Bits 20 to 13 of an entry that maps a 2 MiB page are reserved.
#[case(feature = PagingReservedBits, spec = sdm3a("4-Level Paging and 5-Level Paging"))]
fn low_address_bits_of_a_large_page() {
    let base = frame(0) & !(super::large_pages::SIZE - 1);
    let address = paging::address(0) + frame(0) % super::large_pages::SIZE;
    for (row, bit) in (13..=20).enumerate() {
        write_entry(Level::Pd, PAGE, base | P | RW | US | PS | 1 << bit);
        paging::invalidate(address);
        check_outcome!(
            "user write",
            [names!["bit 13", "bit 14", "bit 15", "bit 16", "bit 17", "bit 18", "bit 19", "bit 20"]; row],
            attempt(true, Operation::Write, address),
            reserved(true, Operation::Write)
        );
    }
}

/// A reserved bit is reported before the access rights are: RSVD is set though the access would be denied anyway.
#[case(feature = PagingReservedBits, spec = sdm3a("Page-Fault Exceptions"))]
fn reserved_bit_precedes_access_rights() {
    let address = paging::map(PAGE, probe::ret_frame(), P | XD);
    check_outcome!(
        "user write to a supervisor page",
        attempt(true, Operation::Write, address),
        reserved(true, Operation::Write)
    );
    check_outcome!(
        "supervisor write to a read-only page",
        attempt(false, Operation::Write, address),
        reserved(false, Operation::Write)
    );
}

/// A reserved bit above an absent entry is reported; one below is not reached.
#[case(feature = PagingReservedBits, spec = sdm3a("Page-Fault Exceptions"))]
fn reserved_bit_and_absent_entry() {
    let address = paging::map(PAGE, probe::ret_frame(), 0);
    let entry = read_entry(Level::Pd, PAGE);
    write_entry(Level::Pd, PAGE, entry | XD);
    check_outcome!("above", attempt(false, Operation::Read, address), reserved(false, Operation::Read));
    write_entry(Level::Pd, PAGE, entry & !P);
    write_entry(Level::Pt, PAGE, frame(0) | P | XD);
    check_outcome!("below", attempt(false, Operation::Read, address), Outcome::pf(0));
}

/// A fault by a reserved bit does not set D.
#[case(feature = PagingAccessedDirty, spec = sdm3a("Accessed and Dirty Flags"))]
fn reserved_bit_fault_leaves_dirty_clear() {
    let address = paging::map(PAGE, probe::ret_frame(), P | RW | US | XD);
    check!("the write faults", attempt(true, Operation::Write, address) != Outcome::COMPLETED);
    check_eq!("D", read_entry(Level::Pt, PAGE) & D, 0);
    // Without the bit the same write sets both.
    write_entry(Level::Pt, PAGE, frame(0) | P | RW | US);
    check_outcome!("write", attempt(true, Operation::Write, address), Outcome::COMPLETED);
    check_eq!("flags", read_entry(Level::Pt, PAGE) & (A | D), A | D);
}
