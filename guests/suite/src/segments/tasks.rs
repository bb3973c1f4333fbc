//! Hardware task switches: by JMP, CALL, IRET and gates, to 16 and 32-bit tasks.

use super::{
    reporting::{report, report_once, sites},
    task_model::{
        self, BAD, FAILED, FIRST, Failed, LINKS, Loaded, Loaded16, Nesting, NotReturned, REFUSED, Refused, Returned,
        SIZE_16, Saved, TASK, TASK_DATA, TASK_GATE, TASK_LDT, TASK_STACK, TASK_TSS, Trapped, general, general_16,
    },
};
use case::Text;
use rt::{
    case,
    excursion::{
        ARENA, Arena, Arrival, Code, EFLAGS_CLEAR, Program, layout,
        register::{EAX, EBP, EBX, ECX, EDI, EDX, ESI, ESP},
        tables::{self, access, flag, gate, segment, selector, tss_32},
    },
    machine_code, names,
};

const VECTOR: u8 = 34;
/// Code that a task starts with, other than the runtime's end.
const TASK_CODE: u32 = 0x3000;

const _: () = assert!(TASK == 0x58 && TASK_GATE == 0x60);

machine_code! {
    /// Far JMP to the task.
    32 TASK_BY_JUMP = ".byte 0xea", ".long 0", ".word 0x58";
    /// Far CALL of the task.
    32 TASK_BY_CALL = ".byte 0x9a", ".long 0", ".word 0x58";
    /// Far JMP to the gate.
    32 TASK_BY_JUMP_GATE = ".byte 0xea", ".long 0", ".word 0x60";
    /// Far CALL of the gate.
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
    let [eax, ecx, edx, ebx] = FIRST;
    Program::PROTECTED_32.with(&[(EAX, eax), (ECX, ecx), (EDX, edx), (EBX, ebx), (ESI, 0x51), (EDI, 0xd1)])
}

/// What the first task left in its TSS.
fn check_saved(next: u32) {
    let saved = |offset| u64::from(tables::read_u32(layout::TSS + offset));
    let register = |index| saved(tss_32::GENERAL + index as u32 * 4);
    let seen = Saved {
        eip: saved(tss_32::EIP),
        eax: register(EAX),
        ecx: register(ECX),
        edx: register(EDX),
        ebx: register(EBX),
        esp: register(ESP),
        cs: saved(tss_32::CS),
        ss: saved(tss_32::SS),
        es: saved(tss_32::ES),
        gs: saved(tss_32::GS),
        esp_0: saved(tss_32::ESP_0),
    };
    let sites = sites![&[]; Hex "saved EIP", Hex "saved EAX", Hex "saved ECX", Hex "saved EDX", Hex "saved EBX",
        Hex "saved ESP", Hex "saved CS", Hex "saved SS", Hex "saved ES", Hex "saved GS", Hex "ESP0 untouched"];
    report_once(sites, seen.beside(task_model::saved(next)));
}

/// What the second task found.
fn check_loaded(arrival: &Arrival, pushed: u32) {
    let registers = &arrival.registers;
    let register = |index: usize| u64::from(registers.general[index]);
    let seen = Loaded {
        outcome: arrival.outcome().0,
        eax: register(EAX),
        ecx: register(ECX),
        edx: register(EDX),
        ebx: register(EBX),
        esp: register(ESP),
        ebp: register(EBP),
        esi: register(ESI),
        edi: register(EDI),
        es: registers.es.into(),
        fs: registers.fs.into(),
        gs: registers.gs.into(),
        ds: registers.ds.into(),
        tr: arrival.tr.into(),
        ts: arrival.cr0.into(),
    };
    let sites = sites![&[]; Outcome "program", Hex "EAX", Hex "ECX", Hex "EDX", Hex "EBX", Hex "ESP", Hex "EBP",
        Hex "ESI", Hex "EDI", Hex "ES", Hex "FS", Hex "GS", Hex "DS", Hex "TR", Hex "CR0.TS"];
    report_once(sites, seen.beside(task_model::loaded(pushed)));
}

