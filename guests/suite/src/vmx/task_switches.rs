//! Exits of task switches: by CALL, JMP, IRET and task gates.

use super::{
    events_model::{Event, kind},
    exit_slots::{Code, run},
    protected_mode::enter_32,
    with_guest,
};
use rt::{
    case, check_eq, mmio, names, paging,
    tables::selector,
    user::register::{RBX, RDI},
    user_code,
    vmx::{
        Guest,
        control::{interruption, rights},
        field, reason,
    },
    vocabulary::{Needs, Text},
};

/// Frames with the descriptor tables and the current task.
const GDT: usize = 10;
const IDT: usize = 11;
const TASK: usize = 12;

// Selectors: an available TSS, a busy one, a gate to the first, one that is not present, and an available 16-bit TSS.
const AVAILABLE: u64 = 0x20;
const BUSY: u64 = 0x28;
const GATE: u64 = 0x30;
const ABSENT: u64 = 0x38;
const AVAILABLE_16: u64 = 0x40;

// Far CALL and JMP to selectors, which 64-bit assembly does not know.
user_code!(call_task: ".byte 0x9a", ".long 0", ".short 0x20", "vmcall");
user_code!(call_16: ".byte 0x9a", ".long 0", ".short 0x40", "vmcall");
user_code!(call_gate: ".byte 0x9a", ".long 0", ".short 0x30", "vmcall");
user_code!(call_absent: ".byte 0x9a", ".long 0", ".short 0x38", "vmcall");
user_code!(call_busy: ".byte 0x9a", ".long 0", ".short 0x28", "vmcall");
user_code!(jump_task: ".byte 0xea", ".long 0", ".short 0x20", "vmcall");
user_code!(jump_gate: ".byte 0xea", ".long 0", ".short 0x30", "vmcall");
user_code!(jump_busy: ".byte 0xea", ".long 0", ".short 0x28", "vmcall");
user_code!(call_memory: "call fword ptr [rdi]", "vmcall");
user_code!(iret: ".byte 0xcf", "vmcall");
user_code!(interrupt: "int 0x40", "vmcall");
user_code!(breakpoint: "int3", "vmcall");
user_code!(debug: ".byte 0xf1", "vmcall");
user_code!(undefined: "ud2", "vmcall");
user_code!(divide: "div ecx", "vmcall");
user_code!(load_segment: "mov ds, ebx", "vmcall");
user_code!(end: "vmcall");

/// Sources, in bits 31:30 of the exit qualification.
const CALL: u64 = 0;
const IRET: u64 = 1 << 30;
const JMP: u64 = 2 << 30;
const BY_GATE: u64 = 3 << 30;

/// A selector that nothing in the table has.
const BEYOND: u64 = 0x1000;
/// RFLAGS.NT.
const NT: u64 = 1 << 14;

fn descriptor(base: u64, limit: u64, rights: u64) -> u64 {
    limit & 0xffff | (base & 0xff_ffff) << 16 | rights << 40 | (base >> 24 & 0xff) << 56
}

/// Gives L2 32-bit protected mode with these tables; all gates lead to the task.
fn prepare(guest: &mut Guest) {
    enter_32(guest);
    let task = paging::frame(TASK);
    let rows = [
        (AVAILABLE, descriptor(task, 0x67, 0x89)),
        (BUSY, descriptor(task, 0x67, 0x8b)),
        (GATE, AVAILABLE << 16 | 0x85 << 40),
        (ABSENT, descriptor(task, 0x67, 0x09)),
        (AVAILABLE_16, descriptor(task, 0x2b, 0x81)),
    ];
    for (selector, entry) in rows {
        mmio::write_u64(paging::frame(GDT) + selector, entry);
    }
    for vector in 0..256 {
        mmio::write_u64(paging::frame(IDT) + vector * 8, AVAILABLE << 16 | 0x85 << 40);
    }
    // The link to the task before.
    mmio::write_u16(task, BUSY as u16);
    let _ = guest.set(field::GUEST_GDTR_BASE, paging::frame(GDT));
    let _ = guest.set(field::GUEST_GDTR_LIMIT, 0x47);
    let _ = guest.set(field::GUEST_IDTR_BASE, paging::frame(IDT));
    let _ = guest.set(field::GUEST_IDTR_LIMIT, 0x7ff);
    let _ = guest.set(field::GUEST_TR_BASE, task);
    let _ = guest.set(field::GUEST_TR_LIMIT, 0x67);
    let _ = guest.set(field::GUEST_TR_RIGHTS, rights::BUSY_TSS.into());
    let _ = guest.set(field::EXCEPTION_BITMAP, 0);
}

