//! Extended page tables: accesses to L2's own paging structures, and where within pages and instructions a violation stands.

use super::{
    ept_access::{self, CONTENT, WINDOW_FRAME, full, violates, with_ept},
    ept_model::{LINEAR, TRANSLATED, bit, with_rights},
};
use crate::paging::decision::Operation;
use rt::{
    case, check_eq, layout, mmio, paging,
    tables::page_bit,
    user::register::{RCX, RDI, RSI},
    user_code,
    vmx::{
        ept::{Level, pointer, window},
        field, reason,
    },
    vocabulary::Needs,
};

/// Bits of the qualification that tell access, rights and kind of an access.
const MASK: u64 = 0x1bf;
/// The window's own tables: the page, from the last level on.
const TABLES: [u64; 3] = [layout::WINDOW_PT, layout::WINDOW_PD, layout::WINDOW_PDPT];
/// The linear flags of guest entries.
const BOTH_FLAGS: u64 = page_bit::A | page_bit::D;

/// Writes accessed and dirty flags into all entries that lead to the window's first page.
fn set_flags(flags: u64) {
    for level in [paging::Level::Pt, paging::Level::Pd, paging::Level::Pdpt, paging::Level::Pml4] {
        let entry = paging::read_entry(level, 0);
        paging::write_entry_only(level, 0, entry & !BOTH_FLAGS | flags);
    }
    paging::invalidate(paging::address(0));
}

/// L2's own tables cannot be read: the access is a read, though not the translation's, and bit 8 is clear.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_tables_of_the_guest_that_cannot_be_read() {
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        let _ = ept.split(layout::PML4);
        for (place, page) in TABLES.into_iter().enumerate() {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let row = (place << 4 | number) as u64;
                let former = ept.read(Level::Pt, page);
                // All flags are set: the walk need not write.
                set_flags(BOTH_FLAGS);
                ept.write(Level::Pt, page, former & !7);
                ept_access::prepare(guest, ept, operation, linear);
                let exit = ept_access::run(guest);
                violates(row, &exit, MASK, 1 | LINEAR, page);
                check_eq!("guest-linear address", [&[]; row], exit.linear_address, linear);
                let rip = if operation == Operation::Fetch { linear } else { guest.start() };
                check_eq!("RIP", [&[]; row], exit.rip, rip);
                ept.write(Level::Pt, page, former);
                let _ = ept.invalidate();
                ept_access::completes(row, guest);
                guest.reset();
            }
        }
        set_flags(BOTH_FLAGS);
    });
}

/// L2's own tables can be read alone: only a walk that must set a flag violates, as a write; whether it tells a read too is left open.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_flags_of_the_guests_tables_are_writes() {
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        let _ = ept.split(layout::PML4);
        for (place, page) in TABLES.into_iter().enumerate() {
            for flags in [0, page_bit::A, BOTH_FLAGS] {
                for (number, operation) in Operation::ALL.into_iter().enumerate() {
                    let row = (place as u64) << 12 | flags << 4 | number as u64;
                    let former = ept.read(Level::Pt, page);
                    set_flags(flags);
                    ept.write(Level::Pt, page, former & !bit::W);
                    ept_access::prepare(guest, ept, operation, linear);
                    let dirty_is_due = place == 0 && operation == Operation::Write && flags & page_bit::D == 0;
                    let exit = ept_access::run(guest);
                    if flags & page_bit::A == 0 || dirty_is_due {
                        violates(row, &exit, MASK & !1, 2 | (bit::R | bit::X) << 3 | LINEAR, page);
                    } else {
                        check_eq!("exit reason", [&[]; row], exit.reason, reason::VMCALL);
                    }
                    ept.write(Level::Pt, page, former);
                    guest.reset();
                }
            }
        }
        set_flags(BOTH_FLAGS);
    });
}

