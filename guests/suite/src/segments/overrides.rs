//! Which segment's base an access adds: every override with every kind of address, in protected mode and in 64-bit mode.

use super::model::{SegmentRegister, base_used};
use case::Text;
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::msr::{
        self,
        number::{IA32_FS_BASE, IA32_GS_BASE},
    },
    descriptors::{Descriptors, FREE},
    excursion::{
        ARENA, Arena, CodeTable, Program, layout,
        register::{EAX, EBP, EBX, ESI, ESP},
        tables::{self, access, flag, segment, selector as arena_selector},
    },
    instruction, machine_code_table, mmio, names, paging,
    user::{self, State, register},
    user_code,
};

const NAMES: &[Text] = names![
    "EBX", "EBX, ES", "EBX, CS", "EBX, SS", "EBX, DS", "EBX, FS", "EBX, GS", "EBP", "EBP, ES", "EBP, CS", "EBP, SS",
    "EBP, DS", "EBP, FS", "EBP, GS", "ESP", "ESP, ES", "ESP, CS", "ESP, SS", "ESP, DS", "ESP, FS", "ESP, GS"
];
/// Overrides in the order of the names.
const PREFIXES: [Option<SegmentRegister>; 7] = [
    None,
    Some(SegmentRegister::Es),
    Some(SegmentRegister::Cs),
    Some(SegmentRegister::Ss),
    Some(SegmentRegister::Ds),
    Some(SegmentRegister::Fs),
    Some(SegmentRegister::Gs),
];

macro_rules! accesses {
    ($kind:ident) => {
        machine_code_table! { $kind OVERRIDES:
        "mov eax, [ebx]", ".byte 0x26\n mov eax, [ebx]", ".byte 0x2e\n mov eax, [ebx]", ".byte 0x36\n mov eax, [ebx]",
        ".byte 0x3e\n mov eax, [ebx]", ".byte 0x64\n mov eax, [ebx]", ".byte 0x65\n mov eax, [ebx]",
        "mov eax, [ebp]", ".byte 0x26\n mov eax, [ebp]", ".byte 0x2e\n mov eax, [ebp]", ".byte 0x36\n mov eax, [ebp]",
        ".byte 0x3e\n mov eax, [ebp]", ".byte 0x64\n mov eax, [ebp]", ".byte 0x65\n mov eax, [ebp]",
        "mov eax, [esp]", ".byte 0x26\n mov eax, [esp]", ".byte 0x2e\n mov eax, [esp]", ".byte 0x36\n mov eax, [esp]",
        ".byte 0x3e\n mov eax, [esp]", ".byte 0x64\n mov eax, [esp]", ".byte 0x65\n mov eax, [esp]" }
    };
}
accesses!(code);
static ACCESSES: CodeTable = accesses!(table);

machine_code_table! {
    code OVERRIDES_OF_STRINGS:
        "lodsd", ".byte 0x26\n lodsd", ".byte 0x2e\n lodsd", ".byte 0x36\n lodsd", ".byte 0x3e\n lodsd",
        ".byte 0x64\n lodsd", ".byte 0x65\n lodsd"
}
static STRINGS: CodeTable = machine_code_table! {
    table OVERRIDES_OF_STRINGS:
        "lodsd", ".byte 0x26\n lodsd", ".byte 0x2e\n lodsd", ".byte 0x36\n lodsd", ".byte 0x3e\n lodsd",
        ".byte 0x64\n lodsd", ".byte 0x65\n lodsd"
};

/// Each segment's base is this much above the one before; that of CS is the arena's.
const DISTANCE: u32 = 0x100;
const OFFSET: u32 = layout::STACK - 0x800;

const fn mark(register: SegmentRegister) -> u32 {
    0x5e90_0000 | register as u32
}

const fn base(register: SegmentRegister) -> u32 {
    ARENA
        + match register {
            SegmentRegister::Cs => 0,
            other => DISTANCE * (other as u32 + 1),
        }
}

