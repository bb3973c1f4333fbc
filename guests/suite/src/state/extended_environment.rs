//! The pointers of the x87 environment by XSAVE, XSAVEOPT and XSAVEC, and by XRSTOR.

use super::{
    environment::{NAMES, PROLOGUE_BYTES, Save, observe, places, read_processor, report},
    environment_model::{Format, IMAGES, Image, ROWS, columns, parse, restored_columns},
    memory::Area,
    xsetbv,
};
use crate::exceptions::{mode::Mode, program::Machine};
use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
    },
    user, user_code,
    vocabulary::{Needs, Text},
};

user_code!(clean: "fninit", "ret");
// Restores and saves x87 state; the second area is 16 KiB behind the first.
user_code!(restore_wide: "mov eax, 1", "xor edx, edx", "xrstor64 [rdi]", "xsave64 [rdi + 0x4000]", "fninit", "ret");
user_code!(restore_narrow: "mov eax, 1", "xor edx, edx", "xrstor [rdi]", "xsave [rdi + 0x4000]", "fninit", "ret");

/// CR4.OSXSAVE with x87 and SSE state in XCR0, until this is dropped.
fn enable() -> Result<With, Exception> {
    let with = With::cr4(cr4::OSXSAVE, 0)?;
    xsetbv(3)?;
    Ok(with)
}

// PUSH 1 and POP of RAX before each, which request x87 state; RDX is 0.
const XSAVE: &[u8] = &[0x6a, 1, 0x58, 0x0f, 0xae, 0x27];
const XSAVEOPT: &[u8] = &[0x6a, 1, 0x58, 0x0f, 0xae, 0x37];
const XSAVEC: &[u8] = &[0x6a, 1, 0x58, 0x0f, 0xc7, 0x27];
const XSAVE64: &[u8] = &[0x6a, 1, 0x58, 0x48, 0x0f, 0xae, 0x27];
const XSAVEOPT64: &[u8] = &[0x6a, 1, 0x58, 0x48, 0x0f, 0xae, 0x37];
const XSAVEC64: &[u8] = &[0x6a, 1, 0x58, 0x48, 0x0f, 0xc7, 0x27];

/// Bits of leaf 0DH, subleaf 1, EAX.
const HAS_XSAVEOPT: u32 = 1 << 0;
const HAS_XSAVEC: u32 = 1 << 1;

fn walk(mode: Mode) {
    let enabled = enable();
    check_outcome!("control registers", enabled.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
    let features = read_leaf(0xd, 1).eax;
    let processor = read_processor();
    let machine = Machine::new(mode);
    let places = places(&machine, mode, PROLOGUE_BYTES as u64);
    for (index, row) in ROWS.iter().enumerate() {
        if processor.saves_on_exceptions && !row.faults && index > 0 {
            // Nothing is due.
            continue;
        }
        let see = |bytes, format| {
            let (outcome, environment) = observe(&machine, mode, row, &Save { bytes, format });
            (outcome, columns(row, format, processor, places, &environment))
        };
        report!(see(XSAVE, Format::Fxsave), index, "XSAVE" "XSAVE, FIP" "XSAVE, FCS" "XSAVE, FDP" "XSAVE, FDS" "XSAVE, FOP");
        if features & HAS_XSAVEOPT != 0 {
            report!(see(XSAVEOPT, Format::Fxsave), index, "XSAVEOPT" "XSAVEOPT, FIP" "XSAVEOPT, FCS" "XSAVEOPT, FDP"
                "XSAVEOPT, FDS" "XSAVEOPT, FOP");
        }
        if features & HAS_XSAVEC != 0 {
            report!(see(XSAVEC, Format::Fxsave), index, "XSAVEC" "XSAVEC, FIP" "XSAVEC, FCS" "XSAVEC, FDP" "XSAVEC, FDS"
                "XSAVEC, FOP");
        }
        if !mode.is_64_bit() {
            continue;
        }
        report!(see(XSAVE64, Format::Fxsave64), index, "XSAVE64" "XSAVE64, FIP" "XSAVE64, FCS" "XSAVE64, FDP" "XSAVE64, FDS"
            "XSAVE64, FOP");
        if features & HAS_XSAVEOPT != 0 {
            report!(see(XSAVEOPT64, Format::Fxsave64), index, "XSAVEOPT64" "XSAVEOPT64, FIP" "XSAVEOPT64, FCS"
                "XSAVEOPT64, FDP" "XSAVEOPT64, FDS" "XSAVEOPT64, FOP");
        }
        if features & HAS_XSAVEC != 0 {
            report!(see(XSAVEC64, Format::Fxsave64), index, "XSAVEC64" "XSAVEC64, FIP" "XSAVEC64, FCS" "XSAVEC64, FDP"
                "XSAVEC64, FDS" "XSAVEC64, FOP");
        }
    }
    let _ = user::call(clean, 0);
}

/// In 64-bit mode, XSAVE, XSAVEOPT and XSAVEC with and without REX.W tell address, operand and opcode of the last x87
/// instruction.
#[case(feature = StateX87, spec = [sdm1("x87 State"), sdm1("x87 FPU Instruction and Data (Operand) Pointers"),
       apm2("XSAVE/XRSTOR Instructions")], needs = Needs::XSAVE)]
