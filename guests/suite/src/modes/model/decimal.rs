//! Decimal adjustment.
//!
//! Source: SDM vol. 2, "DAA—Decimal Adjust AL After Addition" and its kin ("Operation").

use super::{
    AF, CF, Machine, OF, PF, SF, ZF,
    register::{AH, AL, EAX},
};

impl Machine {
    /// DAA or DAS.
    pub(crate) const fn decimal_adjust(&mut self, subtract: bool) {
        let (old, old_carry) = (self.get(1, AL), self.flag(CF));
        let mut value = old;
        let mut carry = false;
        let low = old & 0xf > 9 || self.flag(AF);
        if low {
            let adjusted = if subtract { value.wrapping_sub(6) } else { value + 6 };
            carry = old_carry || adjusted > 0xff;
            value = adjusted & 0xff;
        }
        if old > 0x99 || old_carry {
            value = (if subtract { value.wrapping_sub(0x60) } else { value + 0x60 }) & 0xff;
            carry = true;
        } else if !subtract {
            carry = false;
        }
        self.set(1, AL, value);
        self.set_result_flags(1, value);
        self.set_flag(AF, low);
        self.set_flag(CF, carry);
        self.open_flags |= OF;
    }

    /// AAA or AAS.
    pub(crate) const fn ascii_adjust(&mut self, subtract: bool) {
        let adjust = self.get(1, AL) & 0xf > 9 || self.flag(AF);
        if adjust {
            let ax = self.get(2, EAX);
            if subtract {
                self.set(2, EAX, ax.wrapping_sub(6));
                let ah = self.get(1, AH);
                self.set(1, AH, ah.wrapping_sub(1));
            } else {
                // AX + 106H, not AH + 1 beside AL + 6: a carry out of AL goes on into AH.
                self.set(2, EAX, ax.wrapping_add(0x106));
            }
        }
        self.set_flag(AF, adjust);
        self.set_flag(CF, adjust);
        self.set(1, AL, self.get(1, AL) & 0xf);
        self.open_flags |= OF | SF | ZF | PF;
    }

    pub(crate) const fn aam(&mut self, base: u32) {
        if base == 0 {
            return self.raise(0);
        }
        let value = self.get(1, AL);
        self.set(1, AH, value / base);
        self.set(1, AL, value % base);
        self.set_result_flags(1, value % base);
        self.open_flags |= OF | AF | CF;
    }

    pub(crate) const fn aad(&mut self, base: u32) {
        let value = (self.get(1, AL) + self.get(1, AH) * base) & 0xff;
        self.set(2, EAX, value);
        self.set_result_flags(1, value);
        self.open_flags |= OF | AF | CF;
    }
}