fn check_overrides(program: &Program, is_32_bit: bool) {
    use SegmentRegister::{Cs, Ds, Es, Fs, Gs, Ss};
    let arena = Arena::new();
    let slot = arena_selector::FREE;
    let big = if is_32_bit { flag::D_B } else { 0 };
    let mut program = *program;
    for (index, register) in (0_u16..).zip([Es, Cs, Ss, Ds, Fs, Gs]) {
        let selector = slot + index * 8;
        let kind = if register == Cs { access::CODE } else { access::DATA };
        tables::set_descriptor(selector, segment(base(register), 0xffff, kind, big));
        tables::write_u32(base(register) - ARENA + OFFSET, mark(register));
        let field = match register {
            Es => &mut program.registers.es,
            Cs => &mut program.registers.cs,
            Ss => &mut program.registers.ss,
            Ds => &mut program.registers.ds,
            Fs => &mut program.registers.fs,
            Gs => &mut program.registers.gs,
        };
        *field = u32::from(selector);
    }
    program.registers.eip = layout::CODE;
    for register in [EBX, EBP, ESP, ESI] {
        program.registers.general[register] = OFFSET;
    }
    for row in 0..NAMES.len() {
        let arrival = arena.run(&program, ACCESSES.row(row, is_32_bit));
        check_outcome!("MOV", [NAMES; row], arrival.outcome(), Outcome::COMPLETED);
        let used = base_used(PREFIXES[row % 7], row >= 7, false);
        check_eq!("value", [NAMES; row], arrival.registers.general[EAX], used.map_or(0, mark));
    }
    for (row, prefix) in PREFIXES.into_iter().enumerate() {
        let arrival = arena.run(&program, STRINGS.row(row, is_32_bit));
        check_outcome!("LODSD", [NAMES; row], arrival.outcome(), Outcome::COMPLETED);
        let used = base_used(prefix, false, false);
        check_eq!("value by LODSD", [NAMES; row], arrival.registers.general[EAX], used.map_or(0, mark));
    }
}

/// In 32-bit protected mode an access uses the base of the override's segment, else that of DS, or of SS if the address's
/// base register is EBP or ESP.
#[case(feature = SegmentLimits, spec = [sdm1("Specifying a Segment Selector"), apm1("Segment Overrides")])]
fn overrides_in_32_bit_mode() {
    check_overrides(&Program::PROTECTED_32, true);
}

/// The same in 16-bit protected mode.
#[case(feature = SegmentLimits, spec = [sdm1("Specifying a Segment Selector"), apm1("Segment Overrides")])]
fn overrides_in_16_bit_mode() {
    check_overrides(&Program::PROTECTED_16, false);
}

