//! Exits of INS and OUTS: size, direction, repetition, address size, segment and linear address.

use super::{
    exit_information::{Word, segment},
    exit_slots::{run, run_slot, slot},
    with_guest,
};
use rt::{
    case, check_eq, names, paging,
    user::register::{RCX, RDI, RDX, RSI},
    user_code,
    vmx::{Guest, Page, control::processor, field, page::set_port, reason},
    vocabulary::{Needs, Text},
};

/// A string instruction: the low byte of its exit qualification, its segment, and whether its addresses have 32 bits.
struct Row {
    qualification: u64,
    segment: Option<u8>,
    has_small_addresses: bool,
}

const IN: u64 = 1 << 3;
const STRING: u64 = 1 << 4;
const REPEATED: u64 = 1 << 5;

const fn ins(bits: u64) -> Row {
    Row { qualification: IN | STRING | bits, segment: None, has_small_addresses: false }
}

const fn outs(bits: u64) -> Row {
    Row { qualification: STRING | bits, segment: Some(segment::DS), has_small_addresses: false }
}

const fn of(row: Row, segment: u8) -> Row {
    Row { segment: Some(segment), ..row }
}

const fn small(row: Row) -> Row {
    Row { has_small_addresses: true, ..row }
}

macro_rules! strings {
    ($($text:literal, $row:expr;)*) => {
        user_code!(strings: $crate::vmx::exit_slots::slots!("", ""; $($text),*));
        const ROWS: &[Row] = &[$($row),*];
        const NAMES: &[Text] = names![$($text),*];
    };
}

strings! {
    "insb", ins(0);
    "insw", ins(1);
    "insd", ins(3);
    "outsb", outs(0);
    "outsw", outs(1);
    "outsd", outs(3);
    "rep insb", ins(REPEATED);
    "rep insw", ins(REPEATED | 1);
    "rep insd", ins(REPEATED | 3);
    "rep outsb", outs(REPEATED);
    "rep outsw", outs(REPEATED | 1);
    "rep outsd", outs(REPEATED | 3);
    ".byte 0xf2, 0x6c # REPNE INSB", ins(REPEATED);
    ".byte 0xf2, 0x6e # REPNE OUTSB", outs(REPEATED);
    ".byte 0x67, 0x6c # INSB [EDI]", small(ins(0));
    ".byte 0x67, 0x66, 0x6d # INSW [EDI]", small(ins(1));
    ".byte 0xf3, 0x67, 0x6d # REP INSD [EDI]", small(ins(REPEATED | 3));
    ".byte 0x67, 0x6e # OUTSB [ESI]", small(outs(0));
    ".byte 0xf3, 0x67, 0x6f # REP OUTSD [ESI]", small(outs(REPEATED | 3));
    ".byte 0x64, 0x6e # OUTSB FS:[RSI]", of(outs(0), segment::FS);
    ".byte 0x65, 0x66, 0x6f # OUTSW GS:[RSI]", of(outs(1), segment::GS);
    ".byte 0x65, 0x67, 0x6f # OUTSD GS:[ESI]", small(of(outs(3), segment::GS));
    ".byte 0x64, 0x6c # INSB with FS", ins(0);
    ".byte 0x65, 0x6d # INSD with GS", ins(3);
}

user_code!(end: "vmcall");

const PORT: u64 = 0xabc8;
const FS: u64 = 0x10_0000_2000;
const GS: u64 = 0xffff_9000_0000_0000;
/// Above the address size of 32 bits, to be dropped by it.
const HIGH: u64 = 0x12_0000_0000;

/// Registers and bases of every row; the rest of RDX does not count.
fn prepare(guest: &mut Guest) {
    guest.registers[RDX] = 0xffff_0000 | PORT;
    guest.registers[RCX] = 3;
    guest.registers[RDI] = HIGH | paging::frame(2);
    guest.registers[RSI] = HIGH | paging::frame(3);
    let _ = guest.set(field::GUEST_FS_BASE, FS);
    let _ = guest.set(field::GUEST_GS_BASE, GS);
}

/// The linear address of a row's operand.
fn linear_address(row: &Row) -> u64 {
    let (offset, base) = match row.segment {
        None => (paging::frame(2), 0),
        Some(segment::FS) => (paging::frame(3), FS),
        Some(segment::GS) => (paging::frame(3), GS),
        Some(_) => (paging::frame(3), 0),
    };
    base.wrapping_add(if row.has_small_addresses { offset } else { HIGH | offset })
}

/// INS and OUTS exit before they access memory or the port, with all that they would do in the exit qualification.
#[case(feature = VmxPorts, spec = sdm3c("Basic VM-Exit Information"), needs = Needs::INTEL | Needs::VMX)]
fn qualification_of_strings() {
    with_guest(end, |guest| {
        for (number, row) in ROWS.iter().enumerate() {
            let slot = slot(strings, number);
            prepare(guest);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::UNCONDITIONAL_IO.into());
            let exit = run_slot(guest, slot);
            let registers = guest.registers;
            guest.reset();
            check_eq!("exit reason", [NAMES; number], exit.reason, reason::IO_INSTRUCTION);
            check_eq!("exit qualification", [NAMES; number], exit.qualification, row.qualification | PORT << 16);
            check_eq!("instruction length", [NAMES; number], exit.length, slot.length);
            check_eq!("RIP from the start", [NAMES; number], exit.rip.wrapping_sub(slot.rip), 0);
            check_eq!("RCX", [NAMES; number], registers[RCX], 3);
            check_eq!("RDI", [NAMES; number], registers[RDI], HIGH | paging::frame(2));
            check_eq!("RSI", [NAMES; number], registers[RSI], HIGH | paging::frame(3));
        }
    });
}