/// CALL, JMP and IRET that would switch tasks exit with selector and source, before anything has changed.
#[case(feature = VmxExits, spec = [sdm3c("Treatment of Task Switches"), sdm3c("Basic VM-Exit Information")], needs = Needs::INTEL | Needs::VMX)]
fn task_switches_of_instructions() {
    const NAMES: &[Text] =
        names!["CALL of a TSS", "CALL of a 16-bit TSS", "CALL of a gate", "JMP to a TSS", "JMP to a gate", "IRET"];
    let rows: [(Code, u64, u64); 6] = [
        (call_task, AVAILABLE | CALL, 7),
        (call_16, AVAILABLE_16 | CALL, 7),
        (call_gate, AVAILABLE | CALL, 7),
        (jump_task, AVAILABLE | JMP, 7),
        (jump_gate, AVAILABLE | JMP, 7),
        (iret, BUSY | IRET, 1),
    ];
    with_guest(end, |guest| {
        for (row, (code, qualification, length)) in rows.into_iter().enumerate() {
            guest.start_at(code);
            prepare(guest);
            let flags = if length == 1 { NT | 2 } else { 2 };
            let _ = guest.set(field::GUEST_RFLAGS, flags);
            let exit = run(guest);
            let (task, after) = (guest.read(field::GUEST_TR), guest.read(field::GUEST_RFLAGS));
            let link = mmio::read_u16(paging::frame(TASK));
            let types = [AVAILABLE, BUSY].map(|at| mmio::read_u8(paging::frame(GDT) + at + 5));
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::TASK_SWITCH);
            check_eq!("exit qualification", [NAMES; row], exit.qualification, qualification);
            check_eq!("instruction length", [NAMES; row], exit.length, length);
            check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
            check_eq!("an event was being delivered", [NAMES; row], exit.vectoring >> 31, 0);
            check_eq!("an event is told", [NAMES; row], exit.interruption >> 31, 0);
            check_eq!("TR", [NAMES; row], task, selector::TSS);
            check_eq!("RFLAGS", [NAMES; row], after, flags);
            check_eq!("link of the task", [NAMES; row], link, BUSY);
            check_eq!("type of the available TSS", [NAMES; row], types[0], 0x89);
            check_eq!("type of the busy TSS", [NAMES; row], types[1], 0x8b);
        }
    });
}

/// A task gate of the IDT exits with the selector in it, and tells of the event: software events with their length too.
#[case(feature = VmxExits, spec = [sdm3c("Treatment of Task Switches"), sdm3c("Information for VM Exits That Occur During Event Delivery")],
       needs = Needs::INTEL | Needs::VMX)]
fn task_switches_of_gates() {
    const NAMES: &[Text] = names!["INT 40H", "INT3", "INT1", "#UD", "#DE", "#GP"];
    let rows: [(Code, u32, u64, Option<u64>); 6] = [
        (interrupt, interruption::SOFTWARE_INTERRUPT | 0x40, 2, None),
        (breakpoint, interruption::SOFTWARE_EXCEPTION | 3, 1, None),
        (debug, interruption::PRIVILEGED_SOFTWARE_EXCEPTION | 1, 1, None),
        (undefined, interruption::HARDWARE_EXCEPTION | 6, 0, None),
        (divide, interruption::HARDWARE_EXCEPTION, 0, None),
        (load_segment, interruption::HARDWARE_EXCEPTION | 13, 0, Some(BEYOND)),
    ];
    with_guest(end, |guest| {
        for (row, (code, event, length, error_code)) in rows.into_iter().enumerate() {
            guest.start_at(code);
            prepare(guest);
            guest.registers[RBX] = BEYOND;
            let exit = run(guest);
            guest.reset();
            let with_code = if error_code.is_some() { interruption::HAS_ERROR_CODE } else { 0 };
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::TASK_SWITCH);
            check_eq!("exit qualification", [NAMES; row], exit.qualification, AVAILABLE | BY_GATE);
            let due = interruption::VALID | with_code | event;
            check_eq!("IDT-vectoring information", [NAMES; row], exit.vectoring, due);
            if let Some(error_code) = error_code {
                check_eq!("error code", [NAMES; row], exit.vectoring_error_code, error_code);
            }
            if length != 0 {
                check_eq!("instruction length", [NAMES; row], exit.length, length);
            }
            check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
            check_eq!("an event is told", [NAMES; row], exit.interruption >> 31, 0);
        }
    });
}

