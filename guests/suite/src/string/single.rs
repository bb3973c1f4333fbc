//! MOVS, STOS, LODS, CMPS and SCAS without a prefix.

use super::machine::{BY_WIDTH, DF, Operands, STATUS, destination, fill, run, source, string_code};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::msr::{self, number},
    mmio, names,
};

string_code! {
    movsb: "movsb";
    movsw: "movsw";
    movsd: "movsd";
    movsq: "movsq";
    stosb: "stosb";
    stosw: "stosw";
    stosd: "stosd";
    stosq: "stosq";
    lodsb: "lodsb";
    lodsw: "lodsw";
    lodsd: "lodsd";
    lodsq: "lodsq";
    cmpsb: "cmpsb";
    cmpsw: "cmpsw";
    cmpsd: "cmpsd";
    cmpsq: "cmpsq";
    scasb: "scasb";
    scasw: "scasw";
    scasd: "scasd";
    scasq: "scasq";
    movsb_address_32: ".byte 0x67", "movsb";
    lodsd_address_32: ".byte 0x67", "lodsd";
    movsq_from_fs: ".byte 0x64", "movsq";
    stosq_with_fs: ".byte 0x64", "stosq";
}

/// A row: its number, whether at CPL 3, the index of the width, DF, and the step as RSI and RDI take it.
fn rows() -> impl Iterator<Item = (usize, bool, usize, u64, u64)> {
    (0..16).map(|row| {
        let (width, down) = (row % 4, row / 4 % 2 == 1);
        let step = 1_u64 << width;
        (row, row >= 8, width, if down { DF } else { 0 }, if down { step.wrapping_neg() } else { step })
    })
}

const fn mask(width: usize) -> u64 {
    u64::MAX >> (64 - (8 << width))
}

const VALUE: u64 = 0x8877_6655_4433_2211;

/// MOVS copies one element from RSI to RDI, steps both by its size in the direction of DF, and changes no flag.
#[case(feature = StringInstructions, spec = sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"))]
fn movs() {
    for (row, is_user, width, direction, step) in rows() {
        mmio::write_u64(source(), VALUE);
        mmio::write_u64(destination(), u64::MAX);
        let before = Operands { rax: 1, rcx: 2, rsi: source(), rdi: destination(), flags: direction | STATUS };
        let after = run(is_user, [movsb, movsw, movsd, movsq][width], before).operands;
        check_eq!("memory", [BY_WIDTH; row], mmio::read_u64(destination()), VALUE & mask(width) | !mask(width));
        check_eq!("RSI", [BY_WIDTH; row], after.rsi, source().wrapping_add(step));
        check_eq!("RDI", [BY_WIDTH; row], after.rdi, destination().wrapping_add(step));
        check_eq!("flags", [BY_WIDTH; row], after.flags, before.flags);
    }
}

/// STOS writes AL, AX, EAX or RAX to RDI and steps RDI.
#[case(feature = StringInstructions, spec = sdm2("STOS/STOSB/STOSW/STOSD/STOSQ—Store String"))]
fn stos() {
    for (row, is_user, width, direction, step) in rows() {
        mmio::write_u64(destination(), u64::MAX);
        let before = Operands { rax: VALUE, rcx: 2, rsi: source(), rdi: destination(), flags: direction };
        let after = run(is_user, [stosb, stosw, stosd, stosq][width], before).operands;
        check_eq!("memory", [BY_WIDTH; row], mmio::read_u64(destination()), VALUE & mask(width) | !mask(width));
        check_eq!("RDI", [BY_WIDTH; row], after.rdi, destination().wrapping_add(step));
        check_eq!("RSI", [BY_WIDTH; row], after.rsi, source());
        check_eq!("RAX", [BY_WIDTH; row], after.rax, VALUE);
    }
}

/// LODS reads AL, AX, EAX or RAX from RSI and steps RSI; the doubleword clears bits 63 to 32.
#[case(feature = StringInstructions, spec = sdm2("LODS/LODSB/LODSW/LODSD/LODSQ—Load String"))]
fn lods() {
    const BEFORE: u64 = 0x0f1e_2d3c_4b5a_6978;
    for (row, is_user, width, direction, step) in rows() {
        mmio::write_u64(source(), VALUE);
        let before = Operands { rax: BEFORE, rcx: 2, rsi: source(), rdi: destination(), flags: direction };
        let after = run(is_user, [lodsb, lodsw, lodsd, lodsq][width], before).operands;
        let kept = if width < 2 { BEFORE & !mask(width) } else { 0 };
        check_eq!("RAX", [BY_WIDTH; row], after.rax, VALUE & mask(width) | kept);
        check_eq!("RSI", [BY_WIDTH; row], after.rsi, source().wrapping_add(step));
        check_eq!("RDI", [BY_WIDTH; row], after.rdi, destination());
    }
}

/// The status flags of a subtraction in this width.
fn flags_of_difference(left: u64, right: u64, width: usize) -> u64 {
    let (left, right, sign) = (left & mask(width), right & mask(width), 1 << ((8 << width) - 1));
    let result = left.wrapping_sub(right) & mask(width);
    let flag = |condition: bool, bit: u32| u64::from(condition) << bit;
    // Parity without POPCNT, which ring 0 leaves alone.
    let folded = (result ^ result >> 4) & 0xf;
    flag(left < right, 0)
        | flag(0x9669_u64 >> folded & 1 != 0, 2)
        | flag(left & 0xf < right & 0xf, 4)
        | flag(result == 0, 6)
        | flag(result & sign != 0, 7)
        | flag((left ^ right) & (left ^ result) & sign != 0, 11)
}