fn check_nesting(arrival: &Arrival, is_nested: bool) {
    let seen = Nesting {
        nt: arrival.registers.eflags.into(),
        new_is_busy: tables::descriptor(TASK),
        old_is_busy: tables::descriptor(selector::TSS),
        link: tables::read_u32(TASK_TSS + tss_32::LINK).into(),
    };
    let sites = sites![&[]; Hex "NT", Hex "busy bit of the new task", Hex "busy bit of the old task", Hex "link"];
    report_once(sites, seen.beside(task_model::nesting(is_nested)));
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
    /// CALL of a 32-bit TSS leaves the old task busy, links to it and sets NT.
    call_of_a_task TaskSwitches TASK_BY_CALL true false 0 "Task Linking";
    /// JMP to a task gate does what JMP to its TSS does.
    jump_to_a_task_gate TaskSwitches TASK_BY_JUMP_GATE false false 0 "Task-Gate Descriptor";
    /// CALL of a task gate does what CALL of its TSS does.
    call_of_a_task_gate TaskSwitches TASK_BY_CALL_GATE true false 0 "Task-Gate Descriptor";
    /// INT n through a task gate nests the task.
    interrupt_through_a_task_gate TaskSwitches TASK_BY_INTERRUPT true false 0 "Interrupt Tasks";
    /// An exception without an error code through a task gate pushes nothing.
    exception_through_a_task_gate TaskSwitches TASK_BY_UNDEFINED true true 0 "Interrupt Tasks";
    /// An exception with an error code through a task gate pushes it on the stack of the new task.
    exception_with_error_code_through_a_task_gate TaskSwitches TASK_BY_PROTECTION true true 4 "Interrupt Tasks";
}

/// IRET with NT set returns to the linked task, behind its CALL, and leaves its own task available.
#[case(feature = TaskSwitches, spec = [sdm3a("Task Linking"), sdm2("IRET/IRETD/IRETQ—Interrupt Return")])]
fn return_from_a_nested_task() {
    let arena = Arena::new();
    put_task_32(ARENA + TASK_CODE);
    arena.put(TASK_CODE, &TASK_BY_RETURN);
    let arrival = arena.run(&program(), &TASK_BY_CALL_AND_GO_ON);
    let nested = |offset| u64::from(tables::read_u32(TASK_TSS + offset));
    let seen = Returned {
        outcome: arrival.outcome().0,
        ebp: arrival.registers.general[EBP].into(),
        eax: arrival.registers.general[EAX].into(),
        es: arrival.registers.es.into(),
        tr: arrival.tr.into(),
        nt: arrival.registers.eflags.into(),
        nested_is_busy: tables::descriptor(TASK),
        first_is_busy: tables::descriptor(selector::TSS),
        saved_ebx: nested(tss_32::GENERAL + 12),
        saved_eip: nested(tss_32::EIP),
        saved_nt: nested(tss_32::EFLAGS),
    };
    let sites = sites![&[]; Outcome "program", Hex "EBP, set behind the CALL", Hex "EAX of the first task",
        Hex "ES of the first task", Hex "TR", Hex "NT of the first task", Hex "busy bit of the nested task",
        Hex "busy bit of the first task", Hex "saved EBX", Hex "saved EIP is behind IRET", Hex "saved NT"];
    report_once(sites, seen.beside(task_model::returned(ARENA + TASK_CODE + 2)));
}