/// With accessed and dirty flags for EPT all accesses to L2's own tables are writes, and tell both read and write.
#[case(feature = VmxEpt, spec = [sdm3c("Accessed and Dirty Flags for EPT"), sdm3c("EPT Violations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY)]
fn ept_walks_are_writes_with_flags() {
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        let _ = ept.split(layout::PML4);
        for (place, page) in TABLES.into_iter().enumerate() {
            for (right_number, rights) in [0, bit::R, bit::R | bit::X].into_iter().enumerate() {
                for (number, operation) in Operation::ALL.into_iter().enumerate() {
                    let row = (place << 8 | right_number << 4 | number) as u64;
                    let former = ept.read(Level::Pt, page);
                    set_flags(BOTH_FLAGS);
                    ept.write(Level::Pt, page, former & !7 | rights);
                    ept_access::prepare(guest, ept, operation, linear);
                    let _ = guest.set_bits(field::EPT_POINTER, pointer::ACCESSED_DIRTY);
                    let exit = ept_access::run(guest);
                    violates(row, &exit, MASK, 3 | rights << 3 | LINEAR, page);
                    ept.write(Level::Pt, page, former);
                    guest.reset();
                }
            }
        }
    });
}

/// The tables through which L2's code is fetched: its first instruction violates, at the entry that maps it.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_tables_of_the_guests_code() {
    with_ept(|guest, ept| {
        let _ = ept.split(layout::PML4);
        let code = guest.start();
        let entries = [layout::PML4, layout::IDENTITY_PDPT, layout::IDENTITY_PD + (code >> 21) * 8];
        for (row, entry) in entries.into_iter().enumerate() {
            let page = entry & !0xfff;
            let former = ept.read(Level::Pt, page);
            ept.write(Level::Pt, page, former & !7);
            ept.attach(guest);
            let _ = ept.invalidate();
            let exit = ept_access::run(guest);
            violates(row as u64, &exit, MASK, 1 | LINEAR, entry);
            check_eq!("guest-linear address", [&[]; row], exit.linear_address, code);
            check_eq!("RIP", [&[]; row], exit.rip, code);
            ept.write(Level::Pt, page, former);
            guest.reset();
        }
    });
}

/// L2's page fault comes before a violation of the address that its page has, and after one of the table that tells so.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("Prioritization of EPT Misconfigurations and EPT Violations")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_page_faults_and_violations_in_order() {
    const PF: u64 = 1 << 31 | 1 << 11 | 3 << 8 | 14;
    with_ept(|guest, ept| {
        let _ = ept.split(layout::PML4);
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            // Neither L2's page nor the window's is there.
            let linear = paging::map(0, window::ADDRESS, 0);
            ept.set_window(with_rights(full(), 1, 0));
            ept_access::prepare(guest, ept, operation, linear);
            let exit = ept_access::run(guest);
            check_eq!("exit reason", [&[]; number], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("interruption information", [&[]; number], exit.interruption, PF);
            check_eq!("exit qualification", [&[]; number], exit.qualification, linear);
            guest.reset();
            // Nor can the table be read.
            let former = ept.read(Level::Pt, layout::WINDOW_PT);
            ept.write(Level::Pt, layout::WINDOW_PT, former & !7);
            ept_access::prepare(guest, ept, operation, linear);
            let exit = ept_access::run(guest);
            violates(number as u64 | 16, &exit, MASK, 1 | LINEAR, layout::WINDOW_PT);
            ept.write(Level::Pt, layout::WINDOW_PT, former);
            guest.reset();
        }
        ept.set_window(full());
    });
}

