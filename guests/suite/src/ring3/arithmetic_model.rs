//! What arithmetic on bytes computes, and which status flags it leaves.
//!
//! Sources: SDM vol. 2, the pages of the instructions; SDM vol. 1, "EFLAGS Register", and its appendix "EFLAGS
//! Cross-Reference". The tests of the suite compile this for the host.

pub(crate) const CF: u64 = 1 << 0;
pub(crate) const PF: u64 = 1 << 2;
pub(crate) const AF: u64 = 1 << 4;
pub(crate) const ZF: u64 = 1 << 6;
pub(crate) const SF: u64 = 1 << 7;
pub(crate) const OF: u64 = 1 << 11;
pub(crate) const STATUS: u64 = CF | PF | AF | ZF | SF | OF;

/// A result, the flags, and which of the flags are defined.
pub(crate) type Predicted = (u8, u64, u64);
pub(crate) type Model = fn(u8, u8, bool) -> Predicted;

const fn sign_zero_parity(result: u8) -> u64 {
    (if result == 0 { ZF } else { 0 })
        | (if result & 0x80 != 0 { SF } else { 0 })
        | if result.count_ones().is_multiple_of(2) { PF } else { 0 }
}

const fn when(condition: bool, flag: u64) -> u64 {
    if condition { flag } else { 0 }
}

const fn sum(a: u8, b: u8, carry: bool) -> Predicted {
    let wide = a as u16 + b as u16 + carry as u16;
    let signed = a as i8 as i16 + b as i8 as i16 + carry as i16;
    let result = wide as u8;
    let adjust = (a & 15) + (b & 15) + carry as u8 > 15;
    let flags = when(wide > 0xff, CF) | when(adjust, AF) | when(signed != result as i8 as i16, OF);
    (result, flags | sign_zero_parity(result), STATUS)
}

const fn difference(a: u8, b: u8, borrow: bool) -> Predicted {
    let wide = a as i16 - b as i16 - borrow as i16;
    let signed = a as i8 as i16 - b as i8 as i16 - borrow as i16;
    let result = wide as u8;
    let adjust = ((a & 15) as i8) - ((b & 15) as i8) - (borrow as i8) < 0;
    let flags = when(wide < 0, CF) | when(adjust, AF) | when(signed != result as i8 as i16, OF);
    (result, flags | sign_zero_parity(result), STATUS)
}

/// AF is undefined behind the logical instructions.
const fn logical(result: u8) -> Predicted {
    (result, sign_zero_parity(result), STATUS & !AF)
}

const fn keeping_carry(predicted: Predicted, carry: bool) -> Predicted {
    (predicted.0, predicted.1 & !CF | when(carry, CF), predicted.2)
}

/// Shifts: CF is the last bit shifted out, undefined where none is left; OF is defined for a count of 1; a count of 0
/// changes no flag, and BT has left only CF defined.
const fn shifted(result: u8, carry: bool, overflow: bool, count: u8, before: bool) -> Predicted {
    match count {
        0 => (result, when(before, CF), CF),
        1 => (result, sign_zero_parity(result) | when(carry, CF) | when(overflow, OF), STATUS & !AF),
        2..=7 => (result, sign_zero_parity(result) | when(carry, CF), STATUS & !(AF | OF)),
        _ => (result, sign_zero_parity(result), STATUS & !(AF | OF | CF)),
    }
}

const fn shift_left(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let wide = (a as u64) << count;
    shifted(wide as u8, wide & 0x100 != 0, (wide >> 8 ^ wide >> 7) & 1 != 0, count, before)
}

const fn shift_right(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let wide = (a as u64) << 32 >> count;
    shifted((wide >> 32) as u8, wide >> 31 & 1 != 0, a & 0x80 != 0, count, before)
}

const fn shift_right_signed(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let wide = ((a as i8 as i64) << 32) >> count;
    shifted((wide >> 32) as u8, wide >> 31 & 1 != 0, false, count, before)
}

