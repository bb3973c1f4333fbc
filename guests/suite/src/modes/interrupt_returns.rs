//! IRET in virtual-8086 mode, and stacks that end at the limit of a 16-bit segment.

use super::{
    edge_model::{
        EAX_BEFORE, END, Edge, HIGH_ESP, OVER_THE_END, Odd, RETURNS, Refused, Returned, TARGET, WRAPS, Wrapped,
        is_stack_or_protection_fault, odd, over_the_end, refused, returned, wrapped,
    },
    reporting::{report, sites},
};
use case::Text;
use rt::{
    case,
    excursion::{
        ARENA, ARENA_SEGMENT, Arena, Arrival, Code, EFLAGS_IOPL_3, EFLAGS_VM, Ending, Program, layout,
        register::{EAX, ESP},
        tables,
    },
    machine_code, names,
};

machine_code! {
    16 RETURN_16 = "iret";
    16 RETURN_32 = "iretd";
    16 EDGE_PUSH = "push ax";
    16 EDGE_PUSHD = "push eax";
    16 EDGE_POP = "pop ax";
    16 EDGE_POPD = "pop eax";
    16 EDGE_PUSHA = "pusha";
    16 EDGE_PUSHAD = "pushad";
    16 EDGE_CALL = ".byte 0xe8, 0, 0";
}

/// In the order of the model's numbers.
static STACK_CODES: [&Code; 5] = [&EDGE_PUSH, &EDGE_PUSHD, &EDGE_POP, &EDGE_POPD, &EDGE_CALL];

fn put_frame(size: u32, eip: u32, cs: u32, eflags: u32) -> u32 {
    let esp = layout::STACK - 3 * size;
    if size == 4 {
        tables::write_u32(esp, eip);
        tables::write_u32(esp + 4, cs);
        tables::write_u32(esp + 8, eflags);
    } else {
        tables::write_u32(esp, eip & 0xffff | cs << 16);
        let behind = tables::read_u32(esp + 4);
        tables::write_u32(esp + 4, behind & 0xffff_0000 | eflags & 0xffff);
    }
    esp
}

fn run(arena: &Arena, program: Program, code: &Code) -> Arrival {
    let mut program = program;
    program.ending = Ending::Nothing;
    arena.run(&program, code)
}

/// With IOPL 3, IRET and IRETD in virtual-8086 mode load IP, CS and flags, and leave VM, IOPL, VIP and VIF as they are.
#[case(feature = Virtual8086, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), sdm3b("Sensitive Instructions")])]
fn interrupt_return_in_virtual_8086_mode() {
    const ROWS: &[Text] = names![
        "nothing",
        "all that it loads",
        "IOPL of 0",
        "IOPL of 3",
        "VM clear",
        "VIP and VIF",
        "another segment",
        "clears all that it loads"
    ];
    let arena = Arena::new();
    tables::write_u32(TARGET, 0xf4f4_f4f4);
    for (size, code) in [(2, &RETURN_16), (4, &RETURN_32)] {
        for (row, (before, image, above)) in RETURNS.into_iter().enumerate() {
            let esp = put_frame(size, TARGET - above * 16, ARENA_SEGMENT + above, image);
            let mut program = Program::VIRTUAL_8086.with(&[(ESP, HIGH_ESP | esp)]);
            program.registers.eflags = before;
            let arrival = run(&arena, program, code);
            let registers = &arrival.registers;
            let seen = Returned {
                outcome: arrival.outcome().0,
                ip: registers.eip.into(),
                cs: registers.cs.into(),
                eflags: registers.eflags.into(),
                esp: registers.general[ESP].into(),
            };
            let sites = if size == 2 {
                sites![ROWS; Outcome "HLT behind IRET", Hex "IP behind IRET", Hex "CS behind IRET",
                    Hex "EFLAGS behind IRET", Hex "ESP behind IRET"]
            } else {
                sites![ROWS; Outcome "HLT behind IRETD", Hex "IP behind IRETD", Hex "CS behind IRETD",
                    Hex "EFLAGS behind IRETD", Hex "ESP behind IRETD"]
            };
            report(sites, row, seen.beside(returned(row, size)));
        }
    }
}

/// IRETD in virtual-8086 mode raises #GP(0) for an EIP beyond FFFFH, and changes nothing.
#[case(feature = Virtual8086, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn interrupt_return_beyond_the_segment() {
    /// EIP and CS: a return that does not look at the limit comes to UD2 in the arena, instead of running wild.
    const ROWS: [(u32, u32); 4] = [(0x1_0000, 0x480), (0x1_4800, 0), (0xffff_4800, 0x2000), (u32::MAX, 0x1481)];
    let arena = Arena::new();
    for (row, (eip, cs)) in ROWS.into_iter().enumerate() {
        tables::write_ud2(eip.wrapping_add(cs * 16) - ARENA);
        let esp = put_frame(4, eip, cs, EFLAGS_VM | EFLAGS_IOPL_3 | 0xd7);
        let mut program = Program::VIRTUAL_8086.with(&[(ESP, esp)]);
        program.registers.eflags |= EFLAGS_IOPL_3;
        let arrival = run(&arena, program, &RETURN_32);
        let seen = Refused {
            outcome: arrival.outcome().0,
            ip: arrival.registers.eip.into(),
            esp: arrival.registers.general[ESP].into(),
            status: arrival.registers.eflags.into(),
        };
        let sites = sites![&[]; Outcome "IRETD", Hex "IP", Hex "ESP", Hex "status flags"];
        report(sites, row, seen.beside(refused(esp)));
    }
}