/// Events that the entry injects exit by their task gates too, with the entry's instruction length.
#[case(feature = VmxExits, spec = [sdm3c("Treatment of Task Switches"), sdm3c("Event Injection")], needs = Needs::INTEL | Needs::VMX)]
fn task_switches_of_injected_events() {
    const EVENTS: [Event; 6] = [
        Event::of(kind::EXTERNAL, 0x51),
        Event::of(kind::NMI, 2),
        Event::of(kind::HARDWARE, 6),
        Event::of(kind::HARDWARE, 13),
        Event::of(kind::SOFTWARE, 0x80),
        Event::of(kind::SOFTWARE_EXCEPTION, 3),
    ];
    const NAMES: &[Text] = names!["interrupt", "NMI", "#UD", "#GP", "INT 80H", "INT3"];
    const CODE: u64 = 0x1230;
    const LENGTH: u64 = 3;
    with_guest(end, |guest| {
        for (row, event) in EVENTS.into_iter().enumerate() {
            prepare(guest);
            let _ = guest.set(field::GUEST_RFLAGS, 1 << 9 | 2);
            let _ = guest.set(field::ENTRY_INTERRUPTION, event.word().into());
            let _ = guest.set(field::ENTRY_ERROR_CODE, CODE);
            let _ = guest.set(field::ENTRY_LENGTH, LENGTH);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::TASK_SWITCH);
            check_eq!("exit qualification", [NAMES; row], exit.qualification, AVAILABLE | BY_GATE);
            check_eq!("IDT-vectoring information", [NAMES; row], exit.vectoring, event.word());
            if event.has_error_code {
                check_eq!("error code", [NAMES; row], exit.vectoring_error_code, CODE);
            }
            if event.has_length() {
                check_eq!("instruction length", [NAMES; row], exit.length, LENGTH);
            }
            check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
        }
    });
}

/// A task that cannot be switched to raises its exception instead: not present, busy for CALL and JMP.
#[case(feature = VmxExits, spec = sdm3c("Treatment of Task Switches"), needs = Needs::INTEL | Needs::VMX)]
fn task_switches_that_fault() {
    const NAMES: &[Text] = names!["CALL of one not present", "CALL of a busy one", "JMP to a busy one"];
    let rows: [(Code, u32, u64); 3] = [(call_absent, 11, ABSENT), (call_busy, 13, BUSY), (jump_busy, 13, BUSY)];
    with_guest(end, |guest| {
        for (row, (code, vector, error_code)) in rows.into_iter().enumerate() {
            guest.start_at(code);
            prepare(guest);
            let _ = guest.set(field::EXCEPTION_BITMAP, u32::MAX.into());
            let exit = run(guest);
            guest.reset();
            let due = interruption::VALID | interruption::HAS_ERROR_CODE | interruption::HARDWARE_EXCEPTION | vector;
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("interruption information", [NAMES; row], exit.interruption, due);
            check_eq!("error code", [NAMES; row], exit.error_code, error_code);
        }
    });
}

/// 64-bit mode has no task switches: CALL of a TSS, and a task gate, raise #GP.
#[case(feature = VmxExits, spec = [sdm3a("Task Management in 64-bit Mode"), sdm3c("Treatment of Task Switches")], needs = Needs::INTEL | Needs::VMX)]
fn no_task_switches_in_64_bit_mode() {
    const PROTECTION: u32 = interruption::VALID | interruption::HAS_ERROR_CODE | interruption::HARDWARE_EXCEPTION | 13;
    const NAMES: &[Text] = names!["CALL of a TSS", "task gate"];
    with_guest(call_memory, |guest| {
        let operand = paging::frame(TASK);
        mmio::write_u32(operand, 0);
        mmio::write_u16(operand + 4, selector::TSS);
        for vector in 0..256_u64 {
            mmio::write_u64(paging::frame(IDT) + vector * 16, AVAILABLE << 16 | 0x85 << 40);
            mmio::write_u64(paging::frame(IDT) + vector * 16 + 8, 0);
        }
        for row in 0..2 {
            guest.start_at(if row == 0 { call_memory } else { interrupt });
            guest.registers[RDI] = operand;
            let _ = guest.set(field::GUEST_IDTR_BASE, paging::frame(IDT));
            let _ = guest.set(field::GUEST_IDTR_LIMIT, 0xfff);
            let exit = run(guest);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("interruption information", [NAMES; row], exit.interruption, PROTECTION);
            let due = if row == 0 { u64::from(selector::TSS) } else { 0x40 << 3 | 2 };
            check_eq!("error code", [NAMES; row], exit.error_code, due);
        }
    });
}
