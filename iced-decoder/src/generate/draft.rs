//! An input while it is being made.

use super::{indices::Indices, place::Place, recipe::Recipe};
use crate::random::Random;
use crate::registers::{Bitness, Registers};
use iced_x86::{Instruction, Register};

/// An input while it is being made.
pub(super) struct Draft<'a> {
    /// Where choices come from.
    pub(super) random: Random,
    /// The form.
    pub(super) recipe: &'a Recipe,
    /// The mode.
    pub(super) bitness: Bitness,
    /// The instruction.
    pub(super) instruction: Instruction,
    /// Registers.
    pub(super) registers: Registers,
    /// General registers whose values must stay, by their numbers.
    pub(super) fixed: u32,
    /// Whether AH, CH, DH or BH is an operand, which no REX prefix may stand beside.
    pub(super) has_high_byte: bool,
    /// Where the memory operand lies.
    pub(super) place: Place,
    /// Size of all that is accessed there in bytes.
    pub(super) size: u64,
    /// By how much the accesses are elsewhere than the effective address: that of a bit in memory.
    pub(super) bit_displacement: i64,
    /// Indices of a gather or scatter.
    pub(super) indices: Option<Indices>,
    /// Vector registers in use, by their numbers.
    pub(super) vectors: u32,
    /// Bytes of the window that differ from its sequence.
    pub(super) memory: Vec<(u16, u8)>,
}

impl Draft<'_> {
    /// Numbers of the general registers that may be named now, one bit each.
    pub(super) fn nameable(&self) -> u32 {
        if self.bitness == Bitness::Bits64 && !self.has_high_byte { 0xffff } else { 0xff }
    }

    /// Gives a general register its value for good.
    pub(super) fn fix(&mut self, number: usize, value: u64) {
        self.registers.general[number] = value;
        self.fixed |= 1 << number;
    }

    /// Gives a register of `bits` bits that is part of an address its value; what lies above it is anything.
    pub(super) fn fix_address(&mut self, number: usize, bits: u32, value: u64) {
        let has_more = bits < if self.bitness == Bitness::Bits64 { 64 } else { 32 };
        let above = if has_more && self.random.once_in(2) { self.random.bits() << bits } else { 0 };
        self.fix(number, above | value & mask(bits));
    }
}

/// The low `bits` bits.
pub(super) const fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// The general register with a number, of 16, 32 or 64 bits.
pub(super) fn general(bits: u32, number: u32) -> Register {
    let first = match bits {
        16 => Register::AX,
        32 => Register::EAX,
        _ => Register::RAX,
    };
    first + number
}
