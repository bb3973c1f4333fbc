//! Shifts and rotations.
//!
//! Source: SDM vol. 2, "SAL/SAR/SHL/SHR—Shift", "RCL/RCR/ROL/ROR—Rotate", "SHLD—Double Precision Shift Left".

use super::{AF, CF, Machine, OF, mask};

impl Machine {
    const fn sign(size: u32, value: u32) -> bool {
        value >> (size * 8 - 1) & 1 != 0
    }

    /// SHL, SHR and SAR: `kind` 0, 1 and 2.
    pub(crate) const fn shift(&mut self, size: u32, register: usize, kind: u32, count: u32) {
        let (count, bits) = (count & 31, size * 8);
        if count == 0 {
            return;
        }
        let value = self.get(size, register);
        let signed = ((value << (32 - bits)) as i32 >> (32 - bits)) as i64;
        let (result, carry) = match kind {
            0 => (((value as u64) << count) as u32, (value as u64) << count >> bits & 1 != 0),
            1 => (value >> count, value >> (count - 1) & 1 != 0),
            _ => ((signed >> count) as u32, signed >> (count - 1) & 1 != 0),
        };
        self.set_result_flags(size, result);
        self.set_flag(CF, carry);
        self.open_flags |= AF;
        if kind != 2 && count >= bits {
            self.open_flags |= CF;
        }
        let overflow = match kind {
            0 => Self::sign(size, result) != carry,
            1 => Self::sign(size, value),
            _ => false,
        };
        self.set_flag(OF, overflow);
        if count != 1 {
            self.open_flags |= OF;
        }
        self.set(size, register, result & mask(size));
    }

    /// ROL and ROR.
    pub(crate) const fn rotate(&mut self, size: u32, register: usize, right: bool, count: u32) {
        let (count, bits) = (count & 31, size * 8);
        if count == 0 {
            return;
        }
        let value = self.get(size, register) as u64;
        let left = if right { (bits - count % bits) % bits } else { count % bits };
        let result = (value << left | value >> (bits - left)) as u32 & mask(size);
        let carry = if right { Self::sign(size, result) } else { result & 1 != 0 };
        self.set_flag(CF, carry);
        let second = result >> (bits - 2) & 1 != 0;
        self.set_flag(OF, Self::sign(size, result) != if right { second } else { carry });
        if count != 1 {
            self.open_flags |= OF;
        }
        self.set(size, register, result);
    }

    /// RCL and RCR, bit by bit.
    pub(crate) const fn rotate_through_carry(&mut self, size: u32, register: usize, right: bool, count: u32) {
        let count = count & 31;
        let turns = if size == 4 { count } else { count % (size * 8 + 1) };
        let mut value = self.get(size, register);
        let mut turn = 0;
        while turn < turns {
            let carry = self.flag(CF) as u32;
            if right {
                self.set_flag(CF, value & 1 != 0);
                value = value >> 1 | carry << (size * 8 - 1);
            } else {
                self.set_flag(CF, Self::sign(size, value));
                value = (value << 1 | carry) & mask(size);
            }
            turn += 1;
        }
        if count == 1 {
            let second = value >> (size * 8 - 2) & 1 != 0;
            self.set_flag(OF, Self::sign(size, value) != if right { second } else { self.flag(CF) });
        } else if count != 0 {
            self.open_flags |= OF;
        }
        self.set(size, register, value);
    }

    /// SHLD and SHRD by a count that is not 0 and less than the size.
    pub(crate) const fn double_shift(&mut self, size: u32, to: usize, from: usize, right: bool, count: u32) {
        let bits = size * 8;
        let (value, other) = (self.get(size, to) as u64, self.get(size, from) as u64);
        let (result, carry) = if right {
            (((other << bits | value) >> count) as u32, value >> (count - 1) & 1 != 0)
        } else {
            (((value << bits | other) << count >> bits) as u32, value >> (bits - count) & 1 != 0)
        };
        let result = result & mask(size);
        self.set_result_flags(size, result);
        self.set_flag(CF, carry);
        self.set_flag(OF, Self::sign(size, result) != Self::sign(size, value as u32));
        self.open_flags |= AF;
        if count != 1 {
            self.open_flags |= OF;
        }
        self.set(size, to, result);
    }
}
