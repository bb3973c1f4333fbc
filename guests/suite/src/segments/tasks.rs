//! Hardware task switches: by JMP, TASK_BY_CALL, IRET and gates, to 16 and 32-bit tasks.

use case::Text;
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    excursion::{
        ARENA, Arena, Arrival, Code, EFLAGS_CLEAR, Program, layout,
        register::{EAX, EBX, ECX, EDI, EDX, ESI},
        tables::{self, access, flag, gate, segment, selector, tss_32},
    },
    machine_code, names,
};

/// The task that is switched to, and a gate to it.
const TASK: u16 = selector::FREE;
const TASK_GATE: u16 = selector::FREE + 8;
/// Segments of the task, so that a load of each is seen.
const TASK_DATA: u16 = selector::FREE + 16;
const TASK_LDT: u16 = selector::FREE + 24;
const BAD: u16 = selector::FREE + 32;
const TASK_TSS: u32 = layout::SPARE;
const TASK_STACK: u32 = ARENA + layout::STACK_2;
const VECTOR: u8 = 34;
/// Code that a task starts with, other than the runtime's end.
const TASK_CODE: u32 = 0x3000;
const NT: u32 = 1 << 14;
const TS: u32 = 1 << 3;
const BUSY: u64 = 1 << 41;

const _: () = assert!(TASK == 0x58 && TASK_GATE == 0x60);

machine_code! {
    /// Far JMP to the task.
    32 TASK_BY_JUMP = ".byte 0xea", ".long 0", ".word 0x58";
    /// Far TASK_BY_CALL of the task.
    32 TASK_BY_CALL = ".byte 0x9a", ".long 0", ".word 0x58";
    /// Far JMP to the gate.
    32 TASK_BY_JUMP_GATE = ".byte 0xea", ".long 0", ".word 0x60";
    /// Far TASK_BY_CALL of the gate.
    32 TASK_BY_CALL_GATE = ".byte 0x9a", ".long 0", ".word 0x60";
    /// INT n through a task gate.
    32 TASK_BY_INTERRUPT = "int 34";
    /// #UD through a task gate.
    32 TASK_BY_UNDEFINED = "ud2";
    /// #GP through a task gate, with an error code.
    32 TASK_BY_PROTECTION = "mov eax, 0xfff0", "mov es, eax";
    /// A nested task that returns; then the first goes on.
    32 TASK_BY_CALL_AND_GO_ON = ".byte 0x9a", ".long 0", ".word 0x58", "mov ebp, 0x600df00d";
    /// IRET with NT set, from a task that was called; then, called again, it goes on behind.
    32 TASK_BY_RETURN = "inc ebx", "iretd", "inc ecx", "iretd";
    /// Sets NT and returns.
    32 TASK_BY_RETURN_NESTED = "pushfd", "or dword ptr [esp], 0x4000", "popfd", "iretd";
}

fn general(index: usize) -> u32 {
    0x1010_1010 * (index as u32 + 1)
}

/// Writes a 32-bit task that starts at `eip` at CPL 0.
fn put_task_32(eip: u32) {
    for offset in (0..tss_32::SIZE).step_by(4) {
        tables::write_u32(TASK_TSS + offset, 0);
    }
    for index in 0..8 {
        tables::write_u32(TASK_TSS + tss_32::GENERAL + index as u32 * 4, general(index));
    }
    let words = [
        (tss_32::ESP_0, ARENA + layout::STACK_1),
        (tss_32::SS_0, selector::DATA_32.into()),
        (tss_32::GENERAL + 16, TASK_STACK),
        (tss_32::EIP, eip),
        (tss_32::EFLAGS, EFLAGS_CLEAR | 1),
        (tss_32::ES, TASK_DATA.into()),
        (tss_32::CS, selector::CODE_32.into()),
        (tss_32::SS, selector::DATA_32.into()),
        (tss_32::DS, selector::DATA_32.into()),
        (tss_32::FS, TASK_DATA.into()),
        (tss_32::GS, TASK_DATA.into()),
        (tss_32::LDT, TASK_LDT.into()),
        (tss_32::TRAP, 0xffff << 16),
    ];
    for (offset, word) in words {
        tables::write_u32(TASK_TSS + offset, word);
    }
    put_descriptors(segment(ARENA + TASK_TSS, tss_32::SIZE - 1, access::TSS_32, 0));
}