/// A stack pointer that wraps from 0 to the end of its segment, or back, is no fault while each operand lies within.
fn check_wraps(program: &Program) {
    const ROWS: &[Text] = names!["PUSH at 0", "PUSHD at 0", "POP at FFFEH", "POPD at FFFCH", "near CALL at 0"];
    let arena = Arena::new();
    for (row, (code, sp, ..)) in WRAPS.into_iter().enumerate() {
        tables::write_u32(0xfffc, END);
        let program = program.with(&[(ESP, 0x1234_0000 | sp), (EAX, EAX_BEFORE)]);
        let arrival = arena.run(&program, STACK_CODES[code]);
        let seen = Wrapped {
            outcome: arrival.outcome().0,
            sp: arrival.registers.general[ESP].into(),
            memory: tables::read_u32(0xfffc).into(),
            eax: arrival.registers.general[EAX].into(),
        };
        let sites = sites![ROWS; Outcome "outcome", Hex "SP", Hex "end of the stack", Hex "EAX"];
        report(sites, row, seen.beside(wrapped(row)));
    }
}

/// Stacks wrap at SP 0 in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm1("Address-Size Attributes for Stack"), sdm2("PUSH—Push Word, Doubleword, or Quadword Onto the Stack")])]
fn virtual_8086_stack_wraps() {
    check_wraps(&Program::VIRTUAL_8086);
}

/// Stacks wrap at SP 0 at CPL 3 of 16-bit protected mode.
#[case(feature = ProtectedMode16, spec = [sdm1("Address-Size Attributes for Stack"), sdm2("PUSH—Push Word, Doubleword, or Quadword Onto the Stack")])]
fn user_16_stack_wraps() {
    check_wraps(&Program::USER_16);
}

/// An operand that reaches over the end of the stack segment raises #SS(0), and SP stays.
fn check_edges(program: &Program) {
    const ROWS: &[Text] = names![
        "PUSH at 1",
        "PUSHD at 1",
        "PUSHD at 2",
        "PUSHD at 3",
        "POP at FFFFH",
        "POPD at FFFDH",
        "POPD at FFFEH",
        "POPD at FFFFH",
        "near CALL at 1"
    ];
    let arena = Arena::new();
    for (row, (code, sp)) in OVER_THE_END.into_iter().enumerate() {
        let program = program.with(&[(ESP, 0x1234_0000 | sp), (EAX, EAX_BEFORE)]);
        let arrival = arena.run(&program, STACK_CODES[code]);
        let seen = Edge {
            outcome: arrival.outcome().0,
            ip: arrival.registers.eip.into(),
            sp: arrival.registers.general[ESP].into(),
            eax: arrival.registers.general[EAX].into(),
        };
        let sites = sites![ROWS; Outcome "outcome", Hex "IP", Hex "SP", Hex "EAX"];
        report(sites, row, seen.beside(over_the_end(row)));
    }
}

/// Operands over the end of the stack segment in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm3a("Interrupt 12—Stack Fault Exception (#SS)"), sdm3a("Limit Checking")])]
fn virtual_8086_stack_edges() {
    check_edges(&Program::VIRTUAL_8086);
}

/// Operands over the end of the stack segment at CPL 3 of 16-bit protected mode.
#[case(feature = ProtectedMode16, spec = [sdm3a("Interrupt 12—Stack Fault Exception (#SS)"), sdm3a("Limit Checking")])]
fn user_16_stack_edges() {
    check_edges(&Program::USER_16);
}

/// PUSHA and PUSHAD at an odd SP, one of whose words would reach over the end of the segment, fault before SP changes: #SS(0)
/// by AMD's manual and by the limit check of Intel's, #GP(0) by Intel's page of PUSHA for virtual-8086 mode.
fn check_odd(program: &Program) {
    let arena = Arena::new();
    for sp in [1, 3, 5, 7, 9, 11, 13, 15] {
        for code in [&EDGE_PUSHA, &EDGE_PUSHAD] {
            let program = program.with(&[(ESP, 0x1234_0000 | sp)]);
            let arrival = arena.run(&program, code);
            let seen = Odd {
                is_stack_or_protection_fault: is_stack_or_protection_fault(arrival.outcome()),
                sp: arrival.registers.general[ESP].into(),
            };
            let sites = if core::ptr::eq(code, &EDGE_PUSHA) {
                sites![&[]; Bool "PUSHA raises #SS(0) or #GP(0)", Hex "SP of PUSHA"]
            } else {
                sites![&[]; Bool "PUSHAD raises #SS(0) or #GP(0)", Hex "SP of PUSHAD"]
            };
            report(sites, sp as usize, seen.beside(odd(sp)));
        }
    }
}

/// PUSHA at an odd SP in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("PUSHA/PUSHAD—Push All General-Purpose Registers"), apm3("PUSHA PUSHAD")])]
fn virtual_8086_pusha_at_odd_addresses() {
    check_odd(&Program::VIRTUAL_8086);
}

/// PUSHA at an odd SP at CPL 3 of 16-bit protected mode.
#[case(feature = ProtectedMode16, spec = [sdm2("PUSHA/PUSHAD—Push All General-Purpose Registers"), apm3("PUSHA PUSHAD")])]
fn user_16_pusha_at_odd_addresses() {
    check_odd(&Program::USER_16);
}
