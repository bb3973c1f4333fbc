//! Memory-type range registers.
//!
//! Where they are in use, what they say of the runtime's memory stays: the cases write what stood there before, or
//! values that must fault.

use case::{Needs, Text};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        cpuid::read_leaf,
        msr::{
            self,
            number::{
                IA32_MTRR_DEF_TYPE, IA32_MTRR_FIX4K_F8000, IA32_MTRR_FIX64K_00000, IA32_MTRR_PHYSBASE0,
                IA32_MTRR_PHYSMASK0, IA32_MTRRCAP,
            },
        },
    },
    names, skip,
};

/// Number of variable ranges, in IA32_MTRRCAP.
const VCNT: u64 = 0xff;
/// Fixed ranges exist, in IA32_MTRRCAP.
const FIX: u64 = 1 << 8;

/// IA32_MTRRCAP is read-only: WRMSR raises #GP(0).
#[case(
    feature = MsrMtrr,
    spec = [sdm3a("MTRR Feature Identification"), apm2("Identifying MTRR Features")],
    needs = Needs::MTRR,
)]
fn mtrrcap_is_read_only() {
    let value = msr::read(IA32_MTRRCAP);
    check_outcome!("RDMSR", value, Outcome::COMPLETED);
    let value = value.unwrap_or(0);
    check_outcome!("WRMSR of the same value", msr::write(IA32_MTRRCAP, value), Outcome::GP);
    check_outcome!("WRMSR of another value", msr::write(IA32_MTRRCAP, value ^ 1), Outcome::GP);
    check_eq!("IA32_MTRRCAP afterwards", msr::read(IA32_MTRRCAP).unwrap_or(!value), value);
}

/// The default memory type is UC, WC, WT, WP or WB; another raises #GP(0), as reserved bits do.
#[case(feature = MsrMtrr, spec = [sdm3a("IA32_MTRR_DEF_TYPE MSR"), apm2("Default-Range MTRRs")], needs = Needs::MTRR)]
fn default_type() {
    const GOOD: &[Text] = names!["UC", "WT", "WP", "WB"];
    const BAD: &[Text] = names!["02", "03", "07", "08", "FF", "bit 8", "bit 12", "bit 63"];
    let before = msr::read(IA32_MTRR_DEF_TYPE).unwrap_or(0);
    let base = before & !0xff;
    for (row, kind) in [0, 4, 5, 6].into_iter().enumerate() {
        let value = base | kind;
        check_eq!("type", [GOOD; row], msr::try_write(IA32_MTRR_DEF_TYPE, value).unwrap_or(!value), value);
    }
    for (row, bits) in [2, 3, 7, 8, 0xff, 1 << 8, 1 << 12, 1 << 63].into_iter().enumerate() {
        check_outcome!("bad value", [BAD; row], msr::write(IA32_MTRR_DEF_TYPE, base | bits), Outcome::GP);
    }
    check_eq!("IA32_MTRR_DEF_TYPE afterwards", msr::read(IA32_MTRR_DEF_TYPE).unwrap_or(!before), before);
}

