//! Selectors that are null, end with their table or lie beyond it, in the LDT and without one; in 16 and 32-bit protected
//! mode and in 64-bit mode.

use super::{
    model::{Descriptor, Selector, fault, is_in_table, load_data, load_stack},
    walk::outcome_of,
};
use case::Text;
use rt::{
    Outcome, case, check_eq, check_outcome,
    descriptors::{Descriptors, LIMIT, NR_LDT_QUADWORDS},
    excursion::{
        Arena, Program, layout,
        register::{EAX, EBX},
        tables::{self, access, flag, segment, selector as arena_selector},
    },
    instruction, machine_code_table, names, user, user_code,
};

/// The GDT ends one byte before the end of the descriptor behind this one.
const LAST: u16 = 0x100;
const GDT_LIMIT: u16 = LAST + 14;
/// The same of the LDT.
const LAST_LDT: u16 = 0x20;
const LDT_LIMIT: u16 = LAST_LDT + 14;
const LDT: u16 = arena_selector::FREE;

const NAMES: &[Text] = names![
    "null, RPL 0",
    "null, RPL 1",
    "null, RPL 2",
    "null, RPL 3",
    "last in the GDT",
    "one byte beyond the GDT",
    "far beyond the GDT",
    "end of the index in the GDT",
    "first in the LDT",
    "last in the LDT",
    "one byte beyond the LDT",
    "end of the index in the LDT"
];

/// Selectors, of which those that are not null get the RPL of the program.
const SELECTORS: [u16; 12] =
    [0, 1, 2, 3, LAST, LAST + 8, 0x800, 0xfff8, 4, LAST_LDT | 4, (LAST_LDT + 8) | 4, 0xfff8 | 4];

const fn selector(row: usize, cpl: u8) -> Selector {
    let value = SELECTORS[row];
    Selector { value: if row < 4 { value } else { value | cpl as u16 } }
}

machine_code_table! {
    code SELECTOR_LOADS:
        "mov es, ax",
        "mov ds, ax",
        "mov fs, ax",
        "mov gs, ax",
        "push eax\n pop es",
        "push eax\n pop ds",
        "push eax\n pop fs",
        "push eax\n pop gs",
        "mov edx, ss\n mov ss, ax\n mov ss, edx",
        "mov edx, ss\n push eax\n pop ss\n mov ss, edx"
}
const NR_DATA: usize = 8;
const NR_LOADS: usize = 10;
static LOADS: rt::excursion::CodeTable = machine_code_table! {
    table SELECTOR_LOADS:
        "mov es, ax",
        "mov ds, ax",
        "mov fs, ax",
        "mov gs, ax",
        "push eax\n pop es",
        "push eax\n pop ds",
        "push eax\n pop fs",
        "push eax\n pop gs",
        "mov edx, ss\n mov ss, ax\n mov ss, edx",
        "mov edx, ss\n push eax\n pop ss\n mov ss, edx"
};

machine_code_table! {
    code SELECTOR_POINTERS:
        "les edx, [ebx]",
        "lds edx, [ebx]",
        "lfs edx, [ebx]",
        "lgs edx, [ebx]",
        "mov edx, ss\n lss ecx, [ebx]\n mov ss, edx",
        "les dx, [ebx + 2]",
        "lds dx, [ebx + 2]",
        "lfs dx, [ebx + 2]",
        "lgs dx, [ebx + 2]",
        "mov edx, ss\n lss cx, [ebx + 2]\n mov ss, edx"
}
/// Loads of far pointers, by 32 and by 16 bits: ES, DS, FS, GS and SS each.
static POINTERS: rt::excursion::CodeTable = machine_code_table! {
    table SELECTOR_POINTERS:
        "les edx, [ebx]",
        "lds edx, [ebx]",
        "lfs edx, [ebx]",
        "lgs edx, [ebx]",
        "mov edx, ss\n lss ecx, [ebx]\n mov ss, edx",
        "les dx, [ebx + 2]",
        "lds dx, [ebx + 2]",
        "lfs dx, [ebx + 2]",
        "lgs dx, [ebx + 2]",
        "mov edx, ss\n lss cx, [ebx + 2]\n mov ss, edx"
};
const NR_POINTERS: usize = 10;

