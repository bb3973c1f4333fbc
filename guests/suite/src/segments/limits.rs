//! Limits and bases of data segments in 32-bit protected mode.

use super::model::is_within;
use case::Text;
use rt::{
    Outcome, case, check_eq, check_outcome,
    excursion::{
        ARENA, Arena, Code, Program, layout,
        register::{EAX, EBX},
        tables::{self, access, flag, segment, selector},
    },
    machine_code, names,
};

const LIMITED: u16 = selector::FREE;

/// A segment with base 0.
struct Shape {
    /// Limit in bytes.
    limit: u32,
    expands_down: bool,
    is_big: bool,
    counts_pages: bool,
}

const SHAPES: [Shape; 5] = [
    Shape { limit: 0x1_e7ff, expands_down: false, is_big: true, counts_pages: false },
    Shape { limit: 0x1_efff, expands_down: false, is_big: true, counts_pages: true },
    Shape { limit: 0x1_e7ff, expands_down: false, is_big: false, counts_pages: false },
    Shape { limit: 0x1_2fff, expands_down: true, is_big: true, counts_pages: true },
    Shape { limit: 0xe7ff, expands_down: true, is_big: false, counts_pages: false },
];

/// Offsets around a limit, as distances of the first byte.
const DISTANCES: [i32; 12] = [-0x800, -8, -7, -4, -3, -2, -1, 0, 1, 2, 4, 0x400];

impl Shape {
    fn descriptor(&self) -> u64 {
        let kind = access::DATA | if self.expands_down { 4 } else { 0 };
        let flags = if self.is_big { flag::D_B } else { 0 } | if self.counts_pages { flag::G } else { 0 };
        segment(0, if self.counts_pages { self.limit >> 12 } else { self.limit }, kind, flags)
    }

    /// Where accesses start to be refused: behind the limit, or below what expands down.
    fn edge(&self) -> u32 {
        self.limit + 1
    }
}

machine_code! {
    /// Accesses at EBX through ES and FS; ORs write what they read.
    32 LIMIT_ES_1 = "mov eax, 0x58", "mov es, eax", "mov al, es:[ebx]";
    /// The same.
    32 LIMIT_ES_2 = "mov eax, 0x58", "mov es, eax", "mov ax, es:[ebx]";
    /// The same.
    32 LIMIT_ES_4 = "mov eax, 0x58", "mov es, eax", "mov eax, es:[ebx]";
    /// The same.
    32 LIMIT_FS_1 = "mov eax, 0x58", "mov fs, eax", "or byte ptr fs:[ebx], 0";
    /// The same.
    32 LIMIT_FS_2 = "mov eax, 0x58", "mov fs, eax", "or word ptr fs:[ebx], 0";
    /// The same.
    32 LIMIT_FS_4 = "mov eax, 0x58", "mov fs, eax", "or dword ptr fs:[ebx], 0";
    /// The same by a string instruction through DS.
    32 LIMIT_DS_4 = "mov eax, 0x58", "mov ds, eax", "mov esi, ebx", "lodsd";
    /// Through SS, back in the old one behind it.
    32 LIMIT_SS_1 = "mov eax, 0x58", "mov ss, eax", "mov al, ss:[ebx]", "mov eax, 0x10", "mov ss, eax";
    /// The same.
    32 LIMIT_SS_4 = "mov eax, 0x58", "mov ss, eax", "mov eax, ss:[ebx]", "mov eax, 0x10", "mov ss, eax";
    /// By the value of each segment register in turn: what it reads at offset 0 goes to EAX.
    32 BASE_CS = "mov eax, cs:[ebx]";
    /// The same.
    32 BASE_DS = "mov eax, 0x58", "mov ds, eax", "mov eax, [ebx]";
    /// The same.
    32 BASE_ES = "mov eax, 0x58", "mov es, eax", "mov eax, es:[ebx]";
    /// The same.
    32 BASE_FS = "mov eax, 0x58", "mov fs, eax", "mov eax, fs:[ebx]";
    /// The same.
    32 BASE_GS = "mov eax, 0x58", "mov gs, eax", "mov eax, gs:[ebx]";
    /// The same, by the default of EBP.
    32 BASE_SS = "mov eax, 0x58", "mov edx, ss", "mov ebp, ebx", "mov ss, eax", "mov eax, [ebp]", "mov ss, edx";
    /// The destination of a string instruction is in ES whatever the override.
    32 BASE_STOS = "mov eax, 0x58", "mov es, eax", "mov edi, ebx", "mov eax, 0x12345678", ".byte 0x64, 0xab",
        "mov eax, es:[ebx]";
}