fn put_descriptors(task: u64) {
    tables::set_descriptor(TASK, task);
    tables::set_descriptor(TASK_GATE, gate(TASK, 0, access::TASK_GATE | access::PRESENT, 0));
    tables::set_descriptor(TASK_DATA, segment(0, 0xf_ffff, access::DATA, flag::FLAT));
    tables::set_descriptor(TASK_LDT, segment(ARENA + layout::LDT, 0xff, access::LDT, 0));
    tables::set_gate(VECTOR, gate(TASK, 0, access::TASK_GATE | access::PRESENT, 0));
}

fn program() -> Program {
    Program::PROTECTED_32.with(&[(EAX, 0xa), (ECX, 0xc), (EDX, 0xd), (EBX, 0xb), (ESI, 0x51), (EDI, 0xd1)])
}

/// What the first task left in its TSS.
fn check_saved(next: u32) {
    const NAMES: &[Text] = names!["EAX", "ECX", "EDX", "EBX"];
    let saved = |offset| tables::read_u32(layout::TSS + offset);
    check_eq!("saved EIP", saved(tss_32::EIP), next);
    for (index, value) in [0xa, 0xc, 0xd, 0xb].into_iter().enumerate() {
        check_eq!("saved register", [NAMES; index], saved(tss_32::GENERAL + index as u32 * 4), value);
    }
    check_eq!("saved ESP", saved(tss_32::GENERAL + 16), ARENA + layout::STACK);
    check_eq!("saved CS", saved(tss_32::CS) & 0xffff, selector::CODE_32);
    check_eq!("saved SS", saved(tss_32::SS) & 0xffff, selector::DATA_32);
    check_eq!("saved ES", saved(tss_32::ES) & 0xffff, selector::DATA_32);
    check_eq!("saved GS", saved(tss_32::GS) & 0xffff, selector::DATA_32);
    check_eq!("ESP0 untouched", saved(tss_32::ESP_0), ARENA + layout::STACK_0);
}

/// What the second task found.
fn check_loaded(arrival: &Arrival, pushed: u32) {
    const NAMES: &[Text] = names!["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
    check_outcome!("program", arrival.outcome(), Outcome::COMPLETED);
    for index in (0..8).filter(|&index| index != 4) {
        check_eq!("register", [NAMES; index], arrival.registers.general[index], general(index));
    }
    check_eq!("ESP", arrival.registers.general[4], TASK_STACK - pushed);
    check_eq!("ES", arrival.registers.es, TASK_DATA);
    check_eq!("FS", arrival.registers.fs, TASK_DATA);
    check_eq!("GS", arrival.registers.gs, TASK_DATA);
    check_eq!("DS", arrival.registers.ds, selector::DATA_32);
    check_eq!("TR", arrival.tr, TASK);
    check_eq!("CR0.TS", arrival.cr0 & TS, TS);
}

fn check_nesting(arrival: &Arrival, is_nested: bool) {
    check_eq!("NT", arrival.registers.eflags & NT, if is_nested { NT } else { 0 });
    check_eq!("busy bit of the new task", tables::descriptor(TASK) & BUSY, BUSY);
    check_eq!("busy bit of the old task", tables::descriptor(selector::TSS) & BUSY, if is_nested { BUSY } else { 0 });
    let link = tables::read_u32(TASK_TSS + tss_32::LINK) & 0xffff;
    check_eq!("link", link, if is_nested { u32::from(selector::TSS) } else { 0 });
}

fn switch(code: &Code, is_nested: bool, fault: bool, pushed: u32) {
    let arena = Arena::new();
    put_task_32(arena.end());
    if fault {
        for vector in [6, 13] {
            tables::set_gate(vector, gate(TASK, 0, access::TASK_GATE | access::PRESENT, 0));
        }
    }
    let arrival = arena.run(&program(), code);
    check_loaded(&arrival, pushed);
    check_nesting(&arrival, is_nested);
    if !fault {
        check_saved(ARENA + layout::CODE + code.size() as u32);
    }
}

macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident $feature:ident $code:ident $is_nested:literal $fault:literal $pushed:literal $title:literal;)+) => {$(
        $(#[$doc])*
        #[case(feature = $feature, spec = [sdm3a("Task Switching"), sdm3a($title), apm2("Hardware Task-Management in Legacy Mode")])]
        fn $name() {
            switch(&$code, $is_nested, $fault, $pushed);
        }
    )+};
}