/// A fixed-range MTRR raises #GP(0) if any of its eight bytes is no memory type.
#[case(feature = MsrMtrr, spec = [sdm3a("Fixed Range MTRRs"), apm2("Fixed-Range MTRRs")], needs = Needs::MTRR)]
fn fixed_ranges() {
    if msr::read(IA32_MTRRCAP).unwrap_or(0) & FIX == 0 {
        skip!("there are no fixed-range MTRRs");
        return;
    }
    const NAMES: &[Text] = names!["64K_00000", "4K_F8000"];
    const BYTES: &[Text] = names![
        "64K_00000: byte 0",
        "64K_00000: byte 3",
        "64K_00000: byte 7",
        "4K_F8000: byte 0",
        "4K_F8000: byte 3",
        "4K_F8000: byte 7"
    ];
    let bytes = [0, 3, 7];
    for (row, number) in [IA32_MTRR_FIX64K_00000, IA32_MTRR_FIX4K_F8000].into_iter().enumerate() {
        let before = msr::read(number).unwrap_or(0);
        // AMD's RdMem and WrMem (bits 3 and 4 of a byte) may exist, but 2 is no type anywhere.
        for (column, byte) in bytes.into_iter().enumerate() {
            let value = before & !(0xff << (byte * 8)) | 2 << (byte * 8);
            check_outcome!("02", [BYTES; row * bytes.len() + column], msr::write(number, value), Outcome::GP);
        }
        check_eq!("the same value", [NAMES; row], msr::try_write(number, before).unwrap_or(!before), before);
        let types = 0x0605_0401_0001_0406;
        check_eq!("every type", [NAMES; row], msr::try_write(number, types).unwrap_or(0), types);
    }
}

/// There are as many variable-range MTRRs as IA32_MTRRCAP says, and they read back what was written.
#[case(feature = MsrMtrr, spec = [sdm3a("Variable Range MTRRs"), apm2("Variable-Range MTRRs")], needs = Needs::MTRR)]
fn variable_ranges() {
    let count = msr::read(IA32_MTRRCAP).unwrap_or(0) & VCNT;
    check!("a processor has few", count <= 32);
    if count == 0 || count > 32 {
        return;
    }
    let last = (count as u32 - 1) * 2;
    check_outcome!("the first mask", msr::read(IA32_MTRR_PHYSMASK0), Outcome::COMPLETED);
    check_outcome!("the last base", msr::read(IA32_MTRR_PHYSBASE0 + last), Outcome::COMPLETED);
    // A range whose mask is not valid, far from the runtime: write-through at 3 GiB.
    let base = 0xc000_0004;
    check_outcome!("no valid mask", msr::write(IA32_MTRR_PHYSMASK0 + last, 0), Outcome::COMPLETED);
    check_eq!("base", msr::try_write(IA32_MTRR_PHYSBASE0 + last, base).unwrap_or(0), base);
    let mask = 0xf_ff00_0000;
    check_eq!("mask", msr::try_write(IA32_MTRR_PHYSMASK0 + last, mask).unwrap_or(0), mask);
}

/// In a variable-range MTRR a bad memory type, reserved bits, and address bits that do not exist raise #GP(0).
#[case(feature = MsrMtrr, spec = [sdm3a("Variable Range MTRRs"), apm2("Variable-Range MTRRs")], needs = Needs::MTRR)]
fn variable_ranges_reserved_bits() {
    if msr::read(IA32_MTRRCAP).unwrap_or(0) & VCNT == 0 {
        skip!("there are no variable-range MTRRs");
        return;
    }
    let width = read_leaf(0x8000_0008, 0).eax & 0xff;
    const BASES: &[Text] = names!["type 02", "type 03", "type 07", "bit 8", "bit 11", "bit 63"];
    let before = msr::read(IA32_MTRR_PHYSBASE0).unwrap_or(0);
    for (row, value) in [2, 3, 7, 1 << 8, 1 << 11, 1 << 63].into_iter().enumerate() {
        check_outcome!("base", [BASES; row], msr::write(IA32_MTRR_PHYSBASE0, value), Outcome::GP);
    }
    check_eq!("base afterwards", msr::read(IA32_MTRR_PHYSBASE0).unwrap_or(!before), before);
    const MASKS: &[Text] = names!["bit 0", "bit 10", "bit 63"];
    for (row, value) in [1, 1 << 10, 1 << 63].into_iter().enumerate() {
        check_outcome!("mask", [MASKS; row], msr::write(IA32_MTRR_PHYSMASK0, value), Outcome::GP);
    }
    if width < 52 {
        check_outcome!("address bit beyond the width", msr::write(IA32_MTRR_PHYSBASE0, 1 << width), Outcome::GP);
    }
}