machine_code_table! {
    code SELECTOR_BRANCHES:
        "push eax\n push 0\n .byte 0xff, 0x2c, 0x24",
        "push eax\n push 0\n .byte 0xff, 0x1c, 0x24",
        "push eax\n push 0\n retf",
        "push 2\n push eax\n push 0\n iretd",
        "lldt ax",
        "ltr ax"
}
static BRANCHES: rt::excursion::CodeTable = machine_code_table! {
    table SELECTOR_BRANCHES:
        "push eax\n push 0\n .byte 0xff, 0x2c, 0x24",
        "push eax\n push 0\n .byte 0xff, 0x1c, 0x24",
        "push eax\n push 0\n retf",
        "push 2\n push eax\n push 0\n iretd",
        "lldt ax",
        "ltr ax"
};

machine_code_table! {
    code SELECTOR_QUERIES:
        "xor edx, edx\n lar edx, eax\n setz al\n movzx eax, al",
        "xor edx, edx\n lsl edx, eax\n setz al\n movzx eax, al",
        "verr ax\n setz al\n movzx eax, al",
        "verw ax\n setz al\n movzx eax, al"
}
static QUERIES: rt::excursion::CodeTable = machine_code_table! {
    table SELECTOR_QUERIES:
        "xor edx, edx\n lar edx, eax\n setz al\n movzx eax, al",
        "xor edx, edx\n lsl edx, eax\n setz al\n movzx eax, al",
        "verr ax\n setz al\n movzx eax, al",
        "verw ax\n setz al\n movzx eax, al"
};

/// The kind of a data segment that all loads take: writable, accessed.
const WRITABLE: u8 = 0x13;

fn put_tables(program: &Program, cpl: u8, has_ldt: bool) -> Program {
    let (base, limit, flags) =
        if program.registers.cs & 0xfff8 == u32::from(arena_selector::CODE_16) || is_16_bit_user(program) {
            (rt::excursion::ARENA, 0xffff, 0)
        } else {
            (0, 0xf_ffff, flag::FLAT)
        };
    let data = segment(base, limit, access::DATA | u32::from(cpl) << 5, flags);
    for at in [LAST, LAST + 8] {
        tables::set_descriptor(at, data);
    }
    for at in [0, LAST_LDT, LAST_LDT + 8] {
        tables::write_u64(layout::LDT + u32::from(at), data);
    }
    let ldt = segment(rt::excursion::ARENA + layout::LDT, LDT_LIMIT.into(), access::LDT, 0);
    tables::set_descriptor(LDT, ldt);
    let mut program = *program;
    program.gdt_limit = GDT_LIMIT;
    program.ldtr = if has_ldt { LDT } else { 0 };
    program
}

fn is_16_bit_user(program: &Program) -> bool {
    program.registers.cs == u32::from(arena_selector::USER_CODE_16)
}

fn found(selector: Selector, cpl: u8, has_ldt: bool) -> Option<Descriptor> {
    let ldt_limit = if has_ldt { Some(LDT_LIMIT as u32) } else { None };
    is_in_table(selector, GDT_LIMIT.into(), ldt_limit).then_some(Descriptor { kind: WRITABLE, dpl: cpl, present: true })
}

