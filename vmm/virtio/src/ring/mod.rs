//! Virtqueues, split and packed, as the device sees them (§ 2.7 and § 2.8).

mod chain;
mod packed;
mod saved;
mod split;
#[cfg(test)]
mod tests;

pub use chain::{Chain, Element, pieces};
pub use packed::Packed;
pub use saved::{ChainState, RingState};
pub use split::Split;

use crate::{Features, Memory, fault::RingFaults};

/// The largest queue: what a walk of it costs bounds what a notification costs.
pub const QUEUE_SIZE_MAX: u16 = 1024;

/// What a driver did that a queue cannot go on after.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// An area of the queue is not within guest memory, or not aligned.
    #[error("the {area} at {address:#x} is not within guest memory or not aligned")]
    Area {
        /// Which area.
        area: &'static str,
        /// Its guest physical address.
        address: u64,
    },
    /// The size is not one that the ring can have.
    #[error("a queue of {size} descriptors")]
    Size {
        /// The size asked for.
        size: u16,
    },
    /// More is available than the ring holds.
    #[error("the available index {index} is more than the queue's size ahead of {next}")]
    AvailableIndex {
        /// What the driver wrote.
        index: u16,
        /// What the device takes next.
        next: u16,
    },
    /// A descriptor's index is not one of its table.
    #[error("descriptor {index} of a table of {size}")]
    Descriptor {
        /// The index.
        index: u32,
        /// How many there are.
        size: u32,
    },
    /// A chain has more descriptors than its table, so that it has a loop.
    #[error("a chain of more than {size} descriptors")]
    Loop {
        /// Descriptors of the table.
        size: u32,
    },
    /// An element does not lie in guest memory.
    #[error("{size_bytes} bytes at {address:#x} are not within guest memory")]
    Outside {
        /// Guest physical address of the first byte.
        address: u64,
        /// Size in bytes.
        size_bytes: u64,
    },
    /// What can be read follows what can be written.
    #[error("an element to be read follows one to be written")]
    Order,
    /// A chain is longer than 4 GiB.
    #[error("a chain of more than 4 GiB")]
    TooLong,
    /// What it was, was not kept when the device was saved.
    #[error("something that a driver did before the device was saved")]
    Earlier,
    /// A table of descriptors within a table, together with a next one, without negotiation, or of an odd size.
    #[error("an indirect table {why}")]
    Indirect {
        /// What is wrong.
        why: &'static str,
    },
}

/// Where a queue lies; all are guest physical addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// Descriptor table or ring.
    pub descriptors: u64,
    /// Available ring, or the driver's event suppression.
    pub driver: u64,
    /// Used ring, or the device's event suppression.
    pub device: u64,
}

impl Areas {
    /// In the order in which every transport has them.
    pub(crate) fn at(&mut self, index: u64) -> Option<&mut u64> {
        match index {
            0 => Some(&mut self.descriptors),
            1 => Some(&mut self.driver),
            2 => Some(&mut self.device),
            _ => None,
        }
    }
}

/// A queue that is in use.
#[derive(Debug)]
pub enum Ring {
    /// § 2.7.
    Split(Split),
    /// § 2.8.
    Packed(Packed),
}

impl Ring {
    /// The queue that a driver set up.
    ///
    /// # Errors
    /// If its areas are not within guest memory or not aligned, or its size is none.
    pub fn new(memory: &Memory, size: u16, areas: Areas, features: Features) -> Result<Self, RingError> {
        if size == 0 || size > QUEUE_SIZE_MAX {
            return Err(RingError::Size { size });
        }
        match features.contains(Features::RING_PACKED) {
            true => Packed::new(memory, size, areas, features).map(Self::Packed),
            false => Split::new(memory, size, areas, features).map(Self::Split),
        }
    }

    /// Lets it break rules.
    pub(crate) fn set_faults(&mut self, faults: RingFaults) {
        match self {
            Self::Split(ring) => ring.set_faults(faults),
            Self::Packed(ring) => ring.set_faults(faults),
        }
    }

    /// The next buffer, if there is one.
    ///
    /// # Errors
    /// What the driver did wrong; the queue is broken then.
    pub fn pop(&mut self, memory: &Memory) -> Result<Option<Chain>, RingError> {
        match self {
            Self::Split(ring) => ring.pop(memory),
            Self::Packed(ring) => ring.pop(memory),
        }
    }

    /// Gives a buffer back, with the number of bytes that were written from its start on.
    ///
    /// # Errors
    /// If the ring is not within guest memory.
    pub fn complete(&mut self, memory: &Memory, chain: &Chain, written_bytes: u32) -> Result<(), RingError> {
        match self {
            Self::Split(ring) => ring.complete(memory, chain, written_bytes),
            Self::Packed(ring) => ring.complete(memory, chain, written_bytes),
        }
    }

    /// Whether the driver wants an interrupt for what was given back since this was last asked.
    ///
    /// # Errors
    /// If the ring is not within guest memory.
    pub fn wants_interrupt(&mut self, memory: &Memory) -> Result<bool, RingError> {
        match self {
            Self::Split(ring) => ring.wants_interrupt(memory),
            Self::Packed(ring) => ring.wants_interrupt(memory),
        }
    }

    /// Tells the driver whether this device wants notifications, and gives whether a buffer came before it was told.
    ///
    /// # Errors
    /// If the ring is not within guest memory.
    pub fn set_notifications(&mut self, memory: &Memory, wanted: bool) -> Result<bool, RingError> {
        match self {
            Self::Split(ring) => ring.set_notifications(memory, wanted),
            Self::Packed(ring) => ring.set_notifications(memory, wanted),
        }
    }
}

/// Whether `event` lies among the positions from `old` on, before `new`: each side is told by position from which on the other
/// wants to hear (§ 2.7.7.2).
const fn passes(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