switches! {
    /// JMP to a 32-bit TSS saves all state of the old task, loads that of the new, and moves the busy bit.
    jump_to_a_task TaskSwitches TASK_BY_JUMP false false 0 "Task Linking";
    /// TASK_BY_CALL of a 32-bit TSS leaves the old task busy, links to it and sets NT.
    call_of_a_task TaskSwitches TASK_BY_CALL true false 0 "Task Linking";
    /// JMP to a task gate does what JMP to its TSS does.
    jump_to_a_task_gate TaskSwitches TASK_BY_JUMP_GATE false false 0 "Task-Gate Descriptor";
    /// TASK_BY_CALL of a task gate does what TASK_BY_CALL of its TSS does.
    call_of_a_task_gate TaskSwitches TASK_BY_CALL_GATE true false 0 "Task-Gate Descriptor";
    /// INT n through a task gate nests the task.
    interrupt_through_a_task_gate TaskSwitches TASK_BY_INTERRUPT true false 0 "Interrupt Tasks";
    /// An exception without an error code through a task gate pushes nothing.
    exception_through_a_task_gate TaskSwitches TASK_BY_UNDEFINED true true 0 "Interrupt Tasks";
    /// An exception with an error code through a task gate pushes it on the stack of the new task.
    exception_with_error_code_through_a_task_gate TaskSwitches TASK_BY_PROTECTION true true 4 "Interrupt Tasks";
}

/// IRET with NT set returns to the linked task, behind its TASK_BY_CALL, and leaves its own task available.
#[case(feature = TaskSwitches, spec = [sdm3a("Task Linking"), sdm2("IRET/IRETD/IRETQ—Interrupt Return")])]
fn return_from_a_nested_task() {
    let arena = Arena::new();
    put_task_32(ARENA + TASK_CODE);
    arena.put(TASK_CODE, &TASK_BY_RETURN);
    let arrival = arena.run(&program(), &TASK_BY_CALL_AND_GO_ON);
    check_outcome!("program", arrival.outcome(), Outcome::COMPLETED);
    check_eq!("EBP, set behind the TASK_BY_CALL", arrival.registers.general[5], 0x600d_f00d_u32);
    check_eq!("EAX of the first task", arrival.registers.general[EAX], 0xa);
    check_eq!("ES of the first task", arrival.registers.es, selector::DATA_32);
    check_eq!("TR", arrival.tr, selector::TSS);
    check_eq!("NT of the first task", arrival.registers.eflags & NT, 0);
    check_eq!("busy bit of the nested task", tables::descriptor(TASK) & BUSY, 0);
    check_eq!("busy bit of the first task", tables::descriptor(selector::TSS) & BUSY, BUSY);
    check_eq!("saved EBX", tables::read_u32(TASK_TSS + tss_32::GENERAL + 12), general(EBX) + 1);
    check_eq!("saved EIP is behind IRET", tables::read_u32(TASK_TSS + tss_32::EIP), ARENA + TASK_CODE + 2);
    check_eq!("saved NT", tables::read_u32(TASK_TSS + tss_32::EFLAGS) & NT, 0);
}

/// Offsets in a 16-bit TSS (SDM vol. 3A, "16-Bit Task-State Segment (TSS)").
mod tss_16 {
    pub(super) const IP: u32 = 14;
    pub(super) const FLAGS: u32 = 16;
    pub(super) const GENERAL: u32 = 18;
    pub(super) const ES: u32 = 34;
    pub(super) const LDT: u32 = 42;
    pub(super) const SIZE: u32 = 44;
}

