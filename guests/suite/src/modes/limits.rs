//! The edges of segments: 64 KiB in real mode, 4 GiB in big real mode, and what lies above 1 MiB.

use super::{
    edge_model::{
        Access, EDGES, END, HANDLED, Handled, High, IDT_LIMITS, Interrupt, Wide, at_edge, beyond, high, interrupt,
        loaded, wide as wide_access,
    },
    reporting::{report, report_once, sites},
};
use rt::{
    case, check_eq, check_outcome,
    excursion::{ARENA, ARENA_SEGMENT, Arena, Code, Program, layout, register::*, tables},
    machine_code, mmio, names,
    vocabulary::Text,
};

machine_code! {
    16 LIMITS_READ_BYTE = "mov al, [bx]";
    16 LIMITS_READ_WORD = "mov ax, [bx]";
    16 LIMITS_READ_DWORD = "mov eax, [bx]";
    16 LIMITS_WRITE_WORD = "mov [bx], ax";
    16 LIMITS_READ_STACK = "mov ax, [bp]";
    16 LIMITS_READ_32 = "mov eax, [ebx]";
    16 LIMITS_WRITE_32 = "mov [ebx], eax";
    16 LIMITS_READ_STACK_32 = "mov eax, [ebp]";
    16 LIMITS_READ_ES_32 = "mov eax, es:[ebx]";
    16 LIMITS_RELOAD = "mov ax, ds", "mov ds, ax", "mov eax, [ebx]";
    16 LIMITS_RELOAD_OTHER = "mov dx, 0x1100", "mov ds, dx", "mov eax, [ebx]";
    16 LIMITS_HIGH = "mov dx, 0xffff", "mov es, dx", "mov es:[bx], eax", "mov ecx, es:[bx]";
    16 LIMITS_INDEX = "mov eax, [ebx + ecx*4]";
    16 LIMITS_WRAP = "mov eax, [bx + si]";
    16 LIMITS_WRAP_DISPLACEMENT = "mov eax, [bx + 0x7000]";
}

fn run(arena: &Arena, program: &Program, code: &Code, values: &[(usize, u32)]) -> rt::excursion::Arrival {
    arena.run(&program.with(values), code)
}

fn seen(arrival: &rt::excursion::Arrival) -> Access {
    Access { outcome: arrival.outcome().0, eax: arrival.registers.general[EAX].into() }
}

/// An operand that reaches over offset FFFFH raises #GP, or #SS in the stack segment; one that ends there does not.
fn check_edges(program: &Program) {
    const ROWS: &[Text] = names![
        "byte at FFFFH",
        "word at FFFEH",
        "word at FFFFH",
        "doubleword at FFFCH",
        "doubleword at FFFDH",
        "doubleword at FFFFH",
        "write of a word at FFFFH",
        "word at FFFFH through SS",
        "word at FFFEH through SS"
    ];
    let arena = Arena::new();
    tables::write_u32(0xfffc, END);
    let codes = [&LIMITS_READ_BYTE, &LIMITS_READ_WORD, &LIMITS_READ_DWORD, &LIMITS_WRITE_WORD, &LIMITS_READ_STACK];
    for (row, (code, offset, _, _)) in EDGES.into_iter().enumerate() {
        let arrival = run(&arena, program, codes[code], &[(EBX, offset), (EBP, offset)]);
        report(sites![ROWS; Outcome "outcome", Hex "EAX"], row, seen(&arrival).beside(at_edge(row)));
    }
    check_eq!("memory as it was", tables::read_u32(0xfffc), END);
}

/// Accesses over the end of a segment of 64 KiB in real mode.
#[case(feature = RealMode, spec = [sdm2("MOV—Move"), sdm3b("Real-Address Mode")])]
fn real_segment_edges() {
    check_edges(&Program::REAL);
}

/// Accesses over the end of a segment of 64 KiB in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("MOV—Move"))]
fn virtual_8086_segment_edges() {
    check_edges(&Program::VIRTUAL_8086);
}

/// Accesses over the end of a segment of 64 KiB in 16-bit protected mode.
#[case(feature = ProtectedMode16, spec = [sdm2("MOV—Move"), sdm3a("Limit Checking")])]
fn protected_16_segment_edges() {
    check_edges(&Program::PROTECTED_16);
}

