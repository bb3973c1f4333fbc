//! IRET in virtual-8086 mode, and stacks that end at the limit of a 16-bit segment.

use case::Text;
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    excursion::{
        ARENA_SEGMENT, Arena, Arrival, Code, EFLAGS_IOPL_3, EFLAGS_VM, Ending, Program, layout,
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

/// Where the return goes to in the arena: a HLT stands there.
const TARGET: u32 = 0x4800;
const VIF_VIP: u32 = 3 << 19;
const RF: u32 = 1 << 16;
/// CF, PF, AF, ZF, SF, DF, OF, NT and, in the upper half, AC and ID.
const IMAGE: u32 = 0x0024_4cd5;

/// EFLAGS behind IRET in virtual-8086 mode with IOPL 3: VM, IOPL, VIP and VIF stay; a return of 16 bits leaves the upper
/// half (SDM vol. 2, "IRET/IRETD/IRETQ—Interrupt Return", RETURN-FROM-VIRTUAL-8086-MODE).
const fn returned(before: u32, image: u32, size: u32) -> u32 {
    let kept = EFLAGS_VM | EFLAGS_IOPL_3 | VIF_VIP;
    let loaded = !kept & if size == 2 { 0xffff } else { u32::MAX };
    before & !loaded | image & loaded | 2
}

const _: () = {
    assert!(returned(EFLAGS_VM | EFLAGS_IOPL_3, 0, 4) == EFLAGS_VM | EFLAGS_IOPL_3 | 2);
    assert!(returned(EFLAGS_VM | 0x0024_0000, 0x4cd5, 2) == EFLAGS_VM | 0x0024_4cd7);
    assert!(returned(EFLAGS_VM, EFLAGS_IOPL_3 | VIF_VIP | 1, 4) == EFLAGS_VM | 3);
};

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
    let base = EFLAGS_VM | EFLAGS_IOPL_3 | 2;
    // Flags before, image, paragraphs that CS lies above the arena's.
    let rows = [
        (base, EFLAGS_VM | 2, 0),
        (base, EFLAGS_VM | EFLAGS_IOPL_3 | IMAGE, 0),
        (base, EFLAGS_VM | 3, 0),
        (base, EFLAGS_VM | EFLAGS_IOPL_3 | 3, 0),
        (base, EFLAGS_IOPL_3 | 3, 0),
        (base, EFLAGS_VM | VIF_VIP | 0x41, 0),
        (base, EFLAGS_VM | 0x81, 0x80),
        (base | IMAGE, EFLAGS_VM | 2, 0),
    ];
    for (size, code) in [(2, &RETURN_16), (4, &RETURN_32)] {
        for (row, (before, image, above)) in rows.into_iter().enumerate() {
            let eip = TARGET - above * 16;
            let esp = put_frame(size, eip, ARENA_SEGMENT + above, image);
            let mut program = Program::VIRTUAL_8086.with(&[(ESP, 0x7ff0_0000 | esp)]);
            program.registers.eflags = before;
            let arrival = run(&arena, program, code);
            let flags = returned(before, image, size) & !RF;
            let (general, stack) = (arrival.registers.general, 0x7ff0_0000 | layout::STACK);
            if size == 2 {
                check_outcome!("HLT behind IRET", [ROWS; row], arrival.outcome(), Outcome::GP);
                check_eq!("IP behind IRET", [ROWS; row], arrival.registers.eip, eip);
                check_eq!("CS behind IRET", [ROWS; row], arrival.registers.cs, ARENA_SEGMENT + above);
                check_eq!("EFLAGS behind IRET", [ROWS; row], arrival.registers.eflags & !RF, flags);
                check_eq!("ESP behind IRET", [ROWS; row], general[ESP], stack);
            } else {
                check_outcome!("HLT behind IRETD", [ROWS; row], arrival.outcome(), Outcome::GP);
                check_eq!("IP behind IRETD", [ROWS; row], arrival.registers.eip, eip);
                check_eq!("CS behind IRETD", [ROWS; row], arrival.registers.cs, ARENA_SEGMENT + above);
                check_eq!("EFLAGS behind IRETD", [ROWS; row], arrival.registers.eflags & !RF, flags);
                check_eq!("ESP behind IRETD", [ROWS; row], general[ESP], stack);
            }
        }
    }
}

