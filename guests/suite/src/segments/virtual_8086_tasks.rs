//! Task switches into virtual-8086 mode and out of it.

use case::Text;
use rt::{
    Outcome, case, check_eq, check_outcome,
    excursion::{
        ARENA, ARENA_SEGMENT, Arena, EFLAGS_CLEAR, EFLAGS_IOPL_3, EFLAGS_VM, Ending, Program, layout,
        tables::{self, access, gate, segment, selector, tss_32},
    },
    machine_code, names,
};

/// The task that is switched to, and where its TSS stands.
const TASK: u16 = selector::FREE;
const TASK_TSS: u32 = layout::SPARE;
const VECTOR: u8 = 34;
/// Where a task of virtual-8086 mode starts: a HLT, which raises #GP(0) there.
const HALT: u32 = 0x3000;
const BUSY: u64 = 1 << 41;
const NT: u32 = 1 << 14;

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
        (tss_32::DS, 0x1111),
        (tss_32::ES, 0xfff8),
        (tss_32::FS, 1),
        (tss_32::GS, 0x1444),
    ]);
    let mut program = Program::PROTECTED_32;
    program.ending = Ending::Nothing;
    let arrival = arena.run(&program, code);
    let nested = if is_nested { NT } else { 0 };
    check_outcome!("HLT of the task", arrival.outcome(), Outcome::GP);
    check_eq!("IP", arrival.registers.eip, HALT);
    check_eq!("VM, NT and CF", arrival.registers.eflags & (EFLAGS_VM | NT | 1), EFLAGS_VM | nested | 1);
    check_eq!("CS", arrival.registers.cs, ARENA_SEGMENT);
    check_eq!("SS", arrival.registers.ss, ARENA_SEGMENT);
    check_eq!("SP", arrival.registers.general[4], layout::STACK_2);
    check_eq!("TR", arrival.tr, TASK);
    check_eq!("stack of the handler", arrival.handler_esp, ARENA + layout::STACK_1 - 36);
    const FIELDS: &[Text] = names!["ES", "DS", "FS", "GS"];
    for (row, paragraph) in [0xfff8, 0x1111, 1, 0x1444].into_iter().enumerate() {
        let at = layout::STACK_1 - 16 + row as u32 * 4;
        check_eq!("saved by the handler's entry", [FIELDS; row], tables::read_u32(at) & 0xffff, paragraph);
    }
    let busy = if is_nested { BUSY } else { 0 };
    check_eq!("busy bit of the old task", tables::descriptor(selector::TSS) & BUSY, busy);
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
    (program.registers.ds, program.registers.gs) = (0x1222, 0x1444);
    let arrival = arena.run(&program, code);
    check_outcome!("the task", arrival.outcome(), Outcome::COMPLETED);
    check_eq!("VM and NT", arrival.registers.eflags & (EFLAGS_VM | NT), NT);
    check_eq!("TR", arrival.tr, TASK);
    check_eq!("DS", arrival.registers.ds, selector::DATA_32);
    let saved = |offset| tables::read_u32(layout::TSS + offset);
    check_eq!("saved IP", saved(tss_32::EIP), layout::CODE + next);
    check_eq!("saved VM and IOPL", saved(tss_32::EFLAGS) & (EFLAGS_VM | EFLAGS_IOPL_3), EFLAGS_VM | EFLAGS_IOPL_3);
    check_eq!("saved CS", saved(tss_32::CS) & 0xffff, ARENA_SEGMENT);
    check_eq!("saved DS", saved(tss_32::DS) & 0xffff, 0x1222);
    check_eq!("saved GS", saved(tss_32::GS) & 0xffff, 0x1444);
    check_eq!("link", tables::read_u32(TASK_TSS + tss_32::LINK) & 0xffff, u32::from(selector::TSS));
}

/// INT n through a task gate leaves virtual-8086 mode, with IOPL 3.
#[case(feature = TaskSwitches, spec = [sdm3b("Leaving Virtual-8086 Mode"), sdm3a("Handling an Interrupt or Exception Through a Task Gate")])]
fn interrupt_out_of_virtual_8086_mode() {
    check_out(&OUT_OF_8086_BY_INTERRUPT, VECTOR, 2);
}

/// An exception through a task gate leaves virtual-8086 mode.
#[case(feature = TaskSwitches, spec = [sdm3b("Leaving Virtual-8086 Mode"), sdm3a("Handling an Interrupt or Exception Through a Task Gate")])]
fn exception_out_of_virtual_8086_mode() {
    check_out(&OUT_OF_8086_BY_FAULT, 6, 0);
}
