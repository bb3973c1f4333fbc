//! Page-modification logging.

use super::{
    ept_access::{self, WINDOW_FRAME, full, with_ept},
    ept_model::{bit, with_rights},
};
use crate::paging::decision::Operation;
use rt::{
    case, check_eq, layout, mmio, paging,
    user::register::{RCX, RDI},
    user_code,
    vmx::{
        Guest, Page,
        control::{interruptibility, secondary},
        ept::{Ept, Level, bit::DIRTY, pointer, window},
        field, reason,
    },
    vocabulary::Needs,
};

const LAST: u64 = 511;
/// What the log holds where nothing was written.
const EMPTY: u64 = 0x5555_5555_5555_5555;

const BOTH: u64 = bit::A | bit::D;

/// The window with all accessed flags set, and its page dirty or not.
fn accessed(dirty: u64) -> [u64; 4] {
    let mut entries = full().map(|entry| entry | bit::A);
    entries[3] |= dirty;
    entries
}

/// Prepares L2 for an access with the log on, and an index.
fn prepare(guest: &mut Guest, ept: &Ept, operation: Operation, linear: u64, index: u64) {
    Page::PageLog.fill(EMPTY);
    ept_access::prepare(guest, ept, operation, linear);
    let _ = guest.set_bits(field::EPT_POINTER, pointer::ACCESSED_DIRTY);
    guest.activate(secondary::PML);
    let _ = guest.set(field::PML_ADDRESS, Page::PageLog.address());
    let _ = guest.set(field::PML_INDEX, index);
}

/// An entry of the log.
fn entry(index: u64) -> u64 {
    mmio::read_u64(Page::PageLog.address() + index * 8)
}

/// How many entries of the log were written.
fn nr_written() -> usize {
    (0..512).filter(|&index| entry(index) != EMPTY).count()
}

/// Runs `body` with the window mapped, the tables and the cases' frames in pages of 4 KiB, and all of the identity map accessed and dirty: a log that
/// is full counts wherever a flag must be set.
fn with_log(body: impl FnOnce(&mut Guest, &mut Ept, u64)) {
    with_ept(|guest, ept| {
        let _ = ept.split(layout::PML4);
        let _ = ept.split(paging::frame(0));
        ept.set_everywhere(BOTH);
        let linear = ept_access::map_window();
        body(guest, ept, linear);
    });
}

/// A write that makes a page dirty is logged at the index, which is then one less; reads and fetches are not.
#[case(feature = VmxEpt, spec = sdm3c("Page-Modification Logging"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY | Needs::VMX_PML)]
fn ept_log_of_a_write() {
    with_log(|guest, ept, linear| {
        for (place, index) in [LAST, LAST - 1, 256, 2, 1].into_iter().enumerate() {
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                let row = (place << 4 | number) as u64;
                let is_write = operation == Operation::Write;
                ept.set_window(accessed(0));
                prepare(guest, ept, operation, linear, index);
                ept_access::completes(row, guest);
                check_eq!("PML index", [&[]; row], guest.read(field::PML_INDEX), index - u64::from(is_write));
                check_eq!("entry", [&[]; row], entry(index), if is_write { window::ADDRESS } else { EMPTY });
                check_eq!("entries written", [&[]; row], nr_written(), usize::from(is_write));
                guest.reset();
            }
        }
    });
}

/// The address in the log is that of a page of 4 KiB, whatever the offset of the write and the size of the page.
#[case(feature = VmxEpt, spec = sdm3c("Page-Modification Logging"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY | Needs::VMX_PML)]
fn ept_log_of_addresses() {
    let mode = ept_access::read_mode();
    with_log(|guest, ept, linear| {
        for (row, offset) in [1_u64, 8, 0x7f8, 0xff0, 0xff8].into_iter().enumerate() {
            ept.set_window(accessed(0));
            prepare(guest, ept, Operation::Write, linear + offset, LAST);
            ept_access::completes(row as u64, guest);
            check_eq!("entry", [&[]; row], entry(LAST), window::ADDRESS);
            guest.reset();
        }
        let target = paging::frame(WINDOW_FRAME);
        for (level, size, is_offered) in [(2_usize, 1_u64 << 21, mode.page_2m), (1, 1 << 30, mode.page_1g)] {
            if is_offered {
                let mut entries = full();
                entries[level] = target & !(size - 1) | 7 | 6 << 3 | bit::PS;
                ept.set_window(entries);
                let physical = window::ADDRESS | target & (size - 1);
                let linear = paging::map(1, physical, paging::ALL_RIGHTS);
                prepare(guest, ept, Operation::Write, linear + 8, LAST);
                ept_access::completes(level as u64 + 16, guest);
                check_eq!("entry", [&[]; level + 16], entry(LAST), physical);
                guest.reset();
            }
        }
    });
}