fn check_loads(program: &Program, cpl: u8, is_32_bit: bool) {
    let arena = Arena::new();
    for has_ldt in [true, false] {
        let program = put_tables(program, cpl, has_ldt);
        for row in 0..SELECTORS.len() {
            let selector = selector(row, cpl);
            for load in 0..NR_LOADS {
                // One of each kind takes every selector; the others take one of each sort. Without an LDT the GDT is the same.
                let is_first = matches!(load, 0 | 8);
                if !is_first && !matches!(row, 0 | 4 | 5 | 8 | 10) || !has_ldt && (!is_first || row < 8) {
                    continue;
                }
                let program = program.with(&[(EAX, selector.value.into())]);
                let actual = arena.run(&program, LOADS.row(load, is_32_bit)).outcome();
                let descriptor = found(selector, cpl, has_ldt);
                let expected = Outcome(outcome_of(if load < NR_DATA {
                    load_data(selector, descriptor, cpl)
                } else {
                    load_stack(selector, descriptor, cpl, false)
                }));
                match load {
                    _ if !has_ldt && load == 0 => check_outcome!("MOV ES without LDT", [NAMES; row], actual, expected),
                    _ if !has_ldt => check_outcome!("MOV SS without LDT", [NAMES; row], actual, expected),
                    0 => check_outcome!("MOV ES", [NAMES; row], actual, expected),
                    1 => check_outcome!("MOV DS", [NAMES; row], actual, expected),
                    2 => check_outcome!("MOV FS", [NAMES; row], actual, expected),
                    3 => check_outcome!("MOV GS", [NAMES; row], actual, expected),
                    4 => check_outcome!("POP ES", [NAMES; row], actual, expected),
                    5 => check_outcome!("POP DS", [NAMES; row], actual, expected),
                    6 => check_outcome!("POP FS", [NAMES; row], actual, expected),
                    7 => check_outcome!("POP GS", [NAMES; row], actual, expected),
                    8 => check_outcome!("MOV SS", [NAMES; row], actual, expected),
                    _ => check_outcome!("POP SS", [NAMES; row], actual, expected),
                }
            }
        }
    }
}

/// Loads at CPL 0 in 32-bit protected mode take null selectors but into SS, and raise #GP beyond their table's limit and
/// without an LDT.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Segment Descriptor Tables"), apm2("Segment Registers")])]
fn selectors_in_32_bit_mode_at_cpl_0() {
    check_loads(&Program::PROTECTED_32, 0, true);
}

/// The same at CPL 3.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Segment Descriptor Tables"), apm2("Segment Registers")])]
fn selectors_in_32_bit_mode_at_cpl_3() {
    check_loads(&Program::USER_32, 3, true);
}

/// The same in 16-bit protected mode at CPL 0.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Segment Descriptor Tables"), apm2("Segment Registers")])]
fn selectors_in_16_bit_mode_at_cpl_0() {
    check_loads(&Program::PROTECTED_16, 0, false);
}

/// The same in 16-bit protected mode at CPL 3.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Segment Descriptor Tables"), apm2("Segment Registers")])]
fn selectors_in_16_bit_mode_at_cpl_3() {
    check_loads(&Program::USER_16, 3, false);
}

/// LES, LDS, LFS, LGS and LSS of both operand sizes, with every selector.
fn check_pointers(program: &Program, cpl: u8, is_32_bit: bool) {
    let arena = Arena::new();
    let program = put_tables(program, cpl, true);
    // The pointer's selector stands in its last word; the program reads it through its own DS.
    let base = program.registers.eip - layout::CODE;
    let program = program.with(&[(EBX, base + layout::DATA)]);
    for row in 0..SELECTORS.len() {
        let selector = selector(row, cpl);
        let descriptor = found(selector, cpl, true);
        tables::write_u64(layout::DATA, u64::from(selector.value) << 32);
        for load in 0..NR_POINTERS {
            let actual = arena.run(&program, POINTERS.row(load, is_32_bit)).outcome();
            let is_stack = load % 5 == 4;
            let expected = Outcome(outcome_of(if is_stack {
                load_stack(selector, descriptor, cpl, false)
            } else {
                load_data(selector, descriptor, cpl)
            }));
            match load {
                0 => check_outcome!("LES r32", [NAMES; row], actual, expected),
                1 => check_outcome!("LDS r32", [NAMES; row], actual, expected),
                2 => check_outcome!("LFS r32", [NAMES; row], actual, expected),
                3 => check_outcome!("LGS r32", [NAMES; row], actual, expected),
                4 => check_outcome!("LSS r32", [NAMES; row], actual, expected),
                5 => check_outcome!("LES r16", [NAMES; row], actual, expected),
                6 => check_outcome!("LDS r16", [NAMES; row], actual, expected),
                7 => check_outcome!("LFS r16", [NAMES; row], actual, expected),
                8 => check_outcome!("LGS r16", [NAMES; row], actual, expected),
                _ => check_outcome!("LSS r16", [NAMES; row], actual, expected),
            }
        }
    }
}