const NAMES: &[Text] = names!["-800", "-8", "-7", "-4", "-3", "-2", "-1", "0", "+1", "+2", "+4", "+400"];

fn check_shape(shape: &Shape, with_stack: bool) {
    let arena = Arena::new();
    tables::set_descriptor(LIMITED, shape.descriptor());
    let run = |code: &Code, offset: u32| arena.run(&Program::PROTECTED_32.with(&[(EBX, offset)]), code).outcome();
    for (row, distance) in DISTANCES.into_iter().enumerate() {
        let offset = shape.edge().wrapping_add_signed(distance);
        let expected = |size, fault| {
            if is_within(shape.limit, shape.expands_down, shape.is_big, offset, size) {
                Outcome::COMPLETED
            } else {
                fault
            }
        };
        if with_stack {
            check_outcome!("byte in SS", [NAMES; row], run(&LIMIT_SS_1, offset), expected(1, Outcome::SS));
            check_outcome!("doubleword in SS", [NAMES; row], run(&LIMIT_SS_4, offset), expected(4, Outcome::SS));
            continue;
        }
        check_outcome!("byte in ES", [NAMES; row], run(&LIMIT_ES_1, offset), expected(1, Outcome::GP));
        check_outcome!("word in ES", [NAMES; row], run(&LIMIT_ES_2, offset), expected(2, Outcome::GP));
        check_outcome!("doubleword in ES", [NAMES; row], run(&LIMIT_ES_4, offset), expected(4, Outcome::GP));
        check_outcome!("byte written in FS", [NAMES; row], run(&LIMIT_FS_1, offset), expected(1, Outcome::GP));
        check_outcome!("word written in FS", [NAMES; row], run(&LIMIT_FS_2, offset), expected(2, Outcome::GP));
        check_outcome!("doubleword written in FS", [NAMES; row], run(&LIMIT_FS_4, offset), expected(4, Outcome::GP));
        check_outcome!("LODSD in DS", [NAMES; row], run(&LIMIT_DS_4, offset), expected(4, Outcome::GP));
    }
}

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident $index:literal $with_stack:literal;)+) => {$(
        $(#[$doc])*
        #[case(feature = SegmentLimits, spec = [sdm3a("Limit Checking"), sdm3a("Segment Descriptors"), apm2("Determining Limit Violations")])]
        fn $name() {
            check_shape(&SHAPES[$index], $with_stack);
        }
    )+};
}

shapes! {
    /// An access with a byte beyond a limit in bytes raises #GP(0).
    limit_in_bytes 0 false;
    /// A limit in pages counts the last byte of its last page.
    limit_in_pages 1 false;
    /// B does not matter to a data segment that expands up.
    limit_of_a_small_segment 2 false;
    /// A segment that expands down holds what is beyond its limit, up to 4 GiB if B is set.
    limit_of_a_big_segment_that_expands_down 3 false;
    /// A segment that expands down with B clear ends at 64 KiB.
    limit_of_a_small_segment_that_expands_down 4 false;
    /// An access through SS with a byte beyond the limit raises #SS(0).
    stack_limit_in_bytes 0 true;
    /// The same of a limit in pages.
    stack_limit_in_pages 1 true;
    /// The same of a stack that expands down.
    stack_limit_of_a_segment_that_expands_down 3 true;
}

/// A small segment that expands down ends with its byte at FFFFH.
#[case(feature = SegmentLimits, spec = [sdm3a("Segment Descriptors"), sdm3a("Limit Checking")])]
fn end_of_a_small_segment_that_expands_down() {
    const OFFSETS: &[Text] = names!["fffb", "fffc", "fffd", "fffe", "ffff", "10000", "10001"];
    let arena = Arena::new();
    let shape = &SHAPES[4];
    tables::set_descriptor(LIMITED, shape.descriptor());
    for (row, offset) in [0xfffb, 0xfffc, 0xfffd, 0xfffe, 0xffff, 0x1_0000, 0x1_0001].into_iter().enumerate() {
        for (size, code) in [(1, &LIMIT_ES_1), (2, &LIMIT_ES_2), (4, &LIMIT_ES_4)] {
            let is_inside = is_within(shape.limit, true, false, offset, size);
            let expected = if is_inside { Outcome::COMPLETED } else { Outcome::GP };
            let actual = arena.run(&Program::PROTECTED_32.with(&[(EBX, offset)]), code).outcome();
            match size {
                1 => check_outcome!("byte", [OFFSETS; row], actual, expected),
                2 => check_outcome!("word", [OFFSETS; row], actual, expected),
                _ => check_outcome!("doubleword", [OFFSETS; row], actual, expected),
            }
        }
    }
}