/// Nothing is logged of a page that is dirty, nor of a write that violates, nor without the control.
#[case(feature = VmxEpt, spec = sdm3c("Page-Modification Logging"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY | Needs::VMX_PML)]
fn ept_log_leaves_out() {
    with_log(|guest, ept, linear| {
        let rows = [
            (accessed(bit::D), true, reason::VMCALL),
            (with_rights(full(), 1, bit::R | bit::X), true, reason::EPT_VIOLATION),
            (with_rights(full(), 1, 0), true, reason::EPT_VIOLATION),
            (full(), false, reason::VMCALL),
        ];
        for (row, (entries, is_on, due)) in rows.into_iter().enumerate() {
            ept.set_window(entries);
            prepare(guest, ept, Operation::Write, linear, LAST);
            if !is_on {
                let _ = guest.clear_bits(field::SECONDARY_CONTROLS, secondary::PML.into());
            }
            check_eq!("exit reason", [&[]; row], ept_access::run(guest).reason, due);
            check_eq!("PML index", [&[]; row], guest.read(field::PML_INDEX), LAST);
            check_eq!("entries written", [&[]; row], nr_written(), 0);
            guest.reset();
        }
    });
}

/// The last entry is written with index 0, which becomes FFFFH; the next write finds the log full, and exits before it does anything.
#[case(feature = VmxEpt, spec = [sdm3c("Page-Modification Logging"), sdm3c("Other Causes of VM Exits")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY | Needs::VMX_PML)]
fn ept_log_wraps_and_is_full() {
    with_log(|guest, ept, linear| {
        ept.set_window(accessed(0));
        prepare(guest, ept, Operation::Write, linear, 0);
        ept_access::completes(0, guest);
        check_eq!("PML index behind the last entry", guest.read(field::PML_INDEX), 0xffff);
        check_eq!("last entry", entry(0), window::ADDRESS);
        guest.reset();
    });
    full_log(&[0xffff]);
}

/// Any index above 511 is a full log: an access that must set a flag exits, and changes neither memory nor flags nor log; with room it goes on.
#[case(feature = VmxEpt, spec = [sdm3c("Page-Modification Logging"), sdm3c("Other Causes of VM Exits")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY | Needs::VMX_PML)]
fn ept_log_that_is_full() {
    full_log(&[512, 513, 0x3ff, 0x400, 0x7fff, 0x8000, 0x81ff, 0xfffe]);
}

fn full_log(indices: &[u64]) {
    with_log(|guest, ept, linear| {
        for &index in indices {
            ept.set_window(accessed(0));
            prepare(guest, ept, Operation::Write, linear, index);
            let exit = ept_access::run(guest);
            check_eq!("exit reason", [&[]; index], exit.reason, reason::PML_FULL);
            check_eq!("NMIs unblocked", [&[]; index], exit.qualification & 1 << 12, 0);
            check_eq!("RIP from the start", [&[]; index], exit.rip.wrapping_sub(guest.start()), 0);
            check_eq!("PML index", [&[]; index], guest.read(field::PML_INDEX), index);
            check_eq!("entries written", [&[]; index], nr_written(), 0);
            check_eq!("dirty", [&[]; index], ept.read_window()[3] & bit::D, 0);
            let left = mmio::read_u64(paging::frame(WINDOW_FRAME));
            check_eq!("memory", [&[]; index], left, ept_access::CONTENT);
            // With room, the same instruction goes on.
            let _ = guest.set(field::PML_INDEX, 7);
            ept_access::completes(index, guest);
            check_eq!("entry behind the repair", [&[]; index], entry(7), window::ADDRESS);
            guest.reset();
            for (number, operation) in Operation::ALL.into_iter().enumerate() {
                // Where no flag must be set the log does not count.
                let row = index << 4 | number as u64;
                ept.set_window(accessed(if operation == Operation::Write { bit::D } else { 0 }));
                prepare(guest, ept, operation, linear, index);
                check_eq!("exit reason with flags set", [&[]; row], ept_access::run(guest).reason, reason::VMCALL);
                guest.reset();
                // Where accessed must be set it does.
                ept.set_window(full());
                prepare(guest, ept, operation, linear, index);
                check_eq!("exit reason of a first access", [&[]; row], ept_access::run(guest).reason, reason::PML_FULL);
                check_eq!("flags behind it", [&[]; row], ept.read_window().map(|entry| entry & BOTH) != [0; 4], false);
                guest.reset();
            }
        }
    });
}