/// LES, LDS, LFS, LGS and LSS at CPL 0 of 32-bit protected mode take the selectors that MOV takes.
#[case(feature = SegmentLoads, spec = [sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"), sdm3a("Segment Descriptor Tables"), apm3("LDS")])]
fn selectors_of_far_pointers_in_32_bit_mode_at_cpl_0() {
    check_pointers(&Program::PROTECTED_32, 0, true);
}

/// The same at CPL 3.
#[case(feature = SegmentLoads, spec = [sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"), sdm3a("Segment Descriptor Tables"), apm3("LDS")])]
fn selectors_of_far_pointers_in_32_bit_mode_at_cpl_3() {
    check_pointers(&Program::USER_32, 3, true);
}

/// The same at CPL 0 of 16-bit protected mode.
#[case(feature = SegmentLoads, spec = [sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"), sdm3a("Segment Descriptor Tables"), apm3("LDS")])]
fn selectors_of_far_pointers_in_16_bit_mode_at_cpl_0() {
    check_pointers(&Program::PROTECTED_16, 0, false);
}

/// The same at CPL 3 of 16-bit protected mode.
#[case(feature = SegmentLoads, spec = [sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"), sdm3a("Segment Descriptor Tables"), apm3("LDS")])]
fn selectors_of_far_pointers_in_16_bit_mode_at_cpl_3() {
    check_pointers(&Program::USER_16, 3, false);
}

/// A program that takes each descriptor of memory that a load may name: types of data and code by DPL and RPL.
fn check_types_in_16_bit_mode(program: &Program, cpl: u8) {
    const ROWS: &[Text] = names!["type 1", "type 3", "type 5", "type 7", "type 9", "type b", "type d", "type f"];
    let arena = Arena::new();
    let program = put_tables(program, cpl, true);
    for row in 0..ROWS.len() {
        for (dpl, rpl) in [(0, 0), (0, 3), (3, 0), (3, 3)] {
            let d = Descriptor { kind: 0x11 | (row as u8) << 1, dpl, present: true };
            tables::set_descriptor(LAST, segment(rt::excursion::ARENA, 0xffff, d.access(), 0));
            let selector = Selector { value: LAST | rpl };
            let program = program.with(&[(EAX, selector.value.into())]);
            let data = Outcome(outcome_of(load_data(selector, Some(d), cpl)));
            let es = arena.run(&program, LOADS.row(0, false)).outcome();
            // Data that expands down with this limit has no byte; SS is replaced before anything is pushed.
            let stack = Outcome(outcome_of(load_stack(selector, Some(d), cpl, false)));
            let ss = arena.run(&program, LOADS.row(8, false)).outcome();
            match (dpl, rpl) {
                (0, 0) => {
                    check_outcome!("MOV ES, DPL 0, RPL 0", [ROWS; row], es, data);
                    check_outcome!("MOV SS, DPL 0, RPL 0", [ROWS; row], ss, stack);
                }
                (0, _) => {
                    check_outcome!("MOV ES, DPL 0, RPL 3", [ROWS; row], es, data);
                    check_outcome!("MOV SS, DPL 0, RPL 3", [ROWS; row], ss, stack);
                }
                (_, 0) => {
                    check_outcome!("MOV ES, DPL 3, RPL 0", [ROWS; row], es, data);
                    check_outcome!("MOV SS, DPL 3, RPL 0", [ROWS; row], ss, stack);
                }
                _ => {
                    check_outcome!("MOV ES, DPL 3, RPL 3", [ROWS; row], es, data);
                    check_outcome!("MOV SS, DPL 3, RPL 3", [ROWS; row], ss, stack);
                }
            }
        }
    }
}