user_code!(none_rbx: "mov rax, [rbx]", "ret");
user_code!(es_rbx: ".byte 0x26, 0x48, 0x8b, 0x03", "ret");
user_code!(cs_rbx: ".byte 0x2e, 0x48, 0x8b, 0x03", "ret");
user_code!(ss_rbx: ".byte 0x36, 0x48, 0x8b, 0x03", "ret");
user_code!(ds_rbx: ".byte 0x3e, 0x48, 0x8b, 0x03", "ret");
user_code!(fs_rbx: ".byte 0x64, 0x48, 0x8b, 0x03", "ret");
user_code!(gs_rbx: ".byte 0x65, 0x48, 0x8b, 0x03", "ret");
user_code!(none_rbp: ".byte 0x48, 0x8b, 0x45, 0x00", "ret");
user_code!(es_rbp: ".byte 0x26, 0x48, 0x8b, 0x45, 0x00", "ret");
user_code!(cs_rbp: ".byte 0x2e, 0x48, 0x8b, 0x45, 0x00", "ret");
user_code!(ss_rbp: ".byte 0x36, 0x48, 0x8b, 0x45, 0x00", "ret");
user_code!(ds_rbp: ".byte 0x3e, 0x48, 0x8b, 0x45, 0x00", "ret");
user_code!(fs_rbp: ".byte 0x64, 0x48, 0x8b, 0x45, 0x00", "ret");
user_code!(gs_rbp: ".byte 0x65, 0x48, 0x8b, 0x45, 0x00", "ret");
user_code!(none_string: "mov rsi, rbx", "lodsq", "ret");
user_code!(es_string: "mov rsi, rbx", ".byte 0x26, 0x48, 0xad", "ret");
user_code!(cs_string: "mov rsi, rbx", ".byte 0x2e, 0x48, 0xad", "ret");
user_code!(ss_string: "mov rsi, rbx", ".byte 0x36, 0x48, 0xad", "ret");
user_code!(ds_string: "mov rsi, rbx", ".byte 0x3e, 0x48, 0xad", "ret");
user_code!(fs_string: "mov rsi, rbx", ".byte 0x64, 0x48, 0xad", "ret");
user_code!(gs_string: "mov rsi, rbx", ".byte 0x65, 0x48, 0xad", "ret");
user_code!(fs_lea: ".byte 0x64, 0x48, 0x8d, 0x03", "ret");
user_code!(gs_stos: "mov rdi, rbx", "mov eax, 0x600d", ".byte 0x65, 0x48, 0xab", "ret");
user_code!(fs_32: "mov rax, rbx", "bts rbx, 63", ".byte 0x64, 0x67, 0x48, 0x8b, 0x03", "ret");
user_code!(fs_push: ".byte 0x64, 0xff, 0x33", "pop rax", "ret");

const LONG_NAMES: &[Text] = names![
    "RBX",
    "RBX, ES",
    "RBX, CS",
    "RBX, SS",
    "RBX, DS",
    "RBX, FS",
    "RBX, GS",
    "RBP",
    "RBP, ES",
    "RBP, CS",
    "RBP, SS",
    "RBP, DS",
    "RBP, FS",
    "RBP, GS",
    "LODSQ",
    "LODSQ, ES",
    "LODSQ, CS",
    "LODSQ, SS",
    "LODSQ, DS",
    "LODSQ, FS",
    "LODSQ, GS"
];
const LONG_ACCESSES: [extern "C" fn(u64) -> u64; 21] = [
    none_rbx,
    es_rbx,
    cs_rbx,
    ss_rbx,
    ds_rbx,
    fs_rbx,
    gs_rbx,
    none_rbp,
    es_rbp,
    cs_rbp,
    ss_rbp,
    ds_rbp,
    fs_rbp,
    gs_rbp,
    none_string,
    es_string,
    cs_string,
    ss_string,
    ds_string,
    fs_string,
    gs_string,
];

fn call(function: extern "C" fn(u64) -> u64, address: u64) -> (Outcome, u64) {
    let mut state = State::calling(function, 0);
    state.registers[register::RBX] = address;
    state.registers[register::RBP] = address;
    let exception = user::enter(&mut state);
    let outcome = if user::is_return(&exception) { Outcome::COMPLETED } else { exception.into() };
    (outcome, state.registers[register::RAX])
}