user_code!(write_pages: "2:", "mov [rdi], rsi", "add rdi, 4096", "dec ecx", "jnz 2b", "vmcall");

/// Writes of several pages stand in the log from the last entry down, in the order in which they were made; and where it is full in the middle,
/// the rest comes after the repair.
#[case(feature = VmxEpt, spec = sdm3c("Page-Modification Logging"),
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY | Needs::VMX_PML)]
fn ept_log_in_order() {
    const COUNT: usize = 6;
    with_log(|guest, ept, _| {
        for first in [LAST, 100, 3] {
            for page in 0..COUNT {
                ept.write(Level::Pt, paging::frame(page), ept.read(Level::Pt, paging::frame(page)) & !DIRTY);
                let _ = paging::map(page, paging::frame(page), paging::ALL_RIGHTS);
            }
            prepare(guest, ept, Operation::Read, paging::address(0), first);
            guest.start_at(write_pages);
            guest.registers[RCX] = COUNT as u64;
            let exit = ept_access::run(guest);
            let room = (first as usize + 1).min(COUNT);
            let due = if room < COUNT { reason::PML_FULL } else { reason::VMCALL };
            check_eq!("exit reason", [&[]; first], exit.reason, due);
            check_eq!("RDI", [&[]; first], guest.registers[RDI], paging::address(0) + room as u64 * 4096);
            for page in 0..room {
                let row = first << 4 | page as u64;
                check_eq!("entry", [&[]; row], entry(first - page as u64), paging::frame(page));
            }
            check_eq!("entries written", [&[]; first], nr_written(), room);
            let after = first.wrapping_sub(room as u64) & 0xffff;
            check_eq!("PML index", [&[]; first], guest.read(field::PML_INDEX), after);
            if room < COUNT {
                let _ = guest.set(field::PML_INDEX, LAST);
                ept_access::completes(first, guest);
                check_eq!("first entry of the rest", [&[]; first], entry(LAST), paging::frame(room));
            }
            guest.reset();
        }
    });
}

user_code!(interrupt_return: "mov rsp, rdi", "iretq");

/// Pages of L2's own tables are logged when a walk makes them dirty, and a full log exits then, too; no NMI was unblocked.
#[case(feature = VmxEpt, spec = [sdm3c("Page-Modification Logging"), sdm3c("Accessed and Dirty Flags for EPT")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY | Needs::VMX_PML)]
fn ept_log_of_walks() {
    with_log(|guest, ept, linear| {
        ept.set_window(accessed(0));
        for (row, page) in [layout::WINDOW_PT, layout::WINDOW_PD, layout::WINDOW_PDPT].into_iter().enumerate() {
            for index in [LAST, 0xffff] {
                let row = row as u64 | index << 4;
                ept.write(Level::Pt, page, ept.read(Level::Pt, page) & !DIRTY);
                prepare(guest, ept, Operation::Read, linear, index);
                if index == LAST {
                    ept_access::completes(row, guest);
                    check_eq!("entry", [&[]; row], entry(LAST), page);
                    check_eq!("entries written", [&[]; row], nr_written(), 1);
                } else {
                    let exit = ept_access::run(guest);
                    check_eq!("exit reason", [&[]; row], exit.reason, reason::PML_FULL);
                    check_eq!("dirty", [&[]; row], ept.read(Level::Pt, page) & DIRTY, 0);
                }
                ept.write(Level::Pt, page, ept.read(Level::Pt, page) | DIRTY);
                guest.reset();
            }
        }
    });
}

/// IRET whose walk finds the log full has ended blocking by NMI, and says so in bit 12.
#[case(feature = VmxEpt, spec = [sdm3c("Basic VM-Exit Information"), sdm3c("Information About NMI Unblocking Due to IRET")],
       needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPT_DIRTY | Needs::VMX_PML)]
fn ept_full_log_tells_of_nmis_unblocked() {
    with_log(|guest, ept, linear| {
        ept.set_window(accessed(0));
        let page = layout::WINDOW_PT;
        for blocked in [interruptibility::NMI, 0] {
            ept.write(Level::Pt, page, ept.read(Level::Pt, page) & !DIRTY);
            prepare(guest, ept, Operation::Read, linear, 0xffff);
            guest.start_at(interrupt_return);
            let _ = guest.set(field::GUEST_INTERRUPTIBILITY, blocked.into());
            let exit = ept_access::run(guest);
            check_eq!("exit reason", [&[]; blocked], exit.reason, reason::PML_FULL);
            let due = if blocked == 0 { 0 } else { 1 << 12 };
            check_eq!("NMIs unblocked", [&[]; blocked], exit.qualification & 1 << 12, due);
            guest.reset();
        }
    });
}