/// Loads in 16-bit protected mode at CPL 0 judge type, DPL and RPL as in 32-bit protected mode.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Privilege Level Checking When Accessing Data Segments"), apm2("Data-Access Privilege Checks")])]
fn types_in_16_bit_mode_at_cpl_0() {
    check_types_in_16_bit_mode(&Program::PROTECTED_16, 0);
}

/// The same at CPL 3.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Privilege Level Checking When Accessing Data Segments"), apm2("Data-Access Privilege Checks")])]
fn types_in_16_bit_mode_at_cpl_3() {
    check_types_in_16_bit_mode(&Program::USER_16, 3);
}

/// What a branch does with a selector: null ones raise #GP(0), and data raises #GP with the selector, as does what lies
/// beyond the table.
const fn refused(selector: Selector) -> u32 {
    if selector.is_null() { fault(13, 0) } else { fault(13, selector.value & 0xfffc) }
}

fn check_branch(branch: usize, cpl: u8) {
    let arena = Arena::new();
    let program = if cpl == 0 { Program::PROTECTED_32 } else { Program::USER_32 };
    for has_ldt in [true, false] {
        let program = put_tables(&program, cpl, has_ldt);
        for row in 0..SELECTORS.len() {
            let selector = selector(row, cpl);
            let program = program.with(&[(EAX, selector.value.into())]);
            let arrival = arena.run(&program, BRANCHES.row(branch, true));
            let expected = Outcome(outcome_of(refused(selector)));
            if has_ldt {
                check_outcome!("selector", [NAMES; row], arrival.outcome(), expected);
                check_eq!("CS", [NAMES; row], arrival.registers.cs, program.registers.cs);
            } else {
                check_outcome!("selector without LDT", [NAMES; row], arrival.outcome(), expected);
            }
        }
    }
}

