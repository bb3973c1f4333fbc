//! Walks through the rows of [`super::rows`] in 32-bit protected mode: one program tries an instruction with each
//! selector, and handlers of its own note what it led to.
//!
//! A row takes some 25 instructions that way, where an excursion of its own would take ten times as many.

use super::{
    model::Descriptor,
    register_model,
    rows::{NAME_LENGTH, NR_DESCRIPTORS, NR_ROWS, descriptor, extent, name},
};
use case::{Site, Text};
use rt::{
    Outcome, check_eq, check_outcome,
    excursion::{
        ARENA, Arena, Code, Program, layout,
        register::{EBP, ECX, ESI},
        tables::{self, access, flag, gate, segment, selector, tss_32},
    },
    machine_code,
    report::check,
};

/// Data for the stack of ring 1.
pub(super) const STACK_RING_1: u16 = selector::FREE | 1;
/// Data for the stack of ring 2.
pub(super) const STACK_RING_2: u16 = (selector::FREE + 8) | 2;
/// The LDT with the rows' descriptors.
const ROWS_LDT: u16 = selector::FREE + 16;
/// A call gate whose selector the program writes; named in [`CALL_GATE`] and [`JUMP_GATE`] by its address.
const GATE: u16 = selector::FREE + 24;
/// Code at CPL 1.
const CODE_RING_1: u16 = selector::FREE + 32;
/// The vector whose gate the program writes; named in [`INTERRUPT`] by its address.
const GATE_VECTOR: u8 = 33;
/// Raised by what was reached, so that its handler notes success.
const REACHED: u8 = 32;
/// Raised by a program at CPL 3 that has ended.
const ENDED: u8 = 34;

const LDT_AT: u32 = layout::SPARE;
const HANDLERS_AT: u32 = 0x3800;
/// Results, four bytes for each row; in front of them what the program reads.
const RESULTS_AT: u32 = layout::DATA + 0x100;
const NOT_TRIED: u32 = 0x7fff_ffff;
const _: () = assert!(LDT_AT + NR_DESCRIPTORS as u32 * 8 <= HANDLERS_AT && GATE == 0x70);
const _: () = assert!(ARENA + layout::GDT + 0x70 == 0x11070 && ARENA + layout::IDT + 33 * 8 == 0x11908);
const _: () = assert!(ARENA + layout::TSS + tss_32::SS_1 == 0x12210);

const NAME_BYTES: &[[u8; NAME_LENGTH]; NR_ROWS] = &{
    let mut names = [[0; NAME_LENGTH]; NR_ROWS];
    let mut row = 0;
    while row < NR_ROWS {
        names[row] = name(row);
        row += 1;
    }
    names
};

static NAME_TABLE: [Text; NR_ROWS] = {
    let mut names = [Text::EMPTY; NR_ROWS];
    let mut row = 0;
    while row < NR_ROWS {
        if let Ok(text) = core::str::from_utf8(&NAME_BYTES[row]) {
            names[row] = Text::new(text);
        }
        row += 1;
    }
    names
};

/// The names of the rows.
pub(super) const NAMES: &[Text] = &NAME_TABLE;

/// Makes a table of what the model expects of every row, so that the guest need not compute it.
macro_rules! expected {
    ($stride:literal, |$selector:ident, $descriptor:ident| $answer:expr) => {
        &{
            let mut answers = [0_u32; $crate::segments::rows::NR_ROWS];
            let mut row = 0;
            while row < answers.len() {
                let $selector = $crate::segments::rows::row_selector(row, $stride);
                let $descriptor = $crate::segments::rows::row_descriptor(row);
                answers[row] = $answer;
                row += 1;
            }
            answers
        }
    };
}
pub(super) use expected;

