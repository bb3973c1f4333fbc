//! Sub-page write permissions.

use super::{
    ept_access::{self, CONTENT, WRITTEN, with_ept},
    ept_model::bit,
};
use crate::paging::decision::Operation;
use rt::{
    case, check_eq, mmio, names, paging,
    user::register::RDI,
    vmx::{
        Exit, Guest,
        control::secondary,
        ept::{Ept, window},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

/// The first of the frames with the tables, the root's.
const TABLES: usize = 10;
/// The bit of an EPT entry that hands writes to the sub-page table.
const SUB_PAGE: u64 = 1 << 61;
/// Bit 0 of an entry of the table that is valid.
const VALID: u64 = 1;
/// Bit 11 of the exit qualification: an entry is not valid; else it is misconfigured.
const MISS: u64 = 1 << 11;
const SIZE: u64 = 128;

/// Entries that lead to this vector of permissions, the root's first.
fn entries(permissions: u64) -> [u64; 4] {
    let next = |index| paging::frame(TABLES + index) | VALID;
    [next(1), next(2), next(3), permissions]
}

/// Lets L2 write at an offset of the window, which may be written by these entries of the sub-page table alone.
fn write(guest: &mut Guest, ept: &Ept, entries: [u64; 4], offset: u64) -> Exit {
    let linear = ept_access::map_window();
    ept_access::prepare(guest, ept, Operation::Write, linear);
    guest.registers[RDI] = linear + offset;
    mmio::write_u64(paging::frame(ept_access::WINDOW_FRAME) + offset, CONTENT);
    let mut window = ept_access::full();
    window[3] = window[3] & !bit::W | SUB_PAGE;
    ept.set_window(window);
    // The window's address has a number at the root alone; behind it, all indices are 0.
    for (index, entry) in entries.into_iter().enumerate() {
        mmio::write_u64(paging::frame(TABLES + index) + if index == 0 { 8 } else { 0 }, entry);
    }
    guest.activate(secondary::SUB_PAGE);
    let _ = guest.set(field::SUB_PAGE_TABLE, paging::frame(TABLES));
    let _ = ept.invalidate();
    let exit = ept_access::run(guest);
    guest.reset();
    exit
}

fn left(offset: u64) -> u64 {
    mmio::read_u64(paging::frame(ept_access::WINDOW_FRAME) + offset)
}

/// Each of the 32 sub-pages of 128 bytes may be written by its own bit.
#[case(feature = VmxEpt, spec = sdm3c("Sub-Page Write Permissions"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT | Needs::VMX_INVEPT
       | Needs::VMX_SUB_PAGE)]
fn sub_pages_are_written_by_their_bits() {
    with_ept(|guest, ept| {
        for number in 0..32_u64 {
            let own = 1 << (2 * number);
            for (part, offset) in [0, SIZE - 8].into_iter().enumerate() {
                let offset = number * SIZE + offset;
                let row = number << 4 | part as u64;
                let exit = write(guest, ept, entries(own), offset);
                check_eq!("exit reason", [&[]; row], exit.reason, reason::VMCALL);
                check_eq!("memory", [&[]; row], left(offset), WRITTEN);
                let exit = write(guest, ept, entries(0x5555_5555_5555_5555 & !own), offset);
                check_eq!("exit reason, forbidden", [&[]; row], exit.reason, reason::EPT_VIOLATION);
                check_eq!("physical address, forbidden", [&[]; row], exit.physical_address, window::ADDRESS + offset);
                check_eq!("memory, forbidden", [&[]; row], left(offset), CONTENT);
            }
        }
    });
}

/// An entry of the table that is not valid is a miss, one with a reserved bit a misconfiguration: both exit, with the addresses.
#[case(feature = VmxEpt, spec = sdm3c("Sub-Page Write Permissions"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_EPT
       | Needs::VMX_INVEPT | Needs::VMX_SUB_PAGE)]
fn exits_of_the_sub_page_table() {
    const NAMES: &[Text] = names![
        "root not valid",
        "second not valid",
        "third not valid",
        "root with bit 1",
        "second with bit 11",
        "third with bit 63",
    ];
    with_ept(|guest, ept| {
        for row in 0..6_usize {
            let mut entries = entries(u64::MAX / 3);
            let due = match row {
                0..3 => {
                    entries[row] &= !VALID;
                    MISS
                }
                _ => {
                    entries[row - 3] |= [1 << 1, 1 << 11, 1 << 63][row - 3];
                    0
                }
            };
            let exit = write(guest, ept, entries, 0x40);
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::SUB_PAGE);
            check_eq!("exit qualification", [NAMES; row], exit.qualification, due);
            check_eq!("physical address", [NAMES; row], exit.physical_address & !0xfff, window::ADDRESS);
            check_eq!("linear address", [NAMES; row], exit.linear_address & 0xfff, 0x40);
            check_eq!("memory", [NAMES; row], left(0x40), CONTENT);
        }
    });
}