const PAIRS: [(u64, u64); 5] = [
    (VALUE, VALUE),
    (0x0000_0001_0000_0001, 0xffff_ffff_ffff_ffff),
    (0x8080_8080_8080_8080, 0x0101_0101_0101_0101),
    (0x7f7f_7f7f_7f7f_7f7f, 0x8080_8080_8080_8080),
    (0x1010_1010_1010_1010, 0x0101_0101_0101_0101),
];

/// CMPS sets the flags of the element at RSI minus that at RDI, and steps both.
#[case(feature = StringInstructions, spec = sdm2("CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands"))]
fn cmps() {
    for (row, is_user, width, direction, step) in rows() {
        // The rows take turns with the pairs; every width meets each pair in one direction or privilege level.
        let (left, right) = PAIRS[row % PAIRS.len()];
        mmio::write_u64(source(), left);
        mmio::write_u64(destination(), right);
        let before = Operands { rax: 1, rcx: 2, rsi: source(), rdi: destination(), flags: direction };
        let after = run(is_user, [cmpsb, cmpsw, cmpsd, cmpsq][width], before).operands;
        check_eq!("flags", [BY_WIDTH; row], after.flags & STATUS, flags_of_difference(left, right, width));
        check_eq!("RSI", [BY_WIDTH; row], after.rsi, source().wrapping_add(step));
        check_eq!("RDI", [BY_WIDTH; row], after.rdi, destination().wrapping_add(step));
    }
}

/// SCAS sets the flags of AL, AX, EAX or RAX minus the element at RDI, and steps RDI.
#[case(feature = StringInstructions, spec = sdm2("SCAS/SCASB/SCASW/SCASD/SCASQ—Scan String"))]
fn scas() {
    for (row, is_user, width, direction, step) in rows() {
        let (left, right) = PAIRS[(row + 1) % PAIRS.len()];
        mmio::write_u64(destination(), right);
        let before = Operands { rax: left, rcx: 2, rsi: source(), rdi: destination(), flags: direction };
        let after = run(is_user, [scasb, scasw, scasd, scasq][width], before).operands;
        check_eq!("flags", [BY_WIDTH; row], after.flags & STATUS, flags_of_difference(left, right, width));
        check_eq!("RDI", [BY_WIDTH; row], after.rdi, destination().wrapping_add(step));
        check_eq!("RSI", [BY_WIDTH; row], after.rsi, source());
    }
}

/// With the address-size prefix, ESI and EDI address memory and are stepped, clearing bits 63 to 32.
#[case(feature = StringInstructions, spec = [sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"),
       sdm1("Operand Size and Address Size in 64-Bit Mode")])]
fn address_size_prefix() {
    const GARBAGE: u64 = 0x7654_3210 << 32;
    for (row, is_user) in [false, true].into_iter().enumerate() {
        mmio::write_u64(source(), VALUE);
        mmio::write_u64(destination(), 0);
        let before =
            Operands { rax: u64::MAX, rcx: 0, rsi: source() | GARBAGE, rdi: destination() | GARBAGE, flags: 0 };
        let moved = run(is_user, movsb_address_32, before);
        check_outcome!("MOVSB", [names!["CPL 0", "CPL 3"]; row], moved.outcome(), Outcome::COMPLETED);
        check_eq!("memory", [names!["CPL 0", "CPL 3"]; row], mmio::read_u64(destination()), VALUE & 0xff);
        check_eq!("RSI", [names!["CPL 0", "CPL 3"]; row], moved.operands.rsi, source() + 1);
        check_eq!("RDI", [names!["CPL 0", "CPL 3"]; row], moved.operands.rdi, destination() + 1);
        let loaded = run(is_user, lodsd_address_32, before);
        check_eq!("RAX of LODSD", [names!["CPL 0", "CPL 3"]; row], loaded.operands.rax, VALUE & 0xffff_ffff);
    }
}

/// A segment prefix applies to the source of MOVS, and never to a destination.
#[case(feature = StringInstructions, spec = [sdm2("MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"),
       sdm2("STOS/STOSB/STOSW/STOSD/STOSQ—Store String")])]
fn segment_prefix() {
    const BASE: u64 = 0x100;
    for (row, is_user) in [false, true].into_iter().enumerate() {
        let base = msr::With::value(number::IA32_FS_BASE, BASE);
        check_outcome!(
            "FS base",
            [names!["CPL 0", "CPL 3"]; row],
            base.as_ref().map(|_| ()).map_err(|e| *e),
            Outcome::COMPLETED
        );
        fill(source(), 8, 3);
        mmio::write_u64(source() + BASE, VALUE);
        mmio::write_u64(destination() + BASE, 1);
        let before = Operands { rax: !VALUE, rcx: 0, rsi: source(), rdi: destination(), flags: 0 };
        run(is_user, movsq_from_fs, before);
        check_eq!("memory behind MOVSQ", [names!["CPL 0", "CPL 3"]; row], mmio::read_u64(destination()), VALUE);
        run(is_user, stosq_with_fs, before);
        check_eq!("memory behind STOSQ", [names!["CPL 0", "CPL 3"]; row], mmio::read_u64(destination()), !VALUE);
        check_eq!("memory at FS", [names!["CPL 0", "CPL 3"]; row], mmio::read_u64(destination() + BASE), 1);
    }
}