/// In 64-bit mode only FS and GS have a base; ES, CS, SS and DS have none whatever their descriptors say, and an override
/// with one of them means nothing.
#[case(feature = SegmentLimits, spec = [sdm1("Segment Registers in 64-Bit Mode"), sdm3a("Segmentation in IA-32e Mode"), apm1("Segment Overrides"), apm2("Segment Registers")])]
fn overrides_in_64_bit_mode() {
    const FS: u64 = 0x100;
    const GS: u64 = 0x200;
    let at = paging::frame(0) + 0x400;
    let table = Descriptors::new();
    table.set(FREE, segment(0x1234_5000, 0, access::DATA | access::DPL_3, 0));
    for (offset, value) in [(0, 0xd5), (FS, 0xf5), (GS, 0x65)] {
        mmio::write_u64(at + offset, value);
    }
    let _ = instruction!("mov es, {0:x}", "mov ds, {0:x}", in(reg) FREE | 3);
    let _fs = msr::With::value(IA32_FS_BASE, FS);
    let _gs = msr::With::value(IA32_GS_BASE, GS);
    for (row, function) in LONG_ACCESSES.into_iter().enumerate() {
        let (outcome, value) = call(function, at);
        check_outcome!("read", [LONG_NAMES; row], outcome, Outcome::COMPLETED);
        let expected = match base_used(PREFIXES[row % 7], matches!(row, 7..14), true) {
            Some(SegmentRegister::Fs) => 0xf5,
            Some(SegmentRegister::Gs) => 0x65,
            _ => 0xd5,
        };
        check_eq!("value", [LONG_NAMES; row], value, expected);
    }
    check_eq!("LEA adds no base", call(fs_lea, at).1, at);
    check_outcome!("STOSQ with an override", call(gs_stos, at + 0x300).0, Outcome::COMPLETED);
    check_eq!("STOSQ writes through ES", mmio::read_u64(at + 0x300), 0x600d);
    check_eq!("PUSH through FS", call(fs_push, at).1, 0xf5);
    check_eq!("FS with an address of 32 bits", call(fs_32, at).1, 0xf5);
    let _ = instruction!("mov es, {0:e}", "mov ds, {0:e}", in(reg) 0_u32);
}

/// In 64-bit mode the sum of base and offset wraps at 2^64, is not truncated to 32 bits by a 32-bit address, and must be
/// canonical: #GP(0), but #SS(0) for RBP without an override.
#[case(feature = SegmentLimits, spec = [sdm1("Canonical Addressing"), sdm3a("Segmentation in IA-32e Mode"), apm2("Canonical Address Form")])]
fn sums_of_base_and_offset_in_64_bit_mode() {
    const BASES: &[Text] = names!["ffff800000000000", "00007ffffffff000", "ffffffffffffff00", "0000000100000000"];
    let at = paging::frame(0) + 0x400;
    mmio::write_u64(at, 0x600d_f00d);
    for (row, base) in [0xffff_8000_0000_0000, 0x7fff_ffff_f000, 0xffff_ffff_ffff_ff00, 1 << 32].into_iter().enumerate()
    {
        let _fs = msr::With::value(IA32_FS_BASE, base);
        let _gs = msr::With::value(IA32_GS_BASE, base);
        for (function, through_gs) in [(fs_rbx as extern "C" fn(u64) -> u64, false), (gs_rbx, true)] {
            let (outcome, value) = call(function, at.wrapping_sub(base));
            if through_gs {
                check_outcome!("GS", [BASES; row], outcome, Outcome::COMPLETED);
                check_eq!("value through GS", [BASES; row], value, 0x600d_f00d);
            } else {
                check_outcome!("FS", [BASES; row], outcome, Outcome::COMPLETED);
                check_eq!("value through FS", [BASES; row], value, 0x600d_f00d);
            }
        }
        // The offset alone is canonical, the sum is not.
        let beyond = (1_u64 << 47).wrapping_sub(base);
        check_outcome!("FS, sum not canonical", [BASES; row], call(fs_rbx, beyond).0, Outcome::GP);
        check_outcome!("FS and RBP, sum not canonical", [BASES; row], call(fs_rbp, beyond).0, Outcome::GP);
        check_outcome!("GS and RBP, sum not canonical", [BASES; row], call(gs_rbp, beyond).0, Outcome::GP);
    }
    check_outcome!("RBX, not canonical", call(none_rbx, 1 << 47).0, Outcome::GP);
    check_outcome!("RBP, not canonical", call(none_rbp, 1 << 47).0, Outcome::SS);
}
