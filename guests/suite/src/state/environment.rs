//! The pointers of the x87 environment, by FNSTENV and FXSAVE in each mode.

use super::environment_model::{Environment, Format, Places, Processor, ROWS, Row, columns, parse};
use crate::exceptions::{
    mode::Mode,
    program::{Machine, Start},
};
use rt::{
    Outcome, case, check_eq, check_outcome, cpu::cpuid::read_leaf, mmio, tables::selector, user, user_code,
    vocabulary::Text,
};

user_code!(clean: "fninit", "ret");

/// Distance of the control word from the program's data: RSI.
const CONTROL_WORD: u64 = 0x100;
const MASKED: u64 = 0x37f;
const ZERO_DIVIDE_UNMASKED: u64 = 0x37b;
/// Longest program: FNINIT, FLDCW, a row, the instruction that saves.
const MAX_BYTES: usize = 24;

pub(super) const NAMES: &[Text] = &{
    let mut names = [Text::new(""); ROWS.len()];
    let mut index = 0;
    while index < ROWS.len() {
        names[index] = Text::new(ROWS[index].name);
        index += 1;
    }
    names
};

/// An instruction that saves the environment at RDI, and the format that it has in this mode.
pub(super) struct Save {
    pub(super) bytes: &'static [u8],
    pub(super) format: Format,
}

const FNSTENV: &[u8] = &[0xd9, 0x37];
const FNSTENV_OTHER_SIZE: &[u8] = &[0x66, 0xd9, 0x37];
const FXSAVE: &[u8] = &[0x0f, 0xae, 0x07];
const FXSAVE64: &[u8] = &[0x48, 0x0f, 0xae, 0x07];

/// FNSTENV by the mode's default size and by the other; FXSAVE, in 64-bit mode with REX.W.
fn saves(mode: Mode) -> [Save; 3] {
    let (default, other) = match (mode.is_8086(), mode.is_16_bit()) {
        (true, _) => (Format::Real16, Format::Real32),
        (false, true) => (Format::Protected16, Format::Protected32),
        (false, false) => (Format::Protected32, Format::Protected16),
    };
    let fxsave = if mode.is_64_bit() {
        Save { bytes: FXSAVE64, format: Format::Fxsave64 }
    } else if mode.is_16_bit() {
        Save { bytes: FXSAVE, format: Format::Fxsave16 }
    } else {
        Save { bytes: FXSAVE, format: Format::Fxsave }
    };
    [Save { bytes: FNSTENV, format: default }, Save { bytes: FNSTENV_OTHER_SIZE, format: other }, fxsave]
}

pub(super) fn read_processor() -> Processor {
    let features = read_leaf(7, 0).ebx;
    let vendor = read_leaf(0, 0).ebx;
    Processor {
        deprecates_selectors: features >> 13 & 1 != 0,
        data_on_exceptions: features >> 6 & 1 != 0,
        saves_on_exceptions: vendor == u32::from_le_bytes(*b"Auth") || vendor == u32::from_le_bytes(*b"Hygo"),
    }
}

/// Addresses and selectors, as the environment of this mode has them.
pub(super) fn places(machine: &Machine, mode: Mode, offset: u64) -> Places {
    use rt::excursion::tables::selector as arena;
    // Selectors are not judged in 64-bit mode, where processors differ, nor those of FXSAVE in modes without descriptors.
    let (code_selector, data_selector) = match mode {
        Mode::Compatible0 => (Some(selector::KERNEL_CODE_32), None),
        Mode::Compatible3 => (Some(selector::USER_CODE_32), None),
        Mode::Protected32 => (Some(arena::CODE_32), Some(arena::DATA_32)),
        Mode::User32 => (Some(arena::USER_CODE_32), Some(arena::USER_DATA_32)),
        Mode::Protected16 => (Some(arena::CODE_16), Some(arena::DATA_16)),
        Mode::User16 => (Some(arena::USER_CODE_16), Some(arena::USER_DATA_16)),
        Mode::Long0 | Mode::Long3 | Mode::Real | Mode::Virtual8086 => (None, None),
    };
    let base = if mode.is_8086() { 0 } else { machine.linear_data() - machine.data() };
    Places {
        code: machine.linear_code() - base + offset,
        code_selector: code_selector.map(u64::from),
        data: machine.linear_data() - base,
        data_selector: data_selector.map(u64::from),
    }
}

/// Runs a row, and reads what was saved.
pub(super) fn observe(machine: &Machine, mode: Mode, row: &Row, save: &Save) -> (Outcome, Environment) {
    let control = if row.faults { ZERO_DIVIDE_UNMASKED } else { MASKED };
    mmio::write_u64(machine.linear_data() + CONTROL_WORD, control);
    // FNINIT; FLDCW [SI] or [RSI].
    let prologue = [0xdb, 0xe3, 0xd9, if mode.is_16_bit() { 0x2c } else { 0x2e }];
    // What is not saved reads as zero.
    for offset in [8, 16, 24] {
        mmio::write_u64(machine.linear_data() + offset, 0);
    }
    let mut bytes = [0x90; MAX_BYTES];
    for (to, &from) in bytes.iter_mut().zip(prologue.iter().chain(row.bytes).chain(save.bytes)) {
        *to = from;
    }
    let length = PROLOGUE_BYTES + row.bytes.len() + save.bytes.len();
    let seen = machine.run(bytes.get(..length).unwrap_or_default(), Start::PLAIN);
    let memory = [0, 8, 16, 24].map(|offset| mmio::read_u64(machine.linear_data() + offset));
    (seen.outcome, parse(save.format, &memory))
}