fn write_word(offset: u32, value: u16) {
    rt::mmio::write_u16(u64::from(ARENA + offset), value);
}

/// A 16-bit TSS loads 16 bits of each register and leaves FS and GS null.
#[case(feature = TaskSwitches, spec = [sdm3a("16-Bit Task-State Segment (TSS)"), apm2("Legacy Task-State Segment")])]
fn jump_to_a_task_of_16_bits() {
    switch_to_16_bits(&TASK_BY_JUMP, false);
}

/// CALL of a 16-bit TSS links the tasks as CALL of a 32-bit one does.
#[case(feature = TaskSwitches, spec = [sdm3a("16-Bit Task-State Segment (TSS)"), sdm3a("Task Linking"), apm2("Legacy Task-State Segment")])]
fn call_of_a_task_of_16_bits() {
    switch_to_16_bits(&TASK_BY_CALL, true);
}

fn switch_to_16_bits(code: &Code, is_nested: bool) {
    const NAMES: &[Text] = names!["AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI"];
    let arena = Arena::new();
    for offset in (0..tss_16::SIZE).step_by(2) {
        write_word(TASK_TSS + offset, 0);
    }
    for index in 0..8_u16 {
        write_word(TASK_TSS + tss_16::GENERAL + u32::from(index) * 2, 0x1111 * (index + 1));
    }
    write_word(TASK_TSS + tss_16::GENERAL + 8, layout::STACK_2 as u16);
    // Far JMP to the runtime's end, in 16-bit code with the arena as base.
    tables::write_u64(TASK_CODE, 0xea66 | u64::from(arena.end()) << 16 | u64::from(selector::CODE_32) << 48);
    write_word(TASK_TSS + tss_16::IP, TASK_CODE as u16);
    write_word(TASK_TSS + tss_16::FLAGS, EFLAGS_CLEAR as u16);
    let segments = [selector::DATA_16, selector::CODE_16, selector::DATA_16, selector::DATA_16];
    for (index, value) in (0..).zip(segments) {
        write_word(TASK_TSS + tss_16::ES + index * 2, value);
    }
    write_word(TASK_TSS + tss_16::LDT, 0);
    put_descriptors(segment(ARENA + TASK_TSS, tss_16::SIZE - 1, access::TSS_16, 0));
    let arrival = arena.run(&program(), code);
    check_outcome!("program", arrival.outcome(), Outcome::COMPLETED);
    for index in (0..8).filter(|&index| index != 4) {
        let value = arrival.registers.general[index] & 0xffff;
        check_eq!("register", [NAMES; index], value, 0x1111 * (index as u32 + 1));
    }
    check_eq!("ES", arrival.registers.es, selector::DATA_16);
    check_eq!("FS", arrival.registers.fs, 0);
    check_eq!("GS", arrival.registers.gs, 0);
    check_eq!("TR", arrival.tr, TASK);
    check_nesting(&arrival, is_nested);
    check_saved(ARENA + layout::CODE + code.size() as u32);
}

const fn error(vector: u8, selector: u16) -> Outcome {
    Outcome::exception(vector, (selector & 0xfffc) as u32)
}

