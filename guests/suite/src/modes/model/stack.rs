//! The stack.
//!
//! Source: SDM vol. 1, "Address-Size Attributes for Stack"; SDM vol. 2, "PUSH—Push Word, Doubleword, or Quadword Onto the
//! Stack", "ENTER—Make Stack Frame for Procedure Parameters", "LEAVE—High Level Procedure Exit".

use super::{
    Machine,
    register::{EBP, ESP},
};

impl Machine {
    /// The offset that the stack pointer holds.
    const fn top(&self) -> u32 {
        self.get(self.mode.stack_size(), ESP)
    }

    const fn move_top(&mut self, by: u32) {
        let top = self.top().wrapping_add(by);
        self.set(self.mode.stack_size(), ESP, top);
    }

    pub(crate) const fn push(&mut self, size: u32, value: u32) {
        self.move_top(size.wrapping_neg());
        self.store(size, self.top(), value);
    }

    pub(crate) const fn pop(&mut self, size: u32) -> u32 {
        let value = self.load(size, self.top());
        self.move_top(size);
        value
    }

    /// PUSHA: the fifth is the stack pointer as it was before the first.
    pub(crate) const fn pusha(&mut self, size: u32) {
        let before = self.general;
        let mut index = 0;
        while index < 8 {
            self.push(size, before[index]);
            index += 1;
        }
    }

    /// POPA: the stack pointer's image is passed over.
    pub(crate) const fn popa(&mut self, size: u32) {
        let mut index = 8;
        while index > 0 {
            index -= 1;
            let value = self.pop(size);
            if index != ESP {
                self.set(size, index, value);
            }
        }
    }

    /// ENTER with nesting level 0 or 1. EBP and ESP must agree in what the size of neither covers.
    pub(crate) const fn enter(&mut self, size: u32, allocate: u32, level: u32) {
        self.push(size, self.get(size, EBP));
        let frame = self.get(size, ESP);
        if level == 1 {
            self.push(size, frame);
        }
        self.set(size, EBP, frame);
        self.open_below(self.top(), allocate);
        self.move_top(allocate.wrapping_neg());
    }

    pub(crate) const fn leave(&mut self, size: u32) {
        let frame = self.get(self.mode.stack_size(), EBP);
        self.set(self.mode.stack_size(), ESP, frame);
        let value = self.pop(size);
        self.set(size, EBP, value);
    }
}