/// The base of each segment register is added to the offset, and the sum wraps at 4 GiB.
#[case(feature = SegmentLimits, spec = [sdm3a("Logical and Linear Addresses"), sdm1("Segment Registers")])]
fn bases() {
    const REGISTERS: &[Text] = names!["DS", "ES", "FS", "GS", "SS"];
    const BASES: [u32; 5] = [0, ARENA, ARENA + layout::DATA + 0x10, 0x8000_0000, 0xffff_fff0];
    let arena = Arena::new();
    let at = ARENA + layout::DATA + 0x40;
    for (index, base) in BASES.into_iter().enumerate() {
        tables::set_descriptor(LIMITED, segment(base, 0xf_ffff, access::DATA, flag::FLAT));
        for (row, code) in [&BASE_DS, &BASE_ES, &BASE_FS, &BASE_GS, &BASE_SS].into_iter().enumerate() {
            let value = 0x1000_0000 * (index as u32 + 1) + row as u32;
            tables::write_u32(layout::DATA + 0x40, value);
            let program = Program::PROTECTED_32.with(&[(EBX, at.wrapping_sub(base))]);
            let arrival = arena.run(&program, code);
            check_outcome!("read", [REGISTERS; row], arrival.outcome(), Outcome::COMPLETED);
            // DS is not flat where a program has ended with another one.
            check_eq!("value", [REGISTERS; row], arrival.registers.general[EAX], value);
        }
    }
    let value = 0x0c0d_e0c5;
    tables::write_u32(layout::DATA + 0x40, value);
    let arrival = arena.run(&Program::PROTECTED_32.with(&[(EBX, at)]), &BASE_CS);
    check_eq!("read through CS", arrival.registers.general[EAX], value);
    tables::set_descriptor(LIMITED, segment(ARENA, 0xf_ffff, access::DATA, flag::FLAT));
    let arrival = arena.run(&Program::PROTECTED_32.with(&[(EBX, layout::DATA + 0x40)]), &BASE_STOS);
    check_eq!("STOSD with an override of FS, read through ES", arrival.registers.general[EAX], 0x1234_5678_u32);
    check_eq!("where ES leads", tables::read_u32(layout::DATA + 0x40), 0x1234_5678_u32);
}

machine_code! {
    /// Writes through a segment that may not be written.
    32 TYPE_WRITE = "mov eax, 0x58", "mov es, eax", "or byte ptr es:[ebx], 0";
    /// Writes through CS.
    32 TYPE_WRITE_CODE = "or byte ptr cs:[ebx], 0";
    /// Reads through CS.
    32 TYPE_READ_CODE = "mov al, cs:[ebx]";
}

/// A write to read-only data and to code, and a read of execute-only code, raise #GP(0).
#[case(feature = SegmentLimits, spec = [sdm3a("Type Checking"), apm2("Type Checks in Legacy and Compatibility Modes")])]
fn accesses_by_type() {
    const TYPES: &[Text] = names!["read-only", "writable", "read-only, expand-down", "writable, expand-down", "code"];
    let arena = Arena::new();
    let at = ARENA + layout::DATA;
    let rows = [(0x91, 0xf_ffff), (0x93, 0xf_ffff), (0x95, 0), (0x97, 0), (0x9b, 0xf_ffff)];
    for (row, (kind, limit)) in rows.into_iter().enumerate() {
        tables::set_descriptor(LIMITED, segment(0, limit, kind, flag::D_B | flag::G));
        let program = Program::PROTECTED_32.with(&[(EBX, at)]);
        let expected = if row == 1 || row == 3 { Outcome::COMPLETED } else { Outcome::GP };
        check_outcome!("write", [TYPES; row], arena.run(&program, &TYPE_WRITE).outcome(), expected);
        let read = arena.run(&program, &LIMIT_ES_1).outcome();
        check_outcome!("read", [TYPES; row], read, Outcome::COMPLETED);
    }
    let program = Program::PROTECTED_32.with(&[(EBX, at)]);
    check_outcome!("write through CS", arena.run(&program, &TYPE_WRITE_CODE).outcome(), Outcome::GP);
    check_outcome!("read through CS", arena.run(&program, &TYPE_READ_CODE).outcome(), Outcome::COMPLETED);
    tables::set_descriptor(LIMITED, segment(0, 0xf_ffff, 0x99, flag::FLAT));
    let mut program = program;
    program.registers.cs = LIMITED.into();
    check_outcome!("read of execute-only code", arena.run(&program, &TYPE_READ_CODE).outcome(), Outcome::GP);
}