/// 16-bit effective addresses wrap at 64 KiB before the segment's base is added.
fn check_wrap(program: &Program) {
    const ROWS: &[Text] = names!["BX + SI", "BX and displacement"];
    let arena = Arena::new();
    tables::write_u32(layout::DATA, 0x1234_5678);
    let values = [(EBX, 0xdead_e000), (ESI, 0xbeef_7000)];
    for (row, code) in [&LIMITS_WRAP, &LIMITS_WRAP_DISPLACEMENT].into_iter().enumerate() {
        let arrival = run(&arena, program, code, &values);
        report(sites![ROWS; Outcome "outcome", Hex "EAX"], row, seen(&arrival).beside(loaded(0x1234_5678)));
    }
}

/// 16-bit effective addresses wrap in real mode.
#[case(feature = RealMode, spec = sdm1("Specifying an Offset"))]
fn real_address_wrap() {
    check_wrap(&Program::REAL);
}

/// 16-bit effective addresses wrap in big real mode, whatever the limit is.
#[case(feature = BigRealMode, spec = sdm1("Specifying an Offset"))]
fn big_real_address_wrap() {
    check_wrap(&Program::BIG_REAL);
}

/// 16-bit effective addresses wrap in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm1("Specifying an Offset"))]
fn virtual_8086_address_wrap() {
    check_wrap(&Program::VIRTUAL_8086);
}

/// 16-bit effective addresses wrap in 16-bit protected mode.
#[case(feature = ProtectedMode16, spec = sdm1("Specifying an Offset"))]
fn protected_16_address_wrap() {
    check_wrap(&Program::PROTECTED_16);
}

const WIDE: &[Text] = names!["read", "write", "read through SS", "read through ES", "scaled index"];

fn wide() -> [&'static Code; 5] {
    [&LIMITS_READ_32, &LIMITS_WRITE_32, &LIMITS_READ_STACK_32, &LIMITS_READ_ES_32, &LIMITS_INDEX]
}

/// Offsets of 32 bits beyond FFFFH raise #GP in real mode, #SS through SS.
#[case(feature = RealMode, spec = sdm3b("Real-Address Mode"))]
fn real_wide_offsets() {
    let arena = Arena::new();
    for (row, code) in wide().into_iter().enumerate() {
        for (index, offset) in [0x1_0000, 0xffff_fff0, 0x8000_0000].into_iter().enumerate() {
            let arrival = run(&arena, &Program::REAL, code, &[(EBX, offset), (EBP, offset)]);
            let expected = beyond(row);
            if index == 0 {
                check_outcome!("offset 10000H", [WIDE; row], arrival.outcome(), expected);
            } else {
                check_outcome!("offset far beyond", [&[]; row * 2 + index], arrival.outcome(), expected);
            }
        }
    }
}

/// Where big real mode reads beyond 1 MiB: what stands there does not matter, as long as it stays.
const HIGH: u64 = 0x11_0000;

/// With limits of 4 GiB left in the data segments, real mode reads and writes beyond 64 KiB and beyond 1 MiB.
#[case(feature = BigRealMode, spec = [sdm3a("Switching Back to Real-Address Mode"), apm2("Real Addressing")])]
fn big_real_wide_offsets() {
    let arena = Arena::new();
    let before = mmio::read_u32(HIGH);
    let offset = HIGH as u32 - ARENA;
    mmio::write_u32(HIGH, 0x5566_7788);
    for (row, code) in wide().into_iter().enumerate() {
        let arrival = run(&arena, &Program::BIG_REAL, code, &[(EBX, offset), (EBP, offset), (EAX, 0x5566_7788)]);
        let seen = Wide {
            outcome: arrival.outcome().0,
            eax: arrival.registers.general[EAX].into(),
            memory: mmio::read_u32(HIGH).into(),
        };
        let sites = sites![WIDE; Outcome "outcome", Hex "EAX", Hex "memory"];
        report(sites, row, seen.beside(wide_access(row, 0x5566_7788)));
    }
    mmio::write_u32(HIGH, before);
}

/// Loading a segment register in real mode changes its base and leaves its limit.
#[case(feature = BigRealMode, spec = [sdm3a("Switching Back to Real-Address Mode"), apm2("Segment Registers")])]
fn big_real_reload_keeps_limit() {
    let arena = Arena::new();
    let before = mmio::read_u32(HIGH);
    mmio::write_u32(HIGH, 0x5566_7788);
    let offset = HIGH as u32 - ARENA;
    let arrival = run(&arena, &Program::BIG_REAL, &LIMITS_RELOAD, &[(EBX, offset)]);
    let sites = sites![&[]; Outcome "reloaded with the same", Hex "EAX"];
    report_once(sites, seen(&arrival).beside(loaded(0x5566_7788)));
    let arrival = run(&arena, &Program::BIG_REAL, &LIMITS_RELOAD_OTHER, &[(EBX, offset - 0x1000)]);
    let sites = sites![&[]; Outcome "reloaded with another", Hex "EAX with another base"];
    report_once(sites, seen(&arrival).beside(loaded(0x5566_7788)));
    // In real mode with limits of 64 KiB the same loads do not widen them.
    let arrival = run(&arena, &Program::REAL, &LIMITS_RELOAD, &[(EBX, offset)]);
    check_outcome!("reloaded with 64 KiB", arrival.outcome(), beyond(0));
    mmio::write_u32(HIGH, before);
}

