//! Task switches into virtual-8086 mode and out of it.

use super::{
    reporting::{report_once, sites},
    task_model::{self, Into8086, OutOf8086, PARAGRAPHS, TASK, TASK_TSS},
};
use rt::{
    case,
    excursion::{
        ARENA, ARENA_SEGMENT, Arena, EFLAGS_CLEAR, EFLAGS_IOPL_3, EFLAGS_VM, Ending, Program, layout,
        tables::{self, access, gate, segment, selector, tss_32},
    },
    machine_code,
};

const VECTOR: u8 = 34;
/// Where a task of virtual-8086 mode starts: a HLT, which raises #GP(0) there.
const HALT: u32 = 0x3000;

const _: () = assert!(TASK == 0x58);

machine_code! {
    /// Far JMP to the task.
    32 INTO_8086_BY_JUMP = ".byte 0xea", ".long 0", ".word 0x58";
    /// Far CALL of the task.
    32 INTO_8086_BY_CALL = ".byte 0x9a", ".long 0", ".word 0x58";
    /// INT n through a task gate.
    16 OUT_OF_8086_BY_INTERRUPT = "int 34";
    /// #UD through a task gate.
    16 OUT_OF_8086_BY_FAULT = "ud2";
}

fn put_task(words: &[(u32, u32)]) {
    for offset in (0..tss_32::SIZE).step_by(4) {
        tables::write_u32(TASK_TSS + offset, 0);
    }
    for &(offset, word) in words {
        tables::write_u32(TASK_TSS + offset, word);
    }
    tables::write_u32(TASK_TSS + tss_32::TRAP, 0xffff << 16);
    tables::write_u32(TASK_TSS + tss_32::ESP_0, ARENA + layout::STACK_1);
    tables::write_u32(TASK_TSS + tss_32::SS_0, selector::DATA_32.into());
    tables::set_descriptor(TASK, segment(ARENA + TASK_TSS, tss_32::SIZE - 1, access::TSS_32, 0));
}

/// Selectors of a task of virtual-8086 mode are paragraphs, which no descriptor table is asked for.
fn check_into(code: &rt::excursion::Code, is_nested: bool) {
    let arena = Arena::new();
    tables::write_u32(HALT, 0xf4f4_f4f4);
    put_task(&[
        (tss_32::EIP, HALT),
        (tss_32::EFLAGS, EFLAGS_CLEAR | EFLAGS_VM | 1),
        (tss_32::GENERAL + 16, layout::STACK_2),
        (tss_32::CS, ARENA_SEGMENT),
        (tss_32::SS, ARENA_SEGMENT),
        (tss_32::DS, PARAGRAPHS[0]),
        (tss_32::ES, PARAGRAPHS[1]),
        (tss_32::FS, PARAGRAPHS[2]),
        (tss_32::GS, PARAGRAPHS[3]),
    ]);
    let mut program = Program::PROTECTED_32;
    program.ending = Ending::Nothing;
    let arrival = arena.run(&program, code);
    let registers = &arrival.registers;
    // The entry of the handler saved ES, DS, FS and GS in this order.
    let saved = |index: u32| u64::from(tables::read_u32(layout::STACK_1 - 16 + index * 4));
    let seen = Into8086 {
        outcome: arrival.outcome().0,
        ip: registers.eip.into(),
        flags: registers.eflags.into(),
        cs: registers.cs.into(),
        ss: registers.ss.into(),
        sp: registers.general[4].into(),
        tr: arrival.tr.into(),
        handler_esp: arrival.handler_esp.into(),
        old_is_busy: tables::descriptor(selector::TSS),
        es: saved(0),
        ds: saved(1),
        fs: saved(2),
        gs: saved(3),
    };
    let sites = sites![&[]; Outcome "HLT of the task", Hex "IP", Hex "VM, NT and CF", Hex "CS", Hex "SS", Hex "SP",
        Hex "TR", Hex "stack of the handler", Hex "busy bit of the old task", Hex "saved ES", Hex "saved DS",
        Hex "saved FS", Hex "saved GS"];
    report_once(sites, seen.beside(task_model::into_8086(HALT, ARENA_SEGMENT, is_nested)));
}

