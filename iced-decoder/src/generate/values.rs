//! Values worth trying: boundaries of integers, and floating-point numbers of every class.

use crate::random::Random;

/// An integer of 64 bits: 0, 1, -1, boundaries of each operand size, powers of two and their neighbours, small ones, and
/// in a third of all cases any.
pub(super) fn integer(random: &mut Random) -> u64 {
    match random.below(12) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => {
            let sign = 1_u64 << ((8 << random.below(4)) - 1);
            sign.wrapping_sub(random.below(2))
        }
        4 => (1_u64 << random.below(64)).wrapping_add(random.below(3)).wrapping_sub(1),
        5 => random.below(256),
        6 => random.below(256).wrapping_neg(),
        // A negative number of a smaller operand size with something else above it.
        7 => random.bits() << 32 | 1 << ((8 << random.below(3)) - 1),
        _ => random.bits(),
    }
}

/// Bits of single-precision numbers: zeros, ones, denormals, the smallest and largest normals, infinities, quiet and
/// signalling NaNs, and numbers at the borders of the integers they convert to.
const SINGLES: [u32; 20] = [
    0,
    0x8000_0000,
    0x3f80_0000,
    0xbf80_0000,
    1,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0000,
    0x7f80_0001,
    0xffbf_ffff,
    0x4f00_0000,
    0xcf00_0000,
    0x5f00_0000,
    0x3f00_0000,
];

/// The same of double precision.
const DOUBLES: [u64; 20] = [
    0,
    0x8000_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    1,
    0x8000_0000_0000_0001,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0xffef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0xfff7_ffff_ffff_ffff,
    0x41e0_0000_0000_0000,
    0xc1e0_0000_0000_0000,
    0x43e0_0000_0000_0000,
    0x3fe0_0000_0000_0000,
];

/// The same of half precision.
const HALVES: [u16; 14] =
    [0, 0x8000, 0x3c00, 0xbc00, 1, 0x8001, 0x03ff, 0x0400, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xfdff];

/// Double extended precision: exponent with sign, and significand. The last three are encodings that the x87 FPU does
/// not support (unnormal, pseudo-infinity) and a pseudo-denormal.
const EXTENDED: [(u16, u64); 16] = [
    (0, 0),
    (0x8000, 0),
    (0x3fff, 1 << 63),
    (0xbfff, 1 << 63),
    (0, 1),
    (0x8000, (1 << 63) - 1),
    (1, 1 << 63),
    (0x7ffe, u64::MAX),
    (0x7fff, 1 << 63),
    (0xffff, 1 << 63),
    (0x7fff, 3 << 62),
    (0x7fff, 1 << 63 | 1),
    (0x403e, 1 << 63),
    (0x4000, 1 << 62),
    (0x7fff, 0),
    (0, 1 << 63 | 5),
];

/// A double extended-precision number: exponent with sign, and significand.
pub(super) fn extended_float(random: &mut Random) -> (u16, u64) {
    match random.below(4) {
        // Of moderate size, so that sums and products are neither zero nor infinite.
        0 => ((0x3fff - 40 + random.below(80) as u16) | (random.below(2) << 15) as u16, random.bits() | 1 << 63),
        1 => (random.bits() as u16, random.bits() | 1 << 63),
        _ => random.one_of(&EXTENDED),
    }
}

/// What the elements of a vector or of a memory operand are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elements {
    /// Integers of this many bytes: 1, 2, 4 or 8.
    Integers(usize),
    /// Half-precision numbers.
    Halves,
    /// Single-precision numbers.
    Singles,
    /// Double-precision numbers.
    Doubles,
    /// Double extended-precision numbers (10 bytes).
    Extended,
    /// Anything.
    Bits,
}

impl Elements {
    /// Elements of a vector register about which nothing is known.
    pub(super) fn any(random: &mut Random) -> Self {
        match random.below(8) {
            0 => Self::Integers(1 << random.below(4)),
            1 | 2 => Self::Singles,
            3 | 4 => Self::Doubles,
            5 => Self::Halves,
            _ => Self::Bits,
        }
    }

    /// Fills `bytes` with such elements; the last one is cut if it does not fit.
    pub(super) fn fill(self, random: &mut Random, bytes: &mut [u8]) {
        match self {
            Self::Bits => bytes.chunks_mut(8).for_each(|chunk| put(chunk, random.bits())),
            Self::Integers(size) => bytes.chunks_mut(size).for_each(|chunk| put(chunk, integer(random))),
            Self::Halves => bytes.chunks_mut(2).for_each(|chunk| put(chunk, u64::from(half(random)))),
            Self::Singles => bytes.chunks_mut(4).for_each(|chunk| put(chunk, u64::from(single(random)))),
            Self::Doubles => bytes.chunks_mut(8).for_each(|chunk| put(chunk, double(random))),
            Self::Extended => bytes.chunks_mut(10).for_each(|chunk| {
                let (exponent, significand) = extended_float(random);
                let (low, high) = chunk.split_at_mut(chunk.len().min(8));
                put(low, significand);
                put(high, u64::from(exponent));
            }),
        }
    }
}

/// Writes the low bytes of `value`.
pub(super) fn put(bytes: &mut [u8], value: u64) {
    let size = bytes.len().min(8);
    bytes[..size].copy_from_slice(&value.to_le_bytes()[..size]);
}

fn half(random: &mut Random) -> u16 {
    if random.once_in(2) { random.one_of(&HALVES) } else { random.bits() as u16 }
}

fn single(random: &mut Random) -> u32 {
    match random.below(4) {
        0 => (0x3f80_0000 - (20 << 23) + random.below(40 << 23) as u32) | (random.below(2) << 31) as u32,
        1 => random.bits() as u32,
        _ => random.one_of(&SINGLES),
    }
}

fn double(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => (0x3ff0_0000_0000_0000 - (40 << 52) + random.below(80 << 52)) | (random.below(2) << 63),
        1 => random.bits(),
        _ => random.one_of(&DOUBLES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_hold_the_boundaries() {
        let mut random = Random::from_numbers(&[1]);
        let seen: Vec<u64> = (0..4000).map(|_| integer(&mut random)).collect();
        for wanted in [0, 1, u64::MAX, 0x7f, 0x80, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 1 << 63, (1 << 63) - 1] {
            assert!(seen.contains(&wanted), "{wanted:#x}");
        }
    }

    #[test]
    fn floats_are_of_every_class() {
        use std::num::FpCategory::*;
        let mut random = Random::from_numbers(&[2]);
        let seen: Vec<_> = (0..400).map(|_| f32::from_bits(single(&mut random)).classify()).collect();
        let wide: Vec<_> = (0..400).map(|_| f64::from_bits(double(&mut random)).classify()).collect();
        for class in [Nan, Infinite, Zero, Subnormal, Normal] {
            assert!(seen.contains(&class) && wide.contains(&class), "{class:?}");
        }
    }

    #[test]
    fn every_kind_of_element_fills_any_length() {
        let mut random = Random::from_numbers(&[3]);
        let kinds = [Elements::Integers(2), Elements::Halves, Elements::Singles, Elements::Doubles, Elements::Extended];
        for kind in kinds.into_iter().chain([Elements::Bits]) {
            for length in 0..40 {
                kind.fill(&mut random, &mut vec![0; length]);
            }
        }
    }
}