/// A TSS that cannot be switched to raises its fault in the old task, whose state stays.
#[case(feature = TaskSwitches, spec = [sdm3a("Task Switching"), sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("Hardware Task-Management in Legacy Mode")])]
fn tasks_that_cannot_be_switched_to() {
    const NAMES: &[Text] = names![
        "busy",
        "not present",
        "limit of 102 bytes",
        "16-bit TSS, limit of 42 bytes",
        "through a gate, busy",
        "through a gate, not present",
        "gate not present",
        "gate names an LDT",
        "gate names the LDT's table",
        "gate names a null selector",
        "gate names what is beyond the limit"
    ];
    let at = ARENA + TASK_TSS;
    let good = segment(at, tss_32::SIZE - 1, access::TSS_32, 0);
    let absent = segment(at, tss_32::SIZE - 1, access::TSS_32 & !access::PRESENT, 0);
    let busy = segment(at, tss_32::SIZE - 1, access::TSS_32 | 2, 0);
    let gate_of = |selector| gate(selector, 0, access::TASK_GATE | access::PRESENT, 0);
    let rows: [(u64, u64, &Code, Outcome); 11] = [
        (busy, 0, &TASK_BY_JUMP, error(13, TASK)),
        (absent, 0, &TASK_BY_JUMP, error(11, TASK)),
        (segment(at, tss_32::SIZE - 2, access::TSS_32, 0), 0, &TASK_BY_JUMP, error(10, TASK)),
        (segment(at, tss_16::SIZE - 2, access::TSS_16, 0), 0, &TASK_BY_JUMP, error(10, TASK)),
        (busy, gate_of(TASK), &TASK_BY_JUMP_GATE, error(13, TASK)),
        (absent, gate_of(TASK), &TASK_BY_JUMP_GATE, error(11, TASK)),
        (good, gate(TASK, 0, access::TASK_GATE & !access::PRESENT, 0), &TASK_BY_JUMP_GATE, error(11, TASK_GATE)),
        (good, gate_of(TASK_LDT), &TASK_BY_JUMP_GATE, error(13, TASK_LDT)),
        (good, gate_of(TASK | 4), &TASK_BY_JUMP_GATE, error(13, TASK | 4)),
        (good, gate_of(0), &TASK_BY_JUMP_GATE, Outcome::GP),
        (good, gate_of(0xfff8), &TASK_BY_JUMP_GATE, error(13, 0xfff8)),
    ];
    let arena = Arena::new();
    for (row, (task, task_gate, code, expected)) in rows.into_iter().enumerate() {
        put_task_32(arena.end());
        tables::set_descriptor(TASK, task);
        tables::set_descriptor(TASK_GATE, task_gate);
        let arrival = arena.run(&program(), code);
        check_outcome!("JMP", [NAMES; row], arrival.outcome(), expected);
        check_eq!("TR", [NAMES; row], arrival.tr, selector::TSS);
        check_eq!("EIP", [NAMES; row], arrival.registers.eip, ARENA + layout::CODE);
        check_eq!("descriptor", [NAMES; row], tables::descriptor(TASK), task);
        check_eq!("EAX", [NAMES; row], arrival.registers.general[EAX], 0xa);
    }
}

