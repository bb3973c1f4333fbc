//! Alignment checks outside of long mode, and accesses that are not checked because they are not the program's.

use super::{
    alignment_model::{Enabled, NR_OFFSETS, Seen, columns},
    alignment_rows::{NAMES, ROWS_16, ROWS_32},
    mode::Mode,
    program::{Machine, Start},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::control::cr0,
    excursion::{
        ARENA, layout,
        tables::{self, TSS_LIMIT, access, selector, tss_32},
    },
};

/// AC.
const ALIGNMENT_CHECK: u64 = 1 << 18;

fn walk(mode: Mode, mask: bool, flag: bool) {
    let machine = Machine::new(mode).with_cr0(if mask { cr0::AM } else { 0 });
    let enabled = Enabled { mask, flag, is_user: mode.is_user() };
    let flags = if flag { ALIGNMENT_CHECK } else { 0 };
    let rows = if mode.is_16_bit() { ROWS_16 } else { ROWS_32 };
    for (row, (bytes, size)) in rows.into_iter().enumerate() {
        let mut seen = Seen::NOTHING;
        // At CPL 0, where nothing is due, two distances do.
        for offset in if mode.is_user() { 0..NR_OFFSETS } else { 1..3 } {
            let address = Some(machine.data() + 0x40 + offset);
            let end = machine.run(bytes, Start { flags, address, ..Start::PLAIN });
            seen.take(offset, end.outcome.0, end.ip);
        }
        let [checked, other] = columns(enabled, size, seen);
        check_eq!("distances that raise #AC(0)", [NAMES; row], checked.0, checked.1);
        check_eq!("distances that raise something else", [NAMES; row], other.0, other.1);
    }
}

// A case for each mode and each thing that switches the check off.
macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident $mode:ident $mask:literal $flag:literal;)+) => {$(
        $(#[$doc])*
        #[case(feature = ExceptionAlignment, spec = [sdm3a("Interrupt 17—Alignment Check Exception (#AC)"),
               apm2("#AC—Alignment-Check Exception (Vector 17)")], time = 2)]
        fn $name() {
            walk(Mode::$mode, $mask, $flag);
        }
    )+};
}

cases! {
    /// In 32-bit protected mode at CPL 3, an access that is not aligned to its size raises #AC(0).
    alignment_in_32_bit_mode_at_cpl_3 User32 true true;
    /// In 32-bit protected mode at CPL 3 with EFLAGS.AC clear, nothing raises #AC.
    alignment_in_32_bit_mode_flag_clear User32 true false;
    /// In 32-bit protected mode at CPL 3 with CR0.AM clear, nothing raises #AC.
    alignment_in_32_bit_mode_mask_clear User32 false true;
    /// In 32-bit protected mode at CPL 0, nothing raises #AC.
    alignment_in_32_bit_mode_at_cpl_0 Protected32 true true;
    /// In 16-bit protected mode at CPL 3, an access that is not aligned to its size raises #AC(0).
    alignment_in_16_bit_mode_at_cpl_3 User16 true true;
    /// In 16-bit protected mode at CPL 3 with CR0.AM clear, nothing raises #AC.
    alignment_in_16_bit_mode_mask_clear User16 false true;
    /// In 16-bit protected mode at CPL 0, nothing raises #AC.
    alignment_in_16_bit_mode_at_cpl_0 Protected16 true true;
    /// In virtual-8086 mode, which has CPL 3, an access that is not aligned to its size raises #AC(0).
    alignment_in_virtual_8086_mode Virtual8086 true true;
    /// In virtual-8086 mode with EFLAGS.AC clear, nothing raises #AC.
    alignment_in_virtual_8086_mode_flag_clear Virtual8086 true false;
    /// In virtual-8086 mode with CR0.AM clear, nothing raises #AC.
    alignment_in_virtual_8086_mode_mask_clear Virtual8086 false true;
    /// In real mode, which has CPL 0, nothing raises #AC.
    alignment_in_real_mode Real true true;
}

/// How far tables and stacks are moved off their alignment.
const OFF: u32 = 3;
/// The first descriptor of the LDT, at CPL 3.
const LDT_SELECTOR: u16 = 4 | 3;

/// Runs at CPL 3, or in virtual-8086 mode, with alignment checked. `dx` is a selector.
fn end_of(machine: &Machine, bytes: &[u8], dx: u16) -> Outcome {
    machine.run(bytes, Start { flags: ALIGNMENT_CHECK, rdx: u64::from(dx), ..Start::PLAIN }).outcome
}

fn implicit_accesses(mode: Mode, has_descriptors: bool) {
    let machine = Machine::new(mode).with_cr0(cr0::AM);
    if has_descriptors {
        // An LDT that is off its alignment, with a data segment: MOV ES, EDX; LAR EAX, EDX; VERR DX.
        let base = ARENA + layout::LDT + OFF;
        tables::set_descriptor(selector::LDT, tables::segment(base, 0xff, access::LDT, 0));
        let data = tables::segment(0, 0xf_ffff, access::DATA | access::DPL_3, tables::flag::FLAT);
        tables::write_u64(layout::LDT + OFF, data);
        check_outcome!("load of a segment", end_of(&machine, &[0x8e, 0xc2], LDT_SELECTOR), Outcome::COMPLETED);
        check_outcome!("LAR", end_of(&machine, &[0x0f, 0x02, 0xc2], LDT_SELECTOR), Outcome::COMPLETED);
        check_outcome!("VERR", end_of(&machine, &[0x0f, 0x00, 0xe2], LDT_SELECTOR), Outcome::COMPLETED);
    }
    // INT3 at CPL 3 pushes its frame on a stack that is off its alignment.
    let breakpoint: &[u8] = if has_descriptors { &[0xcc] } else { &[0xf7, 0xf2] };
    let due = if has_descriptors { Outcome::BP } else { Outcome::DE };
    tables::write_u32(layout::TSS + tss_32::ESP_0, ARENA + layout::STACK_0 - OFF);
    check_outcome!("stack of the handler", end_of(&machine, breakpoint, 0), due);
    // A task-state segment that is off its alignment tells SS and ESP of CPL 0.
    let base = ARENA + layout::SPARE + OFF;
    tables::set_descriptor(selector::TSS, tables::segment(base, TSS_LIMIT, access::TSS_32, 0));
    for offset in (0..tss_32::SIZE).step_by(4) {
        tables::write_u32(layout::SPARE + OFF + offset, tables::read_u32(layout::TSS + offset));
    }
    check_outcome!("task-state segment", end_of(&machine, breakpoint, 0), due);
}

/// In 32-bit protected mode at CPL 3, loads of descriptors, of SS and ESP, and the frame of an exception are not checked.
#[case(feature = ExceptionAlignment, spec = sdm3a("Interrupt 17—Alignment Check Exception (#AC)"))]
fn implicit_accesses_in_32_bit_mode() {
    implicit_accesses(Mode::User32, true);
}

/// In 16-bit protected mode at CPL 3, loads of descriptors, of SS and ESP, and the frame of an exception are not checked.
#[case(feature = ExceptionAlignment, spec = sdm3a("Interrupt 17—Alignment Check Exception (#AC)"))]
fn implicit_accesses_in_16_bit_mode() {
    implicit_accesses(Mode::User16, true);
}

/// In virtual-8086 mode, loads of SS and ESP and the frame of an exception are not checked.
#[case(feature = ExceptionAlignment, spec = sdm3a("Interrupt 17—Alignment Check Exception (#AC)"))]
fn implicit_accesses_in_virtual_8086_mode() {
    implicit_accesses(Mode::Virtual8086, false);
}