// Registers of every walker: ESI the row, EDI the address of a table of jumps (to the end of the row with the result in
// EDX, to what a branch reaches, and to where that comes back), EBP the results, EBX the stack, ECX the program's CS.
// The row's selector is in EAX.
macro_rules! walkers {
    ($($(#[$doc:meta])* $name:ident: $($line:literal),+;)+) => {
        machine_code! {$(
            $(#[$doc])*
            32 pub(super) $name =
                "mov ebx, esp", "call 8f",
                ".byte 0xe9", ".long 4f - . - 4",
                ".byte 0xe9", ".long 3f - . - 4",
                ".byte 0xe9", ".long 6f - . - 4",
                "8: pop edi",
                "1: mov eax, esi", "and eax, -4", "lea eax, [eax * 2 + 4]", "mov edx, esi", "and edx, 3", "or eax, edx",
                $($line,)+
                "xor edx, edx", "jmp 4f",
                "3: mov eax, cs", "or eax, ecx", "test al, 3", "jnz 7f",
                "mov esp, ebx", "push ecx", "lea edx, [edi + 10]", "push edx", "retf",
                "7: int 32",
                "6: xor edx, edx",
                "4: mov esp, ebx", "mov [ebp + esi * 4], edx", "add esi, [ebp - 4]", "cmp esi, [ebp - 8]", "jb 1b",
                "test cl, 3", "jz 5f", "int 34", "5:";
        )+}
    };
}

walkers! {
    /// MOV ES.
    MOV_ES: "mov es, eax";
    /// MOV DS; nothing else of the program uses DS.
    MOV_DS: "mov ds, eax";
    /// MOV FS.
    MOV_FS: "mov fs, eax";
    /// MOV GS.
    MOV_GS: "mov gs, eax";
    /// POP ES.
    POP_ES: "push eax", "pop es";
    /// POP DS.
    POP_DS: "push eax", "pop ds";
    /// POP FS.
    POP_FS: "push eax", "pop fs";
    /// LES, from the stack.
    LES: "push eax", "push eax", ".byte 0x36, 0xc4, 0x14, 0x24";
    /// LDS, from the stack.
    LDS: "push eax", "push eax", ".byte 0x36, 0xc5, 0x14, 0x24";
    /// LGS, from the stack.
    LGS: "push eax", "push eax", ".byte 0x36, 0x0f, 0xb5, 0x14, 0x24";
    /// MOV SS, and back.
    MOV_SS: "mov edx, ss", "mov ss, eax", "mov ss, edx";
    /// POP SS, and back.
    POP_SS: "mov edx, ss", "push eax", "pop ss", "mov ss, edx";
    /// LSS, and back.
    LSS: "mov edx, ss", "push eax", "push ebx", ".byte 0x0f, 0xb2, 0x24, 0x24", "mov ss, edx";
    /// Indirect far JMP.
    FAR_JMP: "push eax", "lea edx, [edi + 5]", "push edx", ".byte 0xff, 0x2c, 0x24";
    /// Indirect far CALL.
    FAR_CALL: "push eax", "lea edx, [edi + 5]", "push edx", ".byte 0xff, 0x1c, 0x24";
    /// Far RET with a stack for each level.
    FAR_RET: "mov edx, esi", "and edx, 3", "push dword ptr [ebp + edx * 4 - 32]", "push ebx", "push eax",
             "lea edx, [edi + 5]", "push edx", "retf";
    /// IRET with a stack for each level.
    IRET: "mov edx, esi", "and edx, 3", "push dword ptr [ebp + edx * 4 - 32]", "push ebx", "push 2", "push eax",
          "lea edx, [edi + 5]", "push edx", "iretd";
    /// Far RET to CPL 3 with the row as its stack segment.
    FAR_RET_STACK: "push eax", "push ebx", "push dword ptr [ebp - 36]", "lea edx, [edi + 5]", "push edx", "retf";
    /// IRET to CPL 3 with the row as its stack segment.
    IRET_STACK: "push eax", "push ebx", "push 2", "push dword ptr [ebp - 36]", "lea edx, [edi + 5]", "push edx",
                "iretd";
    /// Far CALL through a gate that leads to the row.
    CALL_GATE: "lea edx, [edi + 5]", "mov word ptr ss:[0x11070], dx", "mov word ptr ss:[0x11072], ax", "push 0x73",
               "push 0", ".byte 0xff, 0x1c, 0x24";
    /// Far JMP through a gate that leads to the row.
    JUMP_GATE: "lea edx, [edi + 5]", "mov word ptr ss:[0x11070], dx", "mov word ptr ss:[0x11072], ax", "push 0x73",
               "push 0", ".byte 0xff, 0x2c, 0x24";
    /// INT n through a gate that leads to the row.
    INTERRUPT: "lea edx, [edi + 5]", "mov word ptr ss:[0x11908], dx", "mov word ptr ss:[0x1190a], ax", "int 33";
    /// INT n to ring 1, whose stack segment in the TSS is the row.
    INNER_STACK: "lea edx, [edi + 5]", "mov word ptr ss:[0x11908], dx", "mov word ptr ss:[0x1190a], 0x78",
                 "mov dword ptr ss:[0x12210], eax", "int 33";
    /// LAR: what it loads, with bit 0 set, or 0.
    LAR: "xor edx, edx", "lar edx, eax", "setz al", "movzx eax, al", "and edx, 0xf0ff00", "or edx, eax", "jmp 4f";
    /// LSL: the limit, or 0.
    LSL: "xor edx, edx", "lsl edx, eax", "jmp 4f";
    /// VERR: ZF.
    VERR: "verr ax", "setz dl", "movzx edx, dl", "jmp 4f";
    /// VERW: ZF.
    VERW: "verw ax", "setz dl", "movzx edx, dl", "jmp 4f";
}

machine_code! {
    /// Handlers of vectors 10 to 13 and 32 for a program at CPL 0, each of 12 bytes. They do not return by IRET, which
    /// not every subject knows here.
    32 HANDLERS_0 = "pop edx", "or edx, 0x800a0000", ".byte 0xe9", ".long 1f - . - 4",
        "pop edx", "or edx, 0x800b0000", ".byte 0xe9", ".long 1f - . - 4",
        "pop edx", "or edx, 0x800c0000", ".byte 0xe9", ".long 1f - . - 4",
        "pop edx", "or edx, 0x800d0000", ".byte 0xe9", ".long 1f - . - 4",
        "xor edx, edx", "1: mov eax, 0x10", "mov ss, eax", "mov esp, ebx", "jmp edi";
    /// The same for a program at CPL 3.
    32 HANDLERS_3 = "pop edx", "or edx, 0x800a0000", ".byte 0xe9", ".long 1f - . - 4",
        "pop edx", "or edx, 0x800b0000", ".byte 0xe9", ".long 1f - . - 4",
        "pop edx", "or edx, 0x800c0000", ".byte 0xe9", ".long 1f - . - 4",
        "pop edx", "or edx, 0x800d0000", ".byte 0xe9", ".long 1f - . - 4",
        "xor edx, edx", "1: push 0x33", "push ebx", "push 2", "push ecx", "push edi", "iretd";
}
const _: () = assert!(selector::DATA_32 == 0x10 && selector::USER_DATA_32 == 0x33 && CODE_RING_1 == 0x78);

/// Which rows are tried.
#[derive(Clone, Copy)]
pub(super) struct Span {
    first: usize,
    end: usize,
    step: usize,
}

impl Span {
    /// One in three, with every type of every DPL, RPL and P among them: the accessed bit and the RPL of neighbours are what
    /// is left out.
    pub(super) const ALL: Self = Self { first: 0, end: NR_ROWS, step: 3 };
    /// Those with this RPL.
    pub(super) const fn rpl(rpl: usize) -> Self {
        Self { first: rpl, end: NR_ROWS, step: 4 }
    }
    /// One in 13, with every type, DPL and RPL among them.
    pub(super) const SAMPLE: Self = Self { first: 1, end: NR_ROWS, step: 13 };
    /// System descriptors that are present; the next three are likewise.
    pub(super) const PRESENT_SYSTEMS: Self = Self { first: 0, end: NR_ROWS / 4, step: 1 };
    /// Segments that are present.
    pub(super) const PRESENT_SEGMENTS: Self = Self { first: NR_ROWS / 4, end: NR_ROWS / 2, step: 3 };
    /// System descriptors that are not present.
    pub(super) const ABSENT_SYSTEMS: Self = Self { first: NR_ROWS / 2, end: NR_ROWS / 4 * 3, step: 5 };
    /// Segments that are not present.
    pub(super) const ABSENT_SEGMENTS: Self = Self { first: NR_ROWS / 4 * 3, end: NR_ROWS, step: 5 };
}

/// A descriptor of the rows: 32-bit.
fn row_segment(d: Descriptor) -> u64 {
    let (limit, is_flat) = extent(d);
    segment(0, limit, d.access(), if is_flat { flag::FLAT } else { 0 })
}

/// Runs a walker at CPL 0 or 3 and returns the arena with its results.
fn walk(code: &Code, cpl: u8, span: Span) -> Arena {
    let arena = Arena::new();
    let data = |dpl: u32| segment(0, 0xf_ffff, access::DATA | dpl << 5, flag::FLAT);
    tables::set_descriptor(STACK_RING_1, data(1));
    tables::set_descriptor(STACK_RING_2, data(2));
    tables::set_descriptor(ROWS_LDT, segment(ARENA + LDT_AT, NR_DESCRIPTORS as u32 * 8 - 1, access::LDT, 0));
    tables::set_descriptor(GATE, gate(0, ARENA, access::CALL_GATE_32 | access::DPL_3, 0));
    tables::set_descriptor(CODE_RING_1, segment(0, 0xf_ffff, access::CODE | 1 << 5, flag::FLAT));
    for number in 0..NR_DESCRIPTORS {
        tables::write_u64(LDT_AT + number as u32 * 8, row_segment(descriptor(number)));
    }
    arena.put(HANDLERS_AT, if cpl == 0 { &HANDLERS_0 } else { &HANDLERS_3 });
    for (index, vector) in [10, 11, 12, 13, REACHED].into_iter().enumerate() {
        let dpl = if vector == REACHED { access::DPL_3 } else { 0 };
        let offset = ARENA + HANDLERS_AT + index as u32 * 12;
        tables::set_gate(vector, gate(selector::CODE_32, offset, access::INTERRUPT_GATE_32 | dpl, 0));
    }
    tables::set_gate(GATE_VECTOR, gate(0, ARENA, access::INTERRUPT_GATE_32 | access::DPL_3, 0));
    for (ring, (stack, at)) in
        [(STACK_RING_1, (tss_32::ESP_1, layout::STACK_1)), (STACK_RING_2, (tss_32::ESP_2, layout::STACK_2))]
    {
        tables::write_u32(layout::TSS + stack, ARENA + at);
        tables::write_u32(layout::TSS + stack + 4, u32::from(ring));
    }
    // In front of the results: code of CPL 3, stacks by RPL, end and step.
    let words = [
        (36, u32::from(selector::USER_CODE_32)),
        (32, u32::from(selector::DATA_32)),
        (28, u32::from(STACK_RING_1)),
        (24, u32::from(STACK_RING_2)),
        (20, u32::from(selector::USER_DATA_32)),
        (8, span.end as u32),
        (4, span.step as u32),
    ];
    for (distance, word) in words {
        tables::write_u32(RESULTS_AT - distance, word);
    }
    for row in (span.first..span.end).step_by(span.step) {
        tables::write_u32(RESULTS_AT + row as u32 * 4, NOT_TRIED);
    }
    let mut program = if cpl == 0 { Program::PROTECTED_32 } else { Program::USER_32 };
    program.ldtr = ROWS_LDT;
    if cpl == 3 {
        program.ending = rt::excursion::Ending::Nothing;
    }
    let program = program.with(&[(ESI, span.first as u32), (EBP, ARENA + RESULTS_AT), (ECX, program.registers.cs)]);
    let arrival = arena.run(&program, code);
    let end = if cpl == 0 { Outcome::COMPLETED } else { Outcome::exception(ENDED, 0) };
    check_outcome!("walk", arrival.outcome(), end);
    check_eq!("walk is complete", arrival.registers.general[ESI] >= span.end as u32, 1);
    arena
}

/// What an answer of the model is as an outcome.
pub(super) fn outcome_of(packed: u32) -> u64 {
    register_model::outcome_of(packed).0
}

/// Runs a walker and reports what each row led to.
pub(super) fn outcomes(code: &Code, cpl: u8, span: Span, site: &'static Site, expected: &[u32; NR_ROWS]) {
    let _arena = walk(code, cpl, span);
    for row in (span.first..span.end).step_by(span.step) {
        let actual = tables::read_u32(RESULTS_AT + row as u32 * 4);
        check(site, row as u64, outcome_of(actual), outcome_of(expected[row]));
    }
}

/// The same of rows that lead to numbers.
pub(super) fn values(code: &Code, cpl: u8, span: Span, site: &'static Site, expected: &[u32; NR_ROWS]) {
    let _arena = walk(code, cpl, span);
    for row in (span.first..span.end).step_by(span.step) {
        let actual = tables::read_u32(RESULTS_AT + row as u32 * 4);
        check(site, row as u64, actual.into(), expected[row].into());
    }
}