/// Exits of INS and OUTS tell the linear address of the operand, in the address size of the instruction.
#[case(feature = VmxPorts, spec = sdm3c("Basic VM-Exit Information"), needs = Needs::INTEL | Needs::VMX)]
fn linear_address_of_strings() {
    with_guest(end, |guest| {
        for (number, row) in ROWS.iter().enumerate() {
            prepare(guest);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::UNCONDITIONAL_IO.into());
            let exit = run_slot(guest, slot(strings, number));
            guest.reset();
            check_eq!("guest-linear address", [NAMES; number], exit.linear_address, linear_address(row));
        }
    });
}

/// Where IA32_VMX_BASIC says so, exits of INS and OUTS tell the address size, and OUTS the segment.
#[case(feature = VmxPorts, spec = sdm3c("Information for VM Exits Due to Instruction Execution"), needs = Needs::INTEL | Needs::VMX | Needs::VMX_STRING_INFORMATION)]
fn instruction_information_of_strings() {
    with_guest(end, |guest| {
        for (number, row) in ROWS.iter().enumerate() {
            prepare(guest);
            let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::UNCONDITIONAL_IO.into());
            let exit = run_slot(guest, slot(strings, number));
            guest.reset();
            let address_size = if row.has_small_addresses { 1 } else { 2 };
            let word = Word::NONE.with(7, 3, address_size);
            check_eq!("address size", [NAMES; number], word.seen(exit.instruction), word.value);
            if let Some(segment) = row.segment {
                let word = Word::NONE.with(15, 3, segment.into());
                check_eq!("segment", [NAMES; number], word.seen(exit.instruction), word.value);
            }
        }
    });
}

/// The exit of INS and OUTS comes before the fault of its operand, not mapped or not canonical.
#[case(feature = VmxPorts, spec = sdm3c("Relative Priority of Faults and VM Exits"), needs = Needs::INTEL | Needs::VMX)]
fn strings_exit_before_their_operand_faults() {
    const ADDRESSES: [u64; 2] = [rt::layout::UNMAPPED, 1 << 63];
    with_guest(end, |guest| {
        for (which, address) in ADDRESSES.into_iter().enumerate() {
            for number in (0..ROWS.len()).filter(|&number| ROWS[number].segment.is_none_or(|of| of == segment::DS)) {
                if ROWS[number].has_small_addresses {
                    continue;
                }
                prepare(guest);
                guest.registers[RDI] = address;
                guest.registers[RSI] = address;
                let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::UNCONDITIONAL_IO.into());
                let exit = run_slot(guest, slot(strings, number));
                guest.reset();
                if which == 0 {
                    check_eq!(
                        "exit reason where it is not mapped",
                        [NAMES; number],
                        exit.reason,
                        reason::IO_INSTRUCTION
                    );
                } else {
                    check_eq!(
                        "exit reason where it is not canonical",
                        [NAMES; number],
                        exit.reason,
                        reason::IO_INSTRUCTION
                    );
                }
            }
        }
    });
}

user_code!(out_al_dx: "out dx, al", "vmcall");
user_code!(out_eax_dx: "out dx, eax", "vmcall");
user_code!(in_ax_dx: "in ax, dx", "vmcall");

fn with_io_bitmaps(guest: &mut Guest) {
    let _ = guest.set_bits(field::PROCESSOR_CONTROLS, processor::IO_BITMAPS.into());
    let _ = guest.set(field::IO_BITMAP_A, Page::IoBitmapA.address());
    let _ = guest.set(field::IO_BITMAP_B, Page::IoBitmapB.address());
}

/// Each bit of both I/O bitmaps is that of its own port: an access of one byte exits where it alone is 1.
#[case(feature = VmxPorts, spec = sdm3c("I/O-Bitmap Addresses"), needs = Needs::INTEL | Needs::VMX)]
fn every_bit_of_the_io_bitmaps() {
    with_guest(out_al_dx, |guest| {
        let bits = (0..16_u16).map(|bit| 1 << bit);
        let others = [0, 3, 7, 0xff, 0x7ff8, 0x7fff, 0x8001, 0x80ff, 0xbfff, 0xfff8, 0xfffe, 0xffff];
        for port in bits.chain(others) {
            for page in [Page::IoBitmapA, Page::IoBitmapB] {
                page.fill(0);
            }
            set_port(port, true);
            with_io_bitmaps(guest);
            guest.registers[RDX] = port.into();
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [&[]; port], exit.reason, reason::IO_INSTRUCTION);
            check_eq!("exit qualification", [&[]; port], exit.qualification, u64::from(port) << 16);
        }
    });
}

/// An access that goes beyond port FFFFH exits, whatever the bitmaps hold.
#[case(feature = VmxPorts, spec = sdm3c("Instructions That Cause VM Exits Conditionally"), needs = Needs::INTEL | Needs::VMX)]
fn accesses_that_wrap_exit() {
    const NAMES: &[Text] = names!["OUT DX, EAX at FFFDH", "FFFEH", "FFFFH", "IN AX, DX at FFFFH"];
    for page in [Page::IoBitmapA, Page::IoBitmapB] {
        page.fill(0);
    }
    with_guest(out_eax_dx, |guest| {
        for (row, (code, port, low)) in [
            (out_eax_dx as extern "C" fn(u64) -> u64, 0xfffd_u64, 3),
            (out_eax_dx, 0xfffe, 3),
            (out_eax_dx, 0xffff, 3),
            (in_ax_dx, 0xffff, 9),
        ]
        .into_iter()
        .enumerate()
        {
            guest.start_at(code);
            with_io_bitmaps(guest);
            guest.registers[RDX] = port;
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::IO_INSTRUCTION);
            check_eq!("exit qualification", [NAMES; row], exit.qualification, port << 16 | low);
        }
    });
}