macro_rules! branches {
    ($($(#[$doc:meta])* $name:ident $feature:ident $branch:literal $cpl:literal $spec:literal;)+) => {$(
        $(#[$doc])*
        #[case(feature = $feature, spec = [sdm2($spec), sdm3a("Segment Descriptor Tables")])]
        fn $name() {
            check_branch($branch, $cpl);
        }
    )+};
}

branches! {
    /// Far JMP at CPL 0 raises #GP(0) for null selectors and #GP with the selector for data and beyond the table.
    selectors_of_far_jump_at_cpl_0 FarBranches 0 0 "JMP—Jump";
    /// Far CALL at CPL 0 does the same.
    selectors_of_far_call_at_cpl_0 FarBranches 1 0 "CALL—Call Procedure";
    /// Far RET at CPL 0 does the same.
    selectors_of_far_return_at_cpl_0 FarBranches 2 0 "RET—Return From Procedure";
    /// IRET at CPL 0 does the same.
    selectors_of_interrupt_return_at_cpl_0 InterruptReturn 3 0 "IRET/IRETD/IRETQ—Interrupt Return";
    /// Far JMP at CPL 3 does the same.
    selectors_of_far_jump_at_cpl_3 FarBranches 0 3 "JMP—Jump";
    /// Far CALL at CPL 3 does the same.
    selectors_of_far_call_at_cpl_3 FarBranches 1 3 "CALL—Call Procedure";
    /// Far RET at CPL 3 does the same.
    selectors_of_far_return_at_cpl_3 FarBranches 2 3 "RET—Return From Procedure";
    /// IRET at CPL 3 does the same.
    selectors_of_interrupt_return_at_cpl_3 InterruptReturn 3 3 "IRET/IRETD/IRETQ—Interrupt Return";
}

/// LLDT in protected mode takes null selectors, and refuses those in the LDT, beyond the limit and of data.
#[case(feature = SegmentTables, spec = [sdm2("LLDT—Load Local Descriptor Table Register"), apm3("LLDT")])]
fn selectors_of_lldt_in_protected_mode() {
    let arena = Arena::new();
    let program = put_tables(&Program::PROTECTED_32, 0, true);
    for row in 0..SELECTORS.len() {
        let selector = selector(row, 0);
        let expected = if selector.is_null() { Outcome::COMPLETED } else { Outcome(outcome_of(refused(selector))) };
        let program = program.with(&[(EAX, selector.value.into())]);
        let actual = arena.run(&program, BRANCHES.row(4, true)).outcome();
        check_outcome!("LLDT", [NAMES; row], actual, expected);
    }
}

/// LTR in protected mode refuses null selectors, those in the LDT, beyond the limit and of data.
#[case(feature = SegmentTables, spec = [sdm2("LTR—Load Task Register"), apm3("LTR")])]
fn selectors_of_ltr_in_protected_mode() {
    let arena = Arena::new();
    let program = put_tables(&Program::PROTECTED_32, 0, true);
    for row in 0..SELECTORS.len() {
        let selector = selector(row, 0);
        let program = program.with(&[(EAX, selector.value.into())]);
        let actual = arena.run(&program, BRANCHES.row(5, true)).outcome();
        check_outcome!("LTR", [NAMES; row], actual, Outcome(outcome_of(refused(selector))));
    }
}

fn check_queries(queries: core::ops::Range<usize>, cpl: u8) {
    let arena = Arena::new();
    let program = if cpl == 0 { Program::PROTECTED_32 } else { Program::USER_32 };
    for has_ldt in [true, false] {
        let program = put_tables(&program, cpl, has_ldt);
        for row in 0..SELECTORS.len() {
            let selector = selector(row, cpl);
            let is_found = !selector.is_null() && found(selector, cpl, has_ldt).is_some();
            for query in queries.clone() {
                let program = program.with(&[(EAX, selector.value.into())]);
                let arrival = arena.run(&program, QUERIES.row(query, true));
                check_outcome!("query", [NAMES; row], arrival.outcome(), Outcome::COMPLETED);
                let zf = arrival.registers.general[EAX];
                match (query, has_ldt) {
                    (0, true) => check_eq!("ZF of LAR", [NAMES; row], zf, u32::from(is_found)),
                    (1, true) => check_eq!("ZF of LSL", [NAMES; row], zf, u32::from(is_found)),
                    (2, true) => check_eq!("ZF of VERR", [NAMES; row], zf, u32::from(is_found)),
                    (_, true) => check_eq!("ZF of VERW", [NAMES; row], zf, u32::from(is_found)),
                    (0, false) => check_eq!("ZF of LAR without LDT", [NAMES; row], zf, u32::from(is_found)),
                    (1, false) => check_eq!("ZF of LSL without LDT", [NAMES; row], zf, u32::from(is_found)),
                    (2, false) => check_eq!("ZF of VERR without LDT", [NAMES; row], zf, u32::from(is_found)),
                    _ => check_eq!("ZF of VERW without LDT", [NAMES; row], zf, u32::from(is_found)),
                }
            }
        }
    }
}

/// LAR and LSL at CPL 0 clear ZF for null selectors and beyond the table's limit, and raise nothing.
#[case(feature = SegmentTables, spec = [sdm2("LAR—Load Access Rights Byte"), sdm2("LSL—Load Segment Limit")])]
fn selectors_of_rights_at_cpl_0() {
    check_queries(0..2, 0);
}

/// VERR and VERW at CPL 0 do the same.
#[case(feature = SegmentTables, spec = sdm2("VERR/VERW—Verify a Segment for Reading or Writing"))]
fn selectors_of_verification_at_cpl_0() {
    check_queries(2..4, 0);
}

/// LAR, LSL, VERR and VERW at CPL 3 do the same.
#[case(feature = SegmentTables, spec = [sdm2("LAR—Load Access Rights Byte"), sdm2("LSL—Load Segment Limit"), sdm2("VERR/VERW—Verify a Segment for Reading or Writing")])]
fn selectors_of_queries_at_cpl_3() {
    check_queries(0..4, 3);
}

user_code!(load_es: "mov es, edi", "ret");
user_code!(load_ds: "mov ds, edi", "ret");
user_code!(load_fs: "mov fs, edi", "ret");
user_code!(load_gs: "mov gs, edi", "ret");
user_code!(load_ss: "mov edx, ss", "mov ss, edi", "mov ss, edx", "ret");
user_code!(pop_fs: "push rdi", ".byte 0x0f, 0xa1", "ret");

const LONG_LDT_END: u16 = (NR_LDT_QUADWORDS as u16 - 1) * 8;
/// Selectors of 64-bit mode, with the limits that the case's descriptors have.
const LONG_SELECTORS: [u16; 12] =
    [0, 1, 2, 3, 0x200, LIMIT + 1, 0x1800, 0xfff8, 4, LONG_LDT_END | 4, (LONG_LDT_END + 8) | 4, 0xfff8 | 4];

fn check_in_64_bit_mode(cpl: u8, attempt: impl Fn(u16, usize) -> Outcome) {
    let table = Descriptors::new();
    let data = segment(0, 0xf_ffff, access::DATA | u32::from(cpl) << 5, flag::FLAT);
    table.set(0x200, data);
    table.set_ldt(0, data);
    table.set_ldt(LONG_LDT_END, data);
    for (row, value) in LONG_SELECTORS.into_iter().enumerate() {
        let value = value | if row < 4 { 0 } else { u16::from(cpl) };
        let selector = Selector { value };
        let is_found = is_in_table(selector, LIMIT.into(), Some(NR_LDT_QUADWORDS as u32 * 8 - 1));
        let descriptor = is_found.then_some(Descriptor { kind: WRITABLE, dpl: cpl, present: true });
        let data = Outcome(outcome_of(load_data(selector, descriptor, cpl)));
        let stack = Outcome(outcome_of(load_stack(selector, descriptor, cpl, true)));
        check_outcome!("MOV ES", [NAMES; row], attempt(value, 0), data);
        check_outcome!("MOV DS", [NAMES; row], attempt(value, 1), data);
        check_outcome!("MOV FS", [NAMES; row], attempt(value, 2), data);
        check_outcome!("MOV GS", [NAMES; row], attempt(value, 3), data);
        check_outcome!("POP FS", [NAMES; row], attempt(value, 4), data);
        check_outcome!("MOV SS", [NAMES; row], attempt(value, 5), stack);
    }
}

/// Loads at CPL 0 in 64-bit mode take null selectors, into SS with RPL 0 alone, and raise #GP beyond their table's limit.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Segment Loading Instructions in IA-32e Mode"), apm2("Segment Registers")])]
fn selectors_in_64_bit_mode_at_cpl_0() {
    check_in_64_bit_mode(0, |value, load| match load {
        0 => instruction!("mov es, {0:x}", in(reg) value).into(),
        1 => instruction!("mov ds, {0:x}", in(reg) value).into(),
        2 => instruction!("mov fs, {0:x}", in(reg) value).into(),
        3 => instruction!("mov gs, {0:x}", in(reg) value).into(),
        4 => instruction!("push {0}", ".byte 0x0f, 0xa1", in(reg) u64::from(value)).into(),
        _ => instruction!("mov {1:e}, ss", "mov ss, {0:x}", "mov ss, {1:e}", in(reg) value, out(reg) _).into(),
    });
}

/// Loads at CPL 3 in 64-bit mode take null selectors but into SS, and raise #GP beyond their table's limit.
#[case(feature = SegmentLoads, spec = [sdm2("MOV—Move"), sdm3a("Segment Loading Instructions in IA-32e Mode"), apm2("Segment Registers")])]
fn selectors_in_64_bit_mode_at_cpl_3() {
    check_in_64_bit_mode(3, |value, load| {
        let function: extern "C" fn(u64) -> u64 = match load {
            0 => load_es,
            1 => load_ds,
            2 => load_fs,
            3 => load_gs,
            4 => pop_fs,
            _ => load_ss,
        };
        user::call(function, value.into()).into()
    });
}
