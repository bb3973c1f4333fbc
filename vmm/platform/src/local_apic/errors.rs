//! The error status register.

use serde::{Deserialize, Serialize};

/// Bit 5: an interrupt with a vector of 0 to 15 was to be sent.
pub(super) const SEND_ILLEGAL_VECTOR: u8 = 1 << 5;
/// Bit 6: an interrupt with a vector of 0 to 15 was received, or made by the local vector table or to itself.
pub(super) const RECEIVE_ILLEGAL_VECTOR: u8 = 1 << 6;
/// Bit 7: a register that does not exist was accessed; in x2APIC mode that is a general-protection exception instead.
pub(super) const ILLEGAL_REGISTER: u8 = 1 << 7;

/// The errors, of which only a write shows those since the last ("Error Handling": "the ESR is a write/read register").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Errors {
    detected: u8,
    shown: u8,
    armed: bool,
}

impl Errors {
    pub(super) const fn new() -> Self {
        Self { detected: 0, shown: 0, armed: true }
    }

    /// Notes an error, and says whether an interrupt is to be made of it: of the first since the last write. One that is
    /// masked is not made, and leaves that to the next.
    pub(super) fn detect(&mut self, error: u8, masked: bool) -> bool {
        self.detected |= error;
        !masked && std::mem::take(&mut self.armed)
    }

    pub(super) const fn read(&self) -> u32 {
        self.shown as u32
    }

    /// Those since the last write too.
    pub(super) const fn all(&self) -> u32 {
        (self.shown | self.detected) as u32
    }

    pub(super) fn write(&mut self) {
        *self = Self { shown: self.detected, ..Self::new() };
    }
}