/// Rotates change CF and OF only; OF is defined for a count of 1; a count of 0 changes nothing.
const fn rotated(result: u8, carry: bool, overflow: bool, count: u8, before: bool) -> Predicted {
    match count {
        0 => (result, when(before, CF), CF),
        1 => (result, when(carry, CF) | when(overflow, OF), CF | OF),
        _ => (result, when(carry, CF), CF),
    }
}

const fn rotate_left(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let result = a.rotate_left(count as u32);
    let carry = result & 1 != 0;
    rotated(result, carry, carry != (result & 0x80 != 0), count, before)
}

const fn rotate_right(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let result = a.rotate_right(count as u32);
    rotated(result, result & 0x80 != 0, (result >> 7 ^ result >> 6) & 1 != 0, count, before)
}

/// Nine bits, CF above the byte, rotated left; a count is taken modulo 9 after modulo 32.
const fn rotate_through_carry(a: u8, left: u8, before: bool) -> (u8, bool) {
    let wide = a as u32 | (before as u32) << 8;
    let wide = (wide << left | wide >> (9 - left)) & 0x1ff;
    (wide as u8, wide & 0x100 != 0)
}

const fn rotate_carry_left(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let (result, carry) = rotate_through_carry(a, count % 9, before);
    rotated(result, carry, carry != (result & 0x80 != 0), count, before)
}

const fn rotate_carry_right(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let (result, carry) = rotate_through_carry(a, (9 - count % 9) % 9, before);
    rotated(result, carry, (result >> 7 ^ result >> 6) & 1 != 0, count, before)
}

/// The second operands that are tried.
pub(crate) const OPERANDS: [u8; 16] = [0, 1, 2, 3, 7, 8, 9, 0x0f, 0x10, 0x1f, 0x7f, 0x80, 0x81, 0xaa, 0xfe, 0xff];

/// Each instruction's model, of both operands and carry.
pub(crate) mod models {
    use super::{
        AF, CF, Model, STATUS, difference, keeping_carry, logical, rotate_carry_left, rotate_carry_right, rotate_left,
        rotate_right, shift_left, shift_right, shift_right_signed, sum, when,
    };

    pub(crate) const ADD: Model = |a, b, _| sum(a, b, false);
    pub(crate) const ADC: Model = sum;
    pub(crate) const SUB: Model = |a, b, _| difference(a, b, false);
    pub(crate) const SBB: Model = difference;
    pub(crate) const CMP: Model = |a, b, _| (a, difference(a, b, false).1, STATUS);
    pub(crate) const INC: Model = |a, _, carry| keeping_carry(sum(a, 1, false), carry);
    pub(crate) const DEC: Model = |a, _, carry| keeping_carry(difference(a, 1, false), carry);
    pub(crate) const NEG: Model = |a, _, _| difference(0, a, false);
    pub(crate) const AND: Model = |a, b, _| logical(a & b);
    pub(crate) const OR: Model = |a, b, _| logical(a | b);
    pub(crate) const XOR: Model = |a, b, _| logical(a ^ b);
    pub(crate) const TEST: Model = |a, b, _| (a, logical(a & b).1, STATUS & !AF);
    pub(crate) const NOT: Model = |a, _, carry| (!a, when(carry, CF), CF);
    pub(crate) const SHL: Model = shift_left;
    pub(crate) const SHR: Model = shift_right;
    pub(crate) const SAR: Model = shift_right_signed;
    pub(crate) const ROL: Model = rotate_left;
    pub(crate) const ROR: Model = rotate_right;
    pub(crate) const RCL: Model = rotate_carry_left;
    pub(crate) const RCR: Model = rotate_carry_right;
}

/// Whether an instruction that left this result and these flags did what the model says: undefined flags do not count.
pub(crate) const fn agrees(predicted: Predicted, result: u8, flags: u64) -> bool {
    let (due, due_flags, defined) = predicted;
    result == due && (flags ^ due_flags) & defined == 0
}
