//! Sums, products, quotients, logic and bits.
//!
//! Source: SDM vol. 2, the page of each instruction ("Operation", "Flags Affected").

use super::{AF, CF, Machine, OF, PF, SF, STATUS, ZF, mask};

impl Machine {
    /// SF, ZF and PF of a result.
    pub(super) const fn set_result_flags(&mut self, size: u32, value: u32) {
        let value = value & mask(size);
        self.set_flag(SF, value >> (size * 8 - 1) != 0);
        self.set_flag(ZF, value == 0);
        self.set_flag(PF, (value as u8).count_ones().is_multiple_of(2));
    }

    /// `a + b` and a carry, with all flags.
    pub(crate) const fn sum(&mut self, size: u32, a: u32, b: u32, carry: bool) -> u32 {
        let (a, b) = (a & mask(size), b & mask(size));
        let wide = a as u64 + b as u64 + carry as u64;
        let result = wide as u32 & mask(size);
        self.set_result_flags(size, result);
        self.set_flag(CF, wide > mask(size) as u64);
        self.set_flag(AF, (a ^ b ^ result) & 0x10 != 0);
        self.set_flag(OF, (a ^ result) & (b ^ result) & 1 << (size * 8 - 1) != 0);
        result
    }

    /// `a - b` and a borrow, with all flags.
    pub(crate) const fn difference(&mut self, size: u32, a: u32, b: u32, borrow: bool) -> u32 {
        let (a, b) = (a & mask(size), b & mask(size));
        let result = a.wrapping_sub(b).wrapping_sub(borrow as u32) & mask(size);
        self.set_result_flags(size, result);
        self.set_flag(CF, (a as u64) < b as u64 + borrow as u64);
        self.set_flag(AF, (a ^ b ^ result) & 0x10 != 0);
        self.set_flag(OF, (a ^ b) & (a ^ result) & 1 << (size * 8 - 1) != 0);
        result
    }

    /// Flags of AND, OR, XOR and TEST.
    pub(crate) const fn logic(&mut self, size: u32, result: u32) -> u32 {
        self.set_result_flags(size, result);
        self.flags &= !(CF | OF);
        self.open_flags |= AF;
        result & mask(size)
    }

    pub(crate) const fn add(&mut self, size: u32, to: usize, from: usize) {
        let result = self.sum(size, self.get(size, to), self.get(size, from), false);
        self.set(size, to, result);
    }

    pub(crate) const fn adc(&mut self, size: u32, to: usize, from: usize) {
        let result = self.sum(size, self.get(size, to), self.get(size, from), self.flag(CF));
        self.set(size, to, result);
    }

    pub(crate) const fn sub(&mut self, size: u32, to: usize, from: usize) {
        let result = self.difference(size, self.get(size, to), self.get(size, from), false);
        self.set(size, to, result);
    }

    pub(crate) const fn sbb(&mut self, size: u32, to: usize, from: usize) {
        let result = self.difference(size, self.get(size, to), self.get(size, from), self.flag(CF));
        self.set(size, to, result);
    }

    pub(crate) const fn cmp(&mut self, size: u32, to: usize, from: usize) {
        self.difference(size, self.get(size, to), self.get(size, from), false);
    }

    /// INC or DEC, which leave CF.
    pub(crate) const fn step(&mut self, size: u32, register: usize, down: bool) {
        let carry = self.flag(CF);
        let value = self.get(size, register);
        let result = if down { self.difference(size, value, 1, false) } else { self.sum(size, value, 1, false) };
        self.set_flag(CF, carry);
        self.set(size, register, result);
    }

    pub(crate) const fn neg(&mut self, size: u32, register: usize) {
        let result = self.difference(size, 0, self.get(size, register), false);
        self.set(size, register, result);
    }

    /// The double-width register pair: AX, DX:AX, EDX:EAX.
    const fn pair(&self, size: u32) -> u64 {
        match size {
            1 => self.get(2, 0) as u64,
            _ => (self.get(size, 2) as u64) << (size * 8) | self.get(size, 0) as u64,
        }
    }

    const fn set_pair(&mut self, size: u32, low: u32, high: u32) {
        self.set(size, 0, low);
        self.set(size, if size == 1 { 4 } else { 2 }, high);
    }