/// Violations within a page tell every bit of the address.
#[case(feature = VmxEpt, spec = sdm3c("Basic VM-Exit Information"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_addresses_within_a_page() {
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        for (row, offset) in [1_u64, 7, 8, 0x123, 0x7ff, 0x800, 0xff7, 0xff8].into_iter().enumerate() {
            for (number, operation) in [Operation::Read, Operation::Write].into_iter().enumerate() {
                ept.set_window(with_rights(full(), 1, 0));
                ept_access::prepare(guest, ept, operation, linear + offset);
                let exit = ept_access::run(guest);
                let row = (row << 4 | number) as u64;
                violates(row, &exit, MASK, 1 << number | LINEAR | TRANSLATED, window::ADDRESS + offset);
                check_eq!("guest-linear address", [&[]; row], exit.linear_address, linear + offset);
                guest.reset();
            }
        }
    });
}

/// An access across two pages of which the second is forbidden: the address lies in that one, and nothing is written to the first.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_access_across_pages() {
    with_ept(|guest, ept| {
        let first = paging::frame(WINDOW_FRAME + 1);
        for offset in 0xff9..0x1000_u64 {
            for (number, operation) in [Operation::Read, Operation::Write].into_iter().enumerate() {
                let row = offset << 4 | number as u64;
                let linear = paging::map(0, first, paging::ALL_RIGHTS);
                let _ = paging::map(1, window::ADDRESS, paging::ALL_RIGHTS);
                mmio::write_u64(first + 0xff8, CONTENT);
                ept.set_window(with_rights(full(), 1, 0));
                ept_access::prepare(guest, ept, operation, linear + offset);
                let exit = ept_access::run(guest);
                check_eq!("exit reason", [&[]; row], exit.reason, reason::EPT_VIOLATION);
                check_eq!("page of the address", [&[]; row], exit.physical_address >> 12, window::ADDRESS >> 12);
                check_eq!("page of the linear address", [&[]; row], exit.linear_address >> 12, (linear >> 12) + 1);
                check_eq!("first page", [&[]; row], mmio::read_u64(first + 0xff8), CONTENT);
                guest.reset();
            }
        }
    });
}

user_code!(store_string: "cld", "rep stosb", "vmcall");
user_code!(move_string: "cld", "rep movsb", "vmcall");

/// A repeated string instruction that comes to a forbidden page has done what lies before it, and goes on behind a repair.
#[case(feature = VmxEpt, spec = [sdm3c("EPT Violations"), sdm3c("Basic VM-Exit Information")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_repeated_strings_stop_in_the_middle() {
    const BEFORE: u64 = 5;
    const COUNT: u64 = 12;
    with_ept(|guest, ept| {
        let codes: [(extern "C" fn(u64) -> u64, u64, u64); 3] =
            [(store_string, 2, 0), (move_string, 2, 0), (move_string, 1, 1)];
        for (row, (code, access, source_is_window)) in codes.into_iter().enumerate() {
            let linear = paging::map(0, paging::frame(WINDOW_FRAME + 1), paging::ALL_RIGHTS);
            let _ = paging::map(1, window::ADDRESS, paging::ALL_RIGHTS);
            ept.set_window(with_rights(full(), 1, 0));
            ept_access::prepare(guest, ept, Operation::Read, linear);
            guest.start_at(code);
            let (crossing, plain) = (linear + 0x1000 - BEFORE, paging::frame(WINDOW_FRAME + 2));
            let (source, target) = if source_is_window == 1 { (crossing, plain) } else { (plain, crossing) };
            guest.registers[RSI] = source;
            guest.registers[RDI] = target;
            guest.registers[RCX] = COUNT;
            let exit = ept_access::run(guest);
            violates(row as u64, &exit, MASK, access | LINEAR | TRANSLATED, window::ADDRESS);
            check_eq!("RCX", [&[]; row], guest.registers[RCX], COUNT - BEFORE);
            check_eq!("RDI", [&[]; row], guest.registers[RDI], target + BEFORE);
            ept.set_window(full());
            let _ = ept.invalidate();
            ept_access::completes(row as u64, guest);
            check_eq!("RCX at the end", [&[]; row], guest.registers[RCX], 0);
            check_eq!("RDI at the end", [&[]; row], guest.registers[RDI], target + COUNT);
            guest.reset();
        }
    });
}