/// State of a new task that cannot be loaded raises its fault in the context of the new task.
#[case(feature = TaskSwitches, spec = [sdm3a("Task Switching"), sdm3a("Interrupt 10—Invalid TSS Exception (#TS)"), apm2("Hardware Task-Management in Legacy Mode")])]
fn tasks_whose_state_cannot_be_loaded() {
    const NAMES: &[Text] = names![
        "CS null",
        "CS of data",
        "CS beyond the limit",
        "CS not present",
        "SS null",
        "SS read-only",
        "SS of CPL 0",
        "SS not present",
        "DS of a task",
        "DS not present",
        "ES execute-only",
        "ES not present",
        "FS of CPL 0",
        "GS beyond the limit",
        "LDT of data",
        "LDT not present",
        "LDT in the LDT",
        "DPL of CS is not RPL"
    ];
    let absent_data = segment(0, 0xf_ffff, access::DATA & !access::PRESENT | access::DPL_3, flag::FLAT);
    let absent_code = segment(0, 0xf_ffff, access::CODE & !access::PRESENT | access::DPL_3, flag::FLAT);
    let read_only = segment(0, 0xf_ffff, 0x91 | access::DPL_3, flag::FLAT);
    let execute_only = segment(0, 0xf_ffff, 0x99 | access::DPL_3, flag::FLAT);
    let absent_ldt = segment(ARENA + layout::LDT, 0xff, access::LDT & !access::PRESENT, 0);
    let bad = BAD | 3;
    let rows: [(u32, u16, u64, Outcome); 18] = [
        (tss_32::CS, 0, 0, Outcome::exception(10, 0)),
        (tss_32::CS, selector::USER_DATA_32, 0, error(10, selector::USER_DATA_32)),
        (tss_32::CS, 0xfffb, 0, error(10, 0xfff8)),
        (tss_32::CS, bad, absent_code, error(11, BAD)),
        (tss_32::SS, 0, 0, Outcome::exception(10, 0)),
        (tss_32::SS, bad, read_only, error(10, BAD)),
        (tss_32::SS, selector::DATA_32, 0, error(10, selector::DATA_32)),
        (tss_32::SS, bad, absent_data, error(12, BAD)),
        (tss_32::DS, TASK | 3, 0, error(10, TASK)),
        (tss_32::DS, bad, absent_data, error(11, BAD)),
        (tss_32::ES, bad, execute_only, error(10, BAD)),
        (tss_32::ES, bad, absent_data, error(11, BAD)),
        (tss_32::FS, selector::DATA_32, 0, error(10, selector::DATA_32)),
        (tss_32::GS, 0xfffb, 0, error(10, 0xfff8)),
        (tss_32::LDT, TASK_DATA, 0, error(10, TASK_DATA)),
        (tss_32::LDT, BAD, absent_ldt, error(10, BAD)),
        (tss_32::LDT, TASK_LDT | 4, 0, error(10, TASK_LDT | 4)),
        (tss_32::CS, selector::CODE_32 | 3, 0, error(10, selector::CODE_32)),
    ];
    let arena = Arena::new();
    for (row, (field, value, descriptor, expected)) in rows.into_iter().enumerate() {
        put_task_32(arena.end());
        // The new task has CPL 3, so that its faults come with a stack that is good.
        for (offset, word) in [
            (tss_32::CS, selector::USER_CODE_32),
            (tss_32::SS, selector::USER_DATA_32),
            (tss_32::DS, selector::USER_DATA_32),
            (tss_32::ES, selector::USER_DATA_32),
            (tss_32::FS, 0),
            (tss_32::GS, 0),
            (tss_32::LDT, 0),
        ] {
            tables::write_u32(TASK_TSS + offset, word.into());
        }
        tables::set_descriptor(BAD, descriptor);
        tables::write_u32(TASK_TSS + field, value.into());
        let arrival = arena.run(&program(), &TASK_BY_JUMP);
        check_outcome!("JMP", [NAMES; row], arrival.outcome(), expected);
        check_eq!("TR", [NAMES; row], arrival.tr, TASK);
        check_eq!("EIP", [NAMES; row], arrival.registers.eip, arena.end());
        check!("busy bit", [NAMES; row], tables::descriptor(TASK) & BUSY != 0);
    }
}

/// Bit T of the new TSS raises #DB behind the switch, before the task's first instruction.
#[case(feature = TaskSwitches, spec = [sdm3b("Task-Switch Exception Condition"), sdm3a("Interrupt 1—Debug Exception (#DB)")])]
fn debug_trap_of_a_task() {
    let arena = Arena::new();
    put_task_32(arena.end());
    tables::write_u32(TASK_TSS + tss_32::TRAP, 0xffff << 16 | 1);
    let arrival = arena.run(&program(), &TASK_BY_JUMP);
    check_outcome!("JMP", arrival.outcome(), Outcome::DB);
    check_eq!("EIP", arrival.registers.eip, arena.end());
    check_eq!("TR", arrival.tr, TASK);
    check_eq!("DR6.BT", rt::cpu::control::read_dr6() >> 15 & 1, 1);
}

/// IRET with NT set raises #TS if the link names no busy task.
#[case(feature = TaskSwitches, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm3a("Interrupt 10—Invalid TSS Exception (#TS)")])]
fn return_to_what_is_no_task() {
    const NAMES: &[Text] = names!["available", "null", "LDT", "beyond the limit", "in the LDT"];
    let arena = Arena::new();
    for (row, link) in [TASK, 0, TASK_LDT, 0xfff8, TASK | 4].into_iter().enumerate() {
        put_task_32(arena.end());
        tables::write_u32(layout::TSS + tss_32::LINK, link.into());
        let arrival = arena.run(&program(), &TASK_BY_RETURN_NESTED);
        check_outcome!("IRET", [NAMES; row], arrival.outcome(), error(10, link));
        check_eq!("TR", [NAMES; row], arrival.tr, selector::TSS);
    }
}