/// Segment FFFFH reaches 64 KiB less 16 bytes beyond 1 MiB, with bit 20 of the address.
fn check_high_segment(program: &Program) {
    const ROWS: &[Text] = names!["at 1 MiB", "in between", "at the end"];
    let arena = Arena::new();
    for (row, offset) in [0x0010_u32, 0x8000, 0xfffc].into_iter().enumerate() {
        let address = u64::from(0xf_fff0 + offset);
        let (before, alias) = (mmio::read_u32(address), address & 0xf_ffff);
        let aliased = mmio::read_u32(alias);
        let arrival = run(&arena, program, &LIMITS_HIGH, &[(EBX, offset), (EAX, 0xa1b2_c3d4)]);
        let seen = High {
            outcome: arrival.outcome().0,
            read: arrival.registers.general[ECX].into(),
            memory: mmio::read_u32(address).into(),
            alias: mmio::read_u32(alias).into(),
        };
        let sites = sites![ROWS; Outcome "outcome", Hex "read back", Hex "memory", Hex "memory 1 MiB below"];
        report(sites, row, seen.beside(high(0xa1b2_c3d4, aliased)));
        mmio::write_u32(address, before);
    }
}

/// Segment FFFFH reaches beyond 1 MiB in real mode.
#[case(feature = RealMode, spec = [sdm3b("Address Translation in Real-Address Mode"), apm2("Real Addressing")])]
fn real_segment_ffff() {
    check_high_segment(&Program::REAL);
}

/// Segment FFFFH reaches beyond 1 MiB in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm3b("Virtual-8086 Mode"))]
fn virtual_8086_segment_ffff() {
    check_high_segment(&Program::VIRTUAL_8086);
}

machine_code! {
    16 LIMITS_INT = "int 32";
    16 LIMITS_INT_AND_RETURN = "std", "stc", "int 35", "mov cx, 0x1111";
}

/// INT n in real mode goes through the table that IDTR names: an entry that is not within its limit raises #GP.
#[case(feature = RealMode, spec = sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"))]
fn real_idt_limit() {
    const ROWS: &[Text] = names!["to the entry's last byte", "without its last byte", "without the entry", "whole"];
    let arena = Arena::new();
    for (row, (limit, _)) in IDT_LIMITS.into_iter().enumerate() {
        let mut program = Program::REAL;
        program.real_idt_limit = limit;
        let arrival = arena.run(&program, &LIMITS_INT);
        let seen = Interrupt {
            outcome: arrival.outcome().0,
            ip: arrival.registers.eip.into(),
            cs: arrival.registers.cs.into(),
            is_real: arrival.is_real.into(),
        };
        let sites = sites![ROWS; Outcome "INT 32", Hex "IP", Hex "CS", Hex "handler in real mode"];
        report(sites, row, seen.beside(interrupt(row)));
    }
}

/// INT n pushes FLAGS, CS and IP and clears IF and TF for the handler; IRET gives them back.
#[case(feature = RealMode, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm2("IRET/IRETD/IRETQ—Interrupt Return")])]
fn real_interrupt_frame() {
    let arena = Arena::new();
    // MOV BX, SP; PUSHF; POP DX; IRET at the handler's offset.
    tables::write_u32(0x4800, 0x5a9c_e389);
    tables::write_u32(0x4804, 0xcf);
    tables::write_u32(layout::REAL_IDT + 35 * 4, ARENA_SEGMENT << 16 | 0x4800);
    let arrival = arena.run(&Program::REAL, &LIMITS_INT_AND_RETURN);
    let general = arrival.registers.general.map(u64::from);
    let flags = u64::from(arrival.registers.eflags);
    let seen = Handled {
        outcome: arrival.outcome().0,
        next: general[ECX],
        handler_sp: general[EBX],
        handler_flags: general[EDX],
        handler_if_tf: general[EDX],
        sp: general[ESP],
        flags,
    };
    let sites = sites![&[]; Outcome "program", Hex "behind INT", Hex "SP in the handler", Hex "DF and CF in the handler",
        Hex "IF and TF in the handler", Hex "SP behind it", Hex "flags behind it"];
    report_once(sites, seen.beside(HANDLED));
}