/// JMP to a TSS whose EFLAGS has VM set starts the task in virtual-8086 mode.
#[case(feature = TaskSwitches, spec = [sdm3b("Entering Virtual-8086 Mode"), sdm3a("Task Switching")])]
fn jump_into_virtual_8086_mode() {
    check_into(&INTO_8086_BY_JUMP, false);
}

/// CALL of such a TSS sets NT in virtual-8086 mode.
#[case(feature = TaskSwitches, spec = [sdm3b("Entering Virtual-8086 Mode"), sdm3a("Task Linking")])]
fn call_into_virtual_8086_mode() {
    check_into(&INTO_8086_BY_CALL, true);
}

/// A task gate takes a program out of virtual-8086 mode; its TSS keeps VM and the paragraphs.
fn check_out(code: &rt::excursion::Code, vector: u8, next: u32) {
    let arena = Arena::new();
    let data = u32::from(selector::DATA_32);
    put_task(&[
        (tss_32::EIP, arena.end()),
        (tss_32::EFLAGS, EFLAGS_CLEAR),
        (tss_32::GENERAL + 16, ARENA + layout::STACK_2),
        (tss_32::CS, selector::CODE_32.into()),
        (tss_32::SS, data),
        (tss_32::DS, data),
        (tss_32::ES, data),
        (tss_32::FS, data),
        (tss_32::GS, data),
    ]);
    tables::set_gate(vector, gate(TASK, 0, access::TASK_GATE | access::PRESENT | access::DPL_3, 0));
    let mut program = Program::VIRTUAL_8086;
    program.ending = Ending::Nothing;
    program.registers.eflags |= EFLAGS_IOPL_3;
    (program.registers.ds, program.registers.gs) = (PARAGRAPHS[0], PARAGRAPHS[3]);
    let arrival = arena.run(&program, code);
    let saved = |offset| u64::from(tables::read_u32(layout::TSS + offset));
    let seen = OutOf8086 {
        outcome: arrival.outcome().0,
        flags: arrival.registers.eflags.into(),
        tr: arrival.tr.into(),
        ds: arrival.registers.ds.into(),
        saved_ip: saved(tss_32::EIP),
        saved_flags: saved(tss_32::EFLAGS),
        saved_cs: saved(tss_32::CS),
        saved_ds: saved(tss_32::DS),
        saved_gs: saved(tss_32::GS),
        link: tables::read_u32(TASK_TSS + tss_32::LINK).into(),
    };
    let sites = sites![&[]; Outcome "the task", Hex "VM and NT", Hex "TR", Hex "DS", Hex "saved IP",
        Hex "saved VM and IOPL", Hex "saved CS", Hex "saved DS", Hex "saved GS", Hex "link"];
    report_once(sites, seen.beside(task_model::out_of_8086(layout::CODE + next, ARENA_SEGMENT)));
}

/// INT n through a task gate leaves virtual-8086 mode, with IOPL 3.
#[case(feature = TaskSwitches, spec = [sdm3b("Leaving Virtual-8086 Mode"), sdm3b("Handling an Interrupt or Exception Through a Task Gate")])]
fn interrupt_out_of_virtual_8086_mode() {
    check_out(&OUT_OF_8086_BY_INTERRUPT, VECTOR, 2);
}

/// An exception through a task gate leaves virtual-8086 mode.
#[case(feature = TaskSwitches, spec = [sdm3b("Leaving Virtual-8086 Mode"), sdm3b("Handling an Interrupt or Exception Through a Task Gate")])]
fn exception_out_of_virtual_8086_mode() {
    check_out(&OUT_OF_8086_BY_FAULT, 6, 0);
}