/// IRETD in virtual-8086 mode raises #GP(0) for an EIP beyond FFFFH, and changes nothing.
#[case(feature = Virtual8086, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"))]
fn interrupt_return_beyond_the_segment() {
    let arena = Arena::new();
    for (row, eip) in [0x1_0000, 0x1_4800, 0x8000_4800, u32::MAX].into_iter().enumerate() {
        let esp = put_frame(4, eip, ARENA_SEGMENT, EFLAGS_VM | EFLAGS_IOPL_3 | 0xd7);
        let mut program = Program::VIRTUAL_8086.with(&[(ESP, esp)]);
        program.registers.eflags |= EFLAGS_IOPL_3;
        let arrival = run(&arena, program, &RETURN_32);
        check_outcome!("IRETD", [&[]; row], arrival.outcome(), Outcome::GP);
        check_eq!("IP", [&[]; row], arrival.registers.eip, layout::CODE);
        check_eq!("ESP", [&[]; row], arrival.registers.general[ESP], esp);
        check_eq!("status flags", [&[]; row], arrival.registers.eflags & 0xd5, 0);
    }
}

/// A stack pointer that wraps from 0 to the end of its segment, or back, is no fault while each operand lies within.
fn check_wraps(program: &Program) {
    const ROWS: &[Text] = names!["PUSH at 0", "PUSHD at 0", "POP at FFFEH", "POPD at FFFCH", "near CALL at 0"];
    let arena = Arena::new();
    let rows: [(&Code, u32, u32); 5] = [
        (&EDGE_PUSH, 0, 0xfffe),
        (&EDGE_PUSHD, 0, 0xfffc),
        (&EDGE_POP, 0xfffe, 0),
        (&EDGE_POPD, 0xfffc, 0),
        (&EDGE_CALL, 0, 0xfffe),
    ];
    for (row, (code, sp, expected)) in rows.into_iter().enumerate() {
        tables::write_u32(0xfffc, 0x4433_2211);
        // IRET to a stack segment of 16 bits need not load the upper half of ESP.
        let program = program.with(&[(ESP, 0x1234_0000 | sp), (EAX, 0x8765_4321)]);
        let arrival = arena.run(&program, code);
        check_outcome!("outcome", [ROWS; row], arrival.outcome(), Outcome::COMPLETED);
        check_eq!("SP", [ROWS; row], arrival.registers.general[ESP] & 0xffff, expected);
        let memory = match row {
            0 => 0x4321_2211,
            1 => 0x8765_4321,
            4 => (layout::CODE + 3) << 16 | 0x2211,
            _ => 0x4433_2211,
        };
        check_eq!("end of the stack", [ROWS; row], tables::read_u32(0xfffc), memory);
        let eax = match row {
            2 => 0x8765_4433_u32,
            3 => 0x4433_2211,
            _ => 0x8765_4321,
        };
        check_eq!("EAX", [ROWS; row], arrival.registers.general[EAX], eax);
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
    let rows: [(&Code, u32); 9] = [
        (&EDGE_PUSH, 1),
        (&EDGE_PUSHD, 1),
        (&EDGE_PUSHD, 2),
        (&EDGE_PUSHD, 3),
        (&EDGE_POP, 0xffff),
        (&EDGE_POPD, 0xfffd),
        (&EDGE_POPD, 0xfffe),
        (&EDGE_POPD, 0xffff),
        (&EDGE_CALL, 1),
    ];
    for (row, (code, sp)) in rows.into_iter().enumerate() {
        let program = program.with(&[(ESP, 0x1234_0000 | sp), (EAX, 0x8765_4321)]);
        let arrival = arena.run(&program, code);
        check_outcome!("outcome", [ROWS; row], arrival.outcome(), Outcome::SS);
        check_eq!("IP", [ROWS; row], arrival.registers.eip, layout::CODE);
        check_eq!("SP", [ROWS; row], arrival.registers.general[ESP] & 0xffff, sp);
        check_eq!("EAX", [ROWS; row], arrival.registers.general[EAX], 0x8765_4321_u32);
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
            let is_fault = matches!(arrival.outcome(), Outcome::SS | Outcome::GP);
            if core::ptr::eq(code, &EDGE_PUSHA) {
                check!("PUSHA raises #SS(0) or #GP(0)", [&[]; sp], is_fault);
                check_eq!("SP of PUSHA", [&[]; sp], arrival.registers.general[ESP] & 0xffff, sp);
            } else {
                check!("PUSHAD raises #SS(0) or #GP(0)", [&[]; sp], is_fault);
                check_eq!("SP of PUSHAD", [&[]; sp], arrival.registers.general[ESP] & 0xffff, sp);
            }
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
