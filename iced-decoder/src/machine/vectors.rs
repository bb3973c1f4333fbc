//! Registers within an area of extended state: vectors, opmasks, MMX.

use super::{
    Extended,
    area::{AVX, Component, HI16_ZMM, OPMASK, SSE, X87, ZMM_HI256},
};

/// Size of the widest vector register in bytes.
pub const VECTOR_BYTES: usize = 64;

/// Offset of the x87 status word, whose bits 11 to 13 are the top of the stack.
const STATUS_WORD: usize = 2;
/// Offset of the first x87 register, and the distance between two.
const STACK: usize = 32;
const STACK_STEP: usize = 16;

/// Number of registers in SSE, AVX and ZMM_Hi256; the others are in Hi16_ZMM.
const NR_LOW: usize = 16;

impl Extended {
    /// ZMM register `number`, of which XMM and YMM registers are the lower part: what is not in use is zero.
    pub fn vector(&self, number: usize) -> [u8; VECTOR_BYTES] {
        let mut bytes = [0; VECTOR_BYTES];
        for (component, at, size, start) in parts(number) {
            if let Some(part) = self.used(component, at, size) {
                bytes[start..start + size].copy_from_slice(part);
            }
        }
        bytes
    }

    /// Changes the register `number` where its components have a place; those that are not in use stay so.
    pub fn change_vector(&mut self, number: usize, change: impl FnOnce(&mut [u8; VECTOR_BYTES])) {
        let mut bytes = self.vector(number);
        change(&mut bytes);
        for (component, at, size, start) in parts(number) {
            let offset = component.offset + at;
            if self.used(component, at, size).is_some()
                && let Some(part) = self.bytes_mut().get_mut(offset..offset + size)
            {
                part.copy_from_slice(&bytes[start..start + size]);
            }
        }
    }

    /// Opmask register `number`.
    pub fn opmask(&self, number: usize) -> u64 {
        let bytes = self.used(OPMASK, (number & 7) * 8, 8).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// Changes the opmask register `number` if opmasks are in use.
    pub fn change_opmask(&mut self, number: usize, change: impl FnOnce(u64) -> u64) {
        let (at, value) = ((number & 7) * 8, change(self.opmask(number)));
        let offset = OPMASK.offset + at;
        if self.used(OPMASK, at, 8).is_some()
            && let Some(part) = self.bytes_mut().get_mut(offset..offset + 8)
        {
            part.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// MMX register `number`: the significand of a physical x87 register, while areas hold them in the order of the stack
    /// (Intel SDM vol. 1, "The MMX Registers" and table "Contents of FXSAVE").
    pub fn mmx(&self, number: usize) -> u64 {
        let top = self.used(X87, STATUS_WORD, 2).map_or(0, |word| usize::from(word[1] >> 3 & 7));
        let place = (number & 7).wrapping_sub(top) & 7;
        let bytes = self.used(X87, STACK + place * STACK_STEP, 8).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// A part of a component that is in use.
    fn used(&self, component: Component, at: usize, size: usize) -> Option<&[u8]> {
        let is_used = self.components() >> component.bit & 1 != 0;
        self.bytes().get(component.offset + at..component.offset + at + size).filter(|_| is_used)
    }
}

/// Where the parts of a vector register stand: component, offset in it, size, offset in the register.
fn parts(number: usize) -> impl Iterator<Item = (Component, usize, usize, usize)> {
    let low = [(SSE, number * 16, 16, 0), (AVX, number * 16, 16, 16), (ZMM_HI256, number * 32, 32, 32)];
    let high = (HI16_ZMM, number.wrapping_sub(NR_LOW) % NR_LOW * VECTOR_BYTES, VECTOR_BYTES, 0);
    let is_low = number < NR_LOW;
    low.into_iter().filter(move |_| is_low).chain((!is_low).then_some(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::area::size_bytes;

    const ALL: u64 = 0xe7;

    fn state(components: u64) -> Extended {
        let mut extended = Extended::initial(size_bytes(ALL));
        extended.set_components(components);
        extended.bytes_mut()[576..].fill(0x55);
        extended.bytes_mut()[32..416].fill(0x55);
        extended
    }

    #[test]
    fn parts_of_a_register_are_those_of_its_components() {
        let mut extended = state(ALL);
        for number in [0, 15, 16, 31] {
            extended.change_vector(number, |bytes| {
                (0..VECTOR_BYTES).for_each(|at| bytes[at] = (number + at) as u8);
            });
        }
        assert_eq!(extended.bytes()[SSE.offset + 15 * 16 + 15], 30);
        assert_eq!(extended.bytes()[AVX.offset + 15 * 16], 31);
        assert_eq!(extended.bytes()[ZMM_HI256.offset + 31], 63);
        assert_eq!(extended.bytes()[HI16_ZMM.offset + 15 * 64 + 63], 94);
        assert_eq!((extended.vector(16)[0], extended.vector(17)[0]), (16, 0x55));
    }

    #[test]
    fn what_is_not_in_use_is_zero_and_stays_so() {
        let mut extended = state(0b11);
        assert_eq!(extended.vector(3)[15..17], [0x55, 0]);
        assert_eq!((extended.opmask(1), extended.vector(20)), (0, [0; VECTOR_BYTES]));
        extended.change_vector(3, |bytes| bytes.fill(1));
        extended.change_opmask(1, |_| 1);
        assert_eq!((extended.vector(3)[15..17].to_vec(), extended.opmask(1)), (vec![1, 0], 0));
        assert_eq!(extended.bytes()[AVX.offset + 3 * 16], 0x55);
    }

    #[test]
    fn opmasks_have_64_bits() {
        let mut extended = state(ALL);
        extended.change_opmask(7, |value| value & !1);
        assert_eq!((extended.opmask(7), extended.opmask(6)), (0x5555_5555_5555_5554, 0x5555_5555_5555_5555));
    }

    #[test]
    fn mmx_registers_do_not_move_with_the_top_of_the_stack() {
        let mut extended = state(1);
        extended.bytes_mut()[STACK + 2 * STACK_STEP] = 7;
        extended.bytes_mut()[STATUS_WORD + 1] = 3 << 3;
        // ST(2) is physical register 5.
        assert_eq!(extended.mmx(5) & 0xff, 7);
        assert_eq!(extended.mmx(2) & 0xff, 0x55);
    }
}
