//! Conditions and loops.
//!
//! Sources: SDM vol. 2, "Jcc—Jump if Condition Is Met", "LOOP/LOOPcc—Loop According to ECX Counter".

use super::{CF, Machine, OF, PF, SF, ZF, register::ECX};

/// The sixteen conditions, by encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition(pub(crate) u32);

impl Machine {
    pub(crate) const fn holds(&self, condition: Condition) -> bool {
        let less = self.flag(SF) != self.flag(OF);
        let holds = match condition.0 >> 1 {
            0 => self.flag(OF),
            1 => self.flag(CF),
            2 => self.flag(ZF),
            3 => self.flag(CF) || self.flag(ZF),
            4 => self.flag(SF),
            5 => self.flag(PF),
            6 => less,
            _ => less || self.flag(ZF),
        };
        holds != (condition.0 & 1 != 0)
    }

    /// Counts CX or ECX down by the address size; whether it is not 0 then.
    pub(crate) const fn count_down(&mut self, size: u32) -> bool {
        let count = self.get(size, ECX).wrapping_sub(1);
        self.set(size, ECX, count);
        self.get(size, ECX) != 0
    }
}
