//! Accessed and dirty flags of extended page tables.

use super::{
    ept_access::{self, WINDOW_FRAME, full, judge, read_mode, with_ept},
    ept_model::{Mode, bit, with_rights},
};
use crate::paging::decision::Operation;
use rt::{
    case, check_eq, layout, paging, user_code,
    vmx::{
        ept::{Level, pointer},
        field, reason,
    },
    vocabulary::Needs,
};

const BOTH: u64 = bit::A | bit::D;

/// Each set of levels with these rights, by each operation, with flags or without. The row is levels and operation.
fn walk(rights: u64, flags: bool) {
    let mode = Mode { flags, ..read_mode() };
    with_ept(|guest, ept| {
        for levels in 0..16 {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let entries = with_rights(full(), levels, rights);
                judge(levels << 4 | number as u64, guest, ept, entries, 0, operation, &mode);
            }
        }
    });
}

/// A walk that completes sets accessed in each entry, and dirty in the last one of a write; one that may not write sets dirty in none.
#[case(feature = VmxEpt, spec = sdm3c("Accessed and Dirty Flags for EPT"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY)]
fn ept_flags_where_writing_is_forbidden() {
    walk(bit::R | bit::X, true);
}

/// A fetch that may not execute sets dirty in no entry; reads and writes of the same entries set what they do.
#[case(feature = VmxEpt, spec = sdm3c("Accessed and Dirty Flags for EPT"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY)]
fn ept_flags_where_executing_is_forbidden() {
    walk(bit::R | bit::W, true);
}

/// Entries that are absent keep their flags, and so do those behind them.
#[case(feature = VmxEpt, spec = sdm3c("Accessed and Dirty Flags for EPT"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY)]
fn ept_flags_of_absent_entries() {
    walk(0, true);
}

/// Without bit 6 of the EPT pointer no walk changes an entry.
#[case(feature = VmxEpt, spec = sdm3c("Accessed and Dirty Flags for EPT"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT)]
fn ept_no_flags_without_their_control() {
    walk(bit::R | bit::W, false);
}

/// Entries that map large pages have both flags, and those above them accessed alone. The row is the level and the operation.
#[case(feature = VmxEpt, spec = sdm3c("Accessed and Dirty Flags for EPT"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY)]
fn ept_flags_of_large_pages() {
    let mode = Mode { flags: true, ..read_mode() };
    let target = paging::frame(WINDOW_FRAME);
    with_ept(|guest, ept| {
        for (level, size, is_offered) in [(2_usize, 1_u64 << 21, mode.page_2m), (1, 1 << 30, mode.page_1g)] {
            if !is_offered {
                continue;
            }
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                for (rights_number, rights) in [7, bit::R | bit::X].into_iter().enumerate() {
                    let mut entries = full();
                    entries[level] = target & !(size - 1) | rights | 6 << 3 | bit::PS;
                    let row = (level << 8 | rights_number << 4 | number) as u64;
                    judge(row, guest, ept, entries, target & (size - 1), operation, &mode);
                }
            }
        }
    });
}

/// Flags that are set stay so, and the other one is still set beside it.
#[case(feature = VmxEpt, spec = sdm3c("Accessed and Dirty Flags for EPT"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY)]
fn ept_flags_that_are_set_stay() {
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        for flags in [0, bit::A, bit::D, BOTH] {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let row = flags << 4 | number as u64;
                let mut entries = full();
                entries[3] |= flags;
                ept.set_window(entries);
                ept_access::prepare(guest, ept, operation, linear);
                let _ = guest.set_bits(field::EPT_POINTER, pointer::ACCESSED_DIRTY);
                ept_access::completes(row, guest);
                let due = flags | bit::A | if operation == Operation::Write { bit::D } else { 0 };
                check_eq!("flags of the page", [&[]; row], ept.read_window()[3] & BOTH, due);
                check_eq!("flags of the directory entry", [&[]; row], ept.read_window()[2] & BOTH, bit::A);
                guest.reset();
            }
        }
    });
}

/// A write after a read sets dirty, without INVEPT between them, and a second write after the flag was cleared and INVEPT sets it again.
#[case(feature = VmxEpt, spec = [sdm3c("Accessed and Dirty Flags for EPT"), sdm3c("Guidelines for Use of the INVEPT Instruction")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY)]
fn ept_dirty_follows_accessed() {
    user_code!(read_and_write: "mov rax, [rdi]", "vmcall", "mov [rdi], rsi", "vmcall");
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        for round in 0..3 {
            ept.set_window(full());
            ept_access::prepare(guest, ept, Operation::Read, linear);
            guest.start_at(read_and_write);
            let _ = guest.set_bits(field::EPT_POINTER, pointer::ACCESSED_DIRTY);
            let exit = ept_access::run(guest);
            check_eq!("exit reason behind the read", [&[]; round], exit.reason, reason::VMCALL);
            check_eq!("flags behind the read", [&[]; round], ept.read_window()[3] & BOTH, bit::A);
            let _ = guest.set(field::GUEST_RIP, exit.rip + exit.length);
            let exit = ept_access::run(guest);
            check_eq!("exit reason behind the write", [&[]; round], exit.reason, reason::VMCALL);
            check_eq!("flags behind the write", [&[]; round], ept.read_window()[3] & BOTH, BOTH);
            guest.reset();
        }
    });
}

/// The pages of L2's own tables become accessed and dirty when they are walked: that is how walks access them.
#[case(feature = VmxEpt, spec = sdm3c("Accessed and Dirty Flags for EPT"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY)]
fn ept_walks_make_tables_dirty() {
    with_ept(|guest, ept| {
        let linear = ept_access::map_window();
        let _ = ept.split(layout::PML4);
        for flags_are_on in [false, true] {
            for (place, page) in
                [layout::WINDOW_PT, layout::WINDOW_PD, layout::WINDOW_PDPT, layout::PML4].into_iter().enumerate()
            {
                let row = usize::from(flags_are_on) << 4 | place;
                let entry = ept.read(Level::Pt, page);
                ept.write(Level::Pt, page, entry & !BOTH);
                ept_access::prepare(guest, ept, Operation::Read, linear);
                if flags_are_on {
                    let _ = guest.set_bits(field::EPT_POINTER, pointer::ACCESSED_DIRTY);
                }
                ept_access::completes(row as u64, guest);
                let due = if flags_are_on { BOTH } else { 0 };
                check_eq!("flags", [&[]; row], ept.read(Level::Pt, page) & BOTH, due);
                guest.reset();
            }
        }
    });
}