fn environment_by_xsave_in_64_bit_mode() {
    walk(Mode::Long3);
}

/// In compatibility mode, XSAVE, XSAVEOPT and XSAVEC tell address, operand and opcode of the last x87 instruction.
#[case(feature = StateX87, spec = [sdm1("x87 State"), sdm1("x87 FPU Instruction and Data (Operand) Pointers"),
       apm2("XSAVE/XRSTOR Instructions")], needs = Needs::XSAVE)]
fn environment_by_xsave_in_compatibility_mode() {
    walk(Mode::Compatible3);
}

const IMAGE_NAMES: &[Text] = &{
    let mut names = [Text::new(""); IMAGES.len()];
    let mut index = 0;
    while index < IMAGES.len() {
        names[index] = Text::new(IMAGES[index].name);
        index += 1;
    }
    names
};

/// Offset of XSTATE_BV in an area.
const HEADER: u64 = 512;

/// Restores an image and saves it again; `None` of the columns where nothing is due.
fn restore(image: &Image, format: Format) -> (Outcome, [Option<(u64, u64)>; 5]) {
    let (from, to) = (Area::new(0), Area::new(1));
    for (offset, quadword) in (0..).step_by(8).zip(image.quadwords(format)) {
        from.write(offset, quadword);
    }
    from.write(24, 0x1f80);
    from.write(HEADER, 1);
    to.write(HEADER, 0);
    let code = if format == Format::Fxsave64 { restore_wide } else { restore_narrow };
    let outcome = user::call(code, from.address()).into();
    let memory = [0, 8, 16, 24].map(|offset| to.read(offset));
    (outcome, restored_columns(image, format, read_processor(), &parse(format, &memory)))
}

/// XRSTOR with and without REX.W loads the pointers, selectors and the opcode of its image, which XSAVE saves again.
#[case(feature = StateX87, spec = [sdm1("x87 State"), sdm1("Operation of XRSTOR"), apm2("XSAVE/XRSTOR Instructions")],
       needs = Needs::XSAVE)]
fn environment_by_xrstor() {
    let enabled = enable();
    check_outcome!("control registers", enabled.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
    for (index, image) in IMAGES.iter().enumerate() {
        let (outcome, [ip, _, dp, _, opcode]) = restore(image, Format::Fxsave64);
        check_outcome!("XRSTOR64 and XSAVE64", [IMAGE_NAMES; index], outcome, Outcome::COMPLETED);
        if let (Some(ip), Some(dp), Some(opcode)) = (ip, dp, opcode) {
            check_eq!("FIP", [IMAGE_NAMES; index], ip.0, ip.1);
            check_eq!("FDP", [IMAGE_NAMES; index], dp.0, dp.1);
            check_eq!("FOP", [IMAGE_NAMES; index], opcode.0, opcode.1);
        }
        let (outcome, columns) = restore(image, Format::Fxsave);
        check_outcome!("XRSTOR and XSAVE", [IMAGE_NAMES; index], outcome, Outcome::COMPLETED);
        if let [Some(ip), Some(cs), Some(dp), Some(ds), Some(opcode)] = columns {
            check_eq!("FIP of 32 bits", [IMAGE_NAMES; index], ip.0, ip.1);
            check_eq!("FCS", [IMAGE_NAMES; index], cs.0, cs.1);
            check_eq!("FDP of 32 bits", [IMAGE_NAMES; index], dp.0, dp.1);
            check_eq!("FDS", [IMAGE_NAMES; index], ds.0, ds.1);
            check_eq!("FOP of the narrow format", [IMAGE_NAMES; index], opcode.0, opcode.1);
        }
    }
}