/// Bytes of FNINIT and FLDCW.
pub(super) const PROLOGUE_BYTES: usize = 4;

// A check has one text, so there is one for each way to save.
macro_rules! report {
    ($seen:expr, $index:expr, $outcome:literal $ip:literal $cs:literal $dp:literal $ds:literal $opcode:literal) => {{
        let (outcome, [ip, cs, dp, ds, opcode]) = $seen;
        check_outcome!($outcome, [NAMES; $index], outcome, Outcome::COMPLETED);
        if let Some((actual, expected)) = ip {
            check_eq!($ip, [NAMES; $index], actual, expected);
        }
        if let Some((actual, expected)) = cs {
            check_eq!($cs, [NAMES; $index], actual, expected);
        }
        if let Some((actual, expected)) = dp {
            check_eq!($dp, [NAMES; $index], actual, expected);
        }
        if let Some((actual, expected)) = ds {
            check_eq!($ds, [NAMES; $index], actual, expected);
        }
        if let Some((actual, expected)) = opcode {
            check_eq!($opcode, [NAMES; $index], actual, expected);
        }
    }};
}
pub(super) use report;

fn walk(mode: Mode) {
    let processor = read_processor();
    let machine = Machine::new(mode);
    let places = places(&machine, mode, PROLOGUE_BYTES as u64);
    let [default, other, fxsave] = saves(mode);
    for (index, row) in ROWS.iter().enumerate() {
        let see = |save: &Save| {
            let (outcome, environment) = observe(&machine, mode, row, save);
            (outcome, columns(row, save.format, processor, places, &environment))
        };
        report!(see(&default), index, "FNSTENV" "FNSTENV, FIP" "FNSTENV, FCS" "FNSTENV, FDP" "FNSTENV, FDS" "FNSTENV, FOP");
        report!(see(&other), index, "FNSTENV, other size" "FNSTENV, other size, FIP" "FNSTENV, other size, FCS"
            "FNSTENV, other size, FDP" "FNSTENV, other size, FDS" "FNSTENV, other size, FOP");
        report!(see(&fxsave), index, "FXSAVE" "FXSAVE, FIP" "FXSAVE, FCS" "FXSAVE, FDP" "FXSAVE, FDS" "FXSAVE, FOP");
    }
    let _ = user::call(clean, 0);
}

// A case for each mode.
macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident $mode:ident;)+) => {$(
        $(#[$doc])*
        #[case(feature = StateX87, spec = [sdm1("x87 FPU Instruction and Data (Operand) Pointers"), sdm1("Last Instruction Opcode"),
               apm2("FXSAVE and FXRSTOR Instructions")], time = 2)]
        fn $name() {
            walk(Mode::$mode);
        }
    )+};
}

cases! {
    /// In 64-bit mode at CPL 3, FNSTENV and FXSAVE tell address, operand and opcode of the last x87 instruction.
    environment_in_64_bit_mode_at_cpl_3 Long3;
    /// In 64-bit mode at CPL 0, FNSTENV and FXSAVE tell address, operand and opcode of the last x87 instruction.
    environment_in_64_bit_mode_at_cpl_0 Long0;
    /// In compatibility mode at CPL 3, FNSTENV and FXSAVE tell address, operand and opcode of the last x87 instruction.
    environment_in_compatibility_mode_at_cpl_3 Compatible3;
    /// In compatibility mode at CPL 0, FNSTENV and FXSAVE tell address, operand and opcode of the last x87 instruction.
    environment_in_compatibility_mode_at_cpl_0 Compatible0;
    /// In 32-bit protected mode at CPL 0, FNSTENV and FXSAVE tell address, operand and opcode of the last x87 instruction.
    environment_in_32_bit_mode_at_cpl_0 Protected32;
    /// In 32-bit protected mode at CPL 3, FNSTENV and FXSAVE tell address, operand and opcode of the last x87 instruction.
    environment_in_32_bit_mode_at_cpl_3 User32;
    /// In 16-bit protected mode at CPL 0, FNSTENV and FXSAVE tell address, operand and opcode of the last x87 instruction.
    environment_in_16_bit_mode_at_cpl_0 Protected16;
    /// In 16-bit protected mode at CPL 3, FNSTENV and FXSAVE tell address, operand and opcode of the last x87 instruction.
    environment_in_16_bit_mode_at_cpl_3 User16;
    /// In real mode, FNSTENV and FXSAVE tell address, operand and opcode of the last x87 instruction.
    environment_in_real_mode Real;
    /// In virtual-8086 mode, FNSTENV and FXSAVE tell address, operand and opcode of the last x87 instruction.
    environment_in_virtual_8086_mode Virtual8086;
}