/// Offsets in a 16-bit TSS (SDM vol. 3A, "16-Bit Task-State Segment (TSS)").
mod tss_16 {
    pub(super) const IP: u32 = 14;
    pub(super) const FLAGS: u32 = 16;
    pub(super) const GENERAL: u32 = 18;
    pub(super) const ES: u32 = 34;
    pub(super) const LDT: u32 = 42;
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
    let arena = Arena::new();
    for offset in (0..SIZE_16).step_by(2) {
        write_word(TASK_TSS + offset, 0);
    }
    for index in 0..8 {
        write_word(TASK_TSS + tss_16::GENERAL + index as u32 * 2, general_16(index));
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
    put_descriptors(segment(ARENA + TASK_TSS, SIZE_16 - 1, access::TSS_16, 0));
    let arrival = arena.run(&program(), code);
    let registers = &arrival.registers;
    let register = |index: usize| u64::from(registers.general[index]);
    let seen = Loaded16 {
        outcome: arrival.outcome().0,
        ax: register(EAX),
        cx: register(ECX),
        dx: register(EDX),
        bx: register(EBX),
        bp: register(EBP),
        si: register(ESI),
        di: register(EDI),
        es: registers.es.into(),
        fs: registers.fs.into(),
        gs: registers.gs.into(),
        tr: arrival.tr.into(),
    };
    let sites = sites![&[]; Outcome "program", Hex "AX", Hex "CX", Hex "DX", Hex "BX", Hex "BP", Hex "SI", Hex "DI",
        Hex "ES", Hex "FS", Hex "GS", Hex "TR"];
    report_once(sites, seen.beside(task_model::loaded_16()));
    check_nesting(&arrival, is_nested);
    check_saved(ARENA + layout::CODE + code.size() as u32);
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
    let arena = Arena::new();
    for (row, (task, task_gate, _)) in REFUSED.into_iter().enumerate() {
        put_task_32(arena.end());
        tables::set_descriptor(TASK, task);
        tables::set_descriptor(TASK_GATE, task_gate);
        let code = if task_gate == 0 { &TASK_BY_JUMP } else { &TASK_BY_JUMP_GATE };
        let arrival = arena.run(&program(), code);
        let seen = Refused {
            outcome: arrival.outcome().0,
            tr: arrival.tr.into(),
            eip: arrival.registers.eip.into(),
            descriptor: tables::descriptor(TASK),
            eax: arrival.registers.general[EAX].into(),
        };
        let sites = sites![NAMES; Outcome "JMP", Hex "TR", Hex "EIP", Hex "descriptor", Hex "EAX"];
        report(sites, row, seen.beside(task_model::refused(row)));
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
    let arena = Arena::new();
    for (row, (field, value, descriptor, _)) in FAILED.into_iter().enumerate() {
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
        let seen = Failed {
            outcome: arrival.outcome().0,
            tr: arrival.tr.into(),
            eip: arrival.registers.eip.into(),
            is_busy: tables::descriptor(TASK),
        };
        let sites = sites![NAMES; Outcome "JMP", Hex "TR", Hex "EIP", Hex "busy bit"];
        report(sites, row, seen.beside(task_model::failed(row, arena.end())));
    }
}

/// Bit T of the new TSS raises #DB behind the switch, before the task's first instruction.
#[case(feature = TaskSwitches, spec = [sdm3b("Task-Switch Exception Condition"), sdm3a("Interrupt 1—Debug Exception (#DB)")])]
fn debug_trap_of_a_task() {
    let arena = Arena::new();
    put_task_32(arena.end());
    tables::write_u32(TASK_TSS + tss_32::TRAP, 0xffff << 16 | 1);
    let arrival = arena.run(&program(), &TASK_BY_JUMP);
    let seen = Trapped {
        outcome: arrival.outcome().0,
        eip: arrival.registers.eip.into(),
        tr: arrival.tr.into(),
        bt: rt::cpu::control::read_dr6(),
    };
    let sites = sites![&[]; Outcome "JMP", Hex "EIP", Hex "TR", Hex "DR6.BT"];
    report_once(sites, seen.beside(task_model::trapped(arena.end())));
}

/// IRET with NT set raises #TS if the link names no busy task.
#[case(feature = TaskSwitches, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm3a("Interrupt 10—Invalid TSS Exception (#TS)")])]
fn return_to_what_is_no_task() {
    const NAMES: &[Text] = names!["available", "null", "LDT", "beyond the limit", "in the LDT"];
    let arena = Arena::new();
    for (row, link) in LINKS.into_iter().enumerate() {
        put_task_32(arena.end());
        tables::write_u32(layout::TSS + tss_32::LINK, link.into());
        let arrival = arena.run(&program(), &TASK_BY_RETURN_NESTED);
        let seen = NotReturned { outcome: arrival.outcome().0, tr: arrival.tr.into() };
        report(sites![NAMES; Outcome "IRET", Hex "TR"], row, seen.beside(task_model::not_returned(row)));
    }
}
