//! MSI-X that breaks a rule.

use super::{CAPABILITY, Entry, Message, MsiX};
use crate::{Config, Fault};

/// A rule to break, with what it remembers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrong {
    fault: Fault,
    /// What was to be sent first while it could not be.
    first: Option<Message>,
    /// Vectors that something was held back for, a bit each of the first 64.
    held_back: u64,
}

impl MsiX {
    /// Lets it break a rule, from its first access on; `config` is the function's own.
    pub fn set_fault(&mut self, config: &mut Config, fault: Fault) {
        self.wrong = Some(Wrong { fault, first: None, held_back: 0 });
        match fault {
            Fault::UnmaskedAtFirst => self.entries.fill(Entry([0; 4])),
            Fault::TableSizeWritable => config.allow_at(self.capability + 2, &[!0]),
            _ => {}
        }
        debug_assert_eq!(config.u16_at(self.capability) as u8, CAPABILITY, "the function has this table");
    }
}

impl Wrong {
    /// The message of a vector cannot be sent now: whether it is lost.
    pub(super) fn holds_back(&mut self, vector: usize, entry: Entry) -> bool {
        self.first = Some(entry.message());
        self.held_back |= 1 << (vector % 64);
        self.fault == Fault::PendingLost
    }

    /// What is sent for a vector.
    pub(super) fn message(&mut self, vector: usize, entries: &[Entry]) -> Message {
        let stale = self.first.take().filter(|_| self.fault == Fault::MessageStays);
        let other = if self.fault == Fault::NextMessage { (vector + 1) % entries.len() } else { vector };
        stale.unwrap_or_else(|| entries[other].message())
    }

    /// Whether a write of so many bytes reaches this doubleword of an entry.
    pub(super) fn takes(self, doubleword: usize, size_bytes: usize) -> bool {
        match self.fault {
            Fault::UpperAddressLost => doubleword != 1,
            Fault::QuadwordsDropped => size_bytes == 4,
            _ => true,
        }
    }

    /// How the pending bits of this doubleword read.
    pub(super) fn pending(self, doubleword: usize, bits: u32) -> u32 {
        match self.fault {
            Fault::PendingNotShown => 0,
            Fault::PendingStays if doubleword < 2 => bits | (self.held_back >> (32 * doubleword)) as u32,
            _ => bits,
        }
    }
}