    pub(crate) const fn mul(&mut self, size: u32, from: usize) {
        let product = self.get(size, 0) as u64 * self.get(size, from) as u64;
        let high = (product >> (size * 8)) as u32;
        self.set_pair(size, product as u32, high);
        self.set_product_flags(high != 0);
    }

    const fn set_product_flags(&mut self, overflow: bool) {
        self.set_flag(CF, overflow);
        self.set_flag(OF, overflow);
        self.open_flags |= SF | ZF | AF | PF;
    }

    /// The signed value of the low bits.
    const fn signed(size: u32, value: u32) -> i64 {
        let shift = 64 - size * 8;
        ((value as i64) << shift) >> shift
    }

    pub(crate) const fn imul(&mut self, size: u32, from: usize) {
        let product = Self::signed(size, self.get(size, 0)) * Self::signed(size, self.get(size, from));
        self.set_pair(size, product as u32, (product >> (size * 8)) as u32);
        self.set_product_flags(product != Self::signed(size, product as u32));
    }

    /// IMUL with two or three operands.
    pub(crate) const fn imul_to(&mut self, size: u32, to: usize, a: u32, b: u32) {
        let product = Self::signed(size, a) * Self::signed(size, b);
        self.set(size, to, product as u32);
        self.set_product_flags(product != Self::signed(size, product as u32));
    }

    pub(crate) const fn div(&mut self, size: u32, from: usize) {
        let (dividend, divisor) = (self.pair(size), self.get(size, from) as u64);
        if divisor == 0 || dividend / divisor > mask(size) as u64 {
            return self.raise(0);
        }
        self.set_pair(size, (dividend / divisor) as u32, (dividend % divisor) as u32);
        self.open_flags |= STATUS;
    }

    pub(crate) const fn idiv(&mut self, size: u32, from: usize) {
        let shift = 64 - size * 16;
        let dividend = (((self.pair(size) << shift) as i64) >> shift) as i128;
        let divisor = Self::signed(size, self.get(size, from)) as i128;
        let bound = 1_i128 << (size * 8 - 1);
        if divisor == 0 || dividend / divisor >= bound || dividend / divisor < -bound {
            return self.raise(0);
        }
        self.set_pair(size, (dividend / divisor) as u32, (dividend % divisor) as u32);
        self.open_flags |= STATUS;
    }

    /// MOVSX, CBW and their kin.
    pub(crate) const fn extend(&mut self, to_size: u32, to: usize, from_size: u32, from: usize, is_signed: bool) {
        let value = self.get(from_size, from);
        let value = if is_signed { Self::signed(from_size, value) as u32 } else { value };
        self.set(to_size, to, value);
    }

    /// CWD and CDQ.
    pub(crate) const fn sign_to_edx(&mut self, size: u32) {
        let sign = Self::signed(size, self.get(size, 0)) < 0;
        self.set(size, 2, if sign { u32::MAX } else { 0 });
    }

    /// The bit's value goes to CF.
    pub(crate) const fn bit_test(&mut self, size: u32, value: u32, number: u32) -> u32 {
        let bit = 1 << (number & (size * 8 - 1));
        self.set_flag(CF, value & bit != 0);
        self.open_flags |= OF | SF | AF | PF;
        bit
    }

    /// BSF or BSR. With a source of 0 the destination is left open, so rows have none.
    pub(crate) const fn bit_scan(&mut self, size: u32, to: usize, from: usize, down: bool) {
        let value = self.get(size, from);
        let result = if down { 31 - value.leading_zeros() } else { value.trailing_zeros() };
        self.set_flag(ZF, false);
        self.open_flags |= CF | OF | SF | AF | PF;
        self.set(size, to, result);
    }

    pub(crate) const fn xchg(&mut self, size: u32, a: usize, b: usize) {
        let (first, second) = (self.get(size, a), self.get(size, b));
        self.set(size, a, second);
        self.set(size, b, first);
    }

    pub(crate) const fn xadd(&mut self, size: u32, to: usize, from: usize) {
        let before = self.get(size, to);
        let result = self.sum(size, before, self.get(size, from), false);
        self.set(size, from, before);
        self.set(size, to, result);
    }

    pub(crate) const fn cmpxchg(&mut self, size: u32, to: usize, from: usize) {
        let (accumulator, value) = (self.get(size, 0), self.get(size, to));
        self.difference(size, accumulator, value, false);
        if accumulator == value {
            self.set(size, to, self.get(size, from));
        } else {
            self.set(size, 0, value);
        }
    }
}
