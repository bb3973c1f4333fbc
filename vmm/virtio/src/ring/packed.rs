//! Packed virtqueues (§ 2.8).
//!
//! Own code, because virtio-queue has only their descriptor.

mod wrong;

use super::{Areas, Chain, Element, RingError, passes, split::indirect_size};
use crate::{
    Features, Memory,
    fault::{RingFault, RingFaults},
};
use std::sync::atomic::{Ordering, fence};
use virtio_queue::desc::packed::Descriptor;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};

/// Size of a descriptor in bytes.
const DESCRIPTOR_BYTES: u64 = 16;
/// Offset of the flags in a descriptor.
const FLAGS: u64 = 14;
/// VIRTQ_DESC_F_WRITE.
const WRITE: u16 = 1 << 1;
/// VIRTQ_DESC_F_AVAIL.
const AVAILABLE: u16 = 1 << 7;
/// VIRTQ_DESC_F_USED.
const USED: u16 = 1 << 15;
/// Events are off.
const EVENTS_DISABLED: u16 = 1;
/// Events are wanted for one descriptor.
const EVENTS_AT_DESCRIPTOR: u16 = 2;

/// A place in the ring: the index of a descriptor, and how often the ring was gone round, modulo two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) index: u16,
    pub(super) wrap: bool,
}

impl Position {
    const START: Self = Self { index: 0, wrap: true };

    /// `n` descriptors on, at most the size of the ring: a buffer out of a saved VM may be said to have taken more.
    fn after(self, n: u16, size: u16) -> Self {
        let index = u32::from(self.index) + u32::from(n.min(size));
        match index >= size.into() {
            true => Self { index: (index - u32::from(size)) as u16, wrap: !self.wrap },
            false => Self { index: index as u16, wrap: self.wrap },
        }
    }

    /// As an event suppression structure says it.
    fn to_event(self) -> u16 {
        self.index | u16::from(self.wrap) << 15
    }
}

/// A packed virtqueue.
#[derive(Debug)]
pub struct Packed {
    size: u16,
    areas: Areas,
    features: Features,
    pub(super) next_available: Position,
    pub(super) next_used: Position,
    /// Descriptors that were given back since the driver was last asked whether it wants to hear of them.
    nr_new: u16,
    faults: RingFaults,
}

impl Packed {
    pub(super) fn new(memory: &Memory, size: u16, areas: Areas, features: Features) -> Result<Self, RingError> {
        let Areas { descriptors, driver, device } = areas;
        // § 2.8.10.1: alignment of 16, 4 and 4.
        for (area, address, alignment, size_bytes) in [
            ("descriptor ring", descriptors, 16, DESCRIPTOR_BYTES * u64::from(size)),
            ("driver event suppression", driver, 4, 4),
            ("device event suppression", device, 4, 4),
        ] {
            if !address.is_multiple_of(alignment) || !memory.check_range(GuestAddress(address), size_bytes as usize) {
                return Err(RingError::Area { area, address });
            }
        }
        let start = Position::START;
        let faults = RingFaults::default();
        Ok(Self { size, areas, features, next_available: start, next_used: start, nr_new: 0, faults })
    }

    fn is_available(&self, memory: &Memory, position: Position) -> Result<bool, RingError> {
        let at = self.areas.descriptors + DESCRIPTOR_BYTES * u64::from(position.index) + FLAGS;
        let flags: u16 = memory.load(GuestAddress(at), Ordering::Acquire).map_err(|_| self.lost())?;
        let flags = u16::from_le(flags);
        Ok((flags & AVAILABLE != 0) == position.wrap && (flags & USED != 0) != position.wrap)
    }

    pub(super) fn pop(&mut self, memory: &Memory) -> Result<Option<Chain>, RingError> {
        let mut position = self.next_available;
        if !self.is_available(memory, position)? {
            return Ok(None);
        }
        let mut chain = Chain::new(0);
        loop {
            let descriptor = self.descriptor(memory, self.areas.descriptors, position.index.into())?;
            let element = Element { address: descriptor.addr().0, size_bytes: descriptor.len() };
            chain.nr_descriptors += 1;
            position = position.after(1, self.size);
            if descriptor.refers_to_indirect_table() && !self.is_set(RingFault::IndirectIgnored) {
                if descriptor.has_next() || chain.nr_descriptors > 1 {
                    return Err(RingError::Indirect { why: "with other descriptors" });
                }
                self.walk_table(memory, element, &mut chain)?;
            } else {
                chain.push(memory, element, self.faults.is_writable(descriptor.is_write_only()))?;
            }
            // Only the last descriptor's is valid (§ 2.8.6).
            if chain.nr_descriptors == 1 || !self.is_set(RingFault::IdOfFirst) {
                chain.id = descriptor.id();
            }
            if !descriptor.has_next() || self.is_set(RingFault::NextIgnored) {
                break;
            }
            if chain.nr_descriptors >= self.size {
                return Err(RingError::Loop { size: self.size.into() });
            }
        }
        self.next_available = position;
        self.keep_wrap(RingFault::AvailableWrapStays);
        Ok(Some(chain.with_faults(self.faults.buffer, self.is_set(RingFault::OrderReversed))))
    }

    fn walk_table(&self, memory: &Memory, table: Element, chain: &mut Chain) -> Result<(), RingError> {
        if !self.features.contains(Features::INDIRECT_DESC) {
            return Err(RingError::Indirect { why: "that was not negotiated" });
        }
        for index in 0..indirect_size(memory, table, self.size)? {
            let descriptor = self.descriptor(memory, table.address, index)?;
            if descriptor.refers_to_indirect_table() {
                return Err(RingError::Indirect { why: "within an indirect table" });
            }
            let element = Element { address: descriptor.addr().0, size_bytes: descriptor.len() };
            chain.push(memory, element, self.faults.is_writable(descriptor.is_write_only()))?;
            if self.is_set(RingFault::IndirectFirstOnly) {
                break;
            }
        }
        Ok(())
    }

    fn descriptor(&self, memory: &Memory, table: u64, index: u32) -> Result<Descriptor, RingError> {
        let address = table + DESCRIPTOR_BYTES * u64::from(index);
        memory.read_obj(GuestAddress(address)).map_err(|_| RingError::Outside { address, size_bytes: DESCRIPTOR_BYTES })
    }

    pub(super) fn complete(&mut self, memory: &Memory, chain: &Chain, written: u32) -> Result<(), RingError> {
        let at = self.areas.descriptors + DESCRIPTOR_BYTES * u64::from(self.next_used.index);
        let marks = if self.next_used.wrap { AVAILABLE | USED } else { 0 };
        // § 2.8.7.1: the flag tells whether anything was written.
        let flags = marks | if written > 0 { WRITE } else { 0 };
        let (id, written, flags) = match self.faults.ring {
            None => (chain.id, written, flags),
            Some(fault) => match self.wrongly_told(fault, chain.id, written, flags) {
                Some(told) => told,
                None => return Ok(()),
            },
        };
        let lost = |_| self.lost();
        memory.write_obj(written.to_le(), GuestAddress(at + 8)).map_err(lost)?;
        memory.write_obj(id.to_le(), GuestAddress(at + 12)).map_err(lost)?;
        memory.store(flags.to_le(), GuestAddress(at + FLAGS), Ordering::Release).map_err(lost)?;
        let nr_taken = if self.is_set(RingFault::UsedTakesOne) { 1 } else { chain.nr_descriptors };
        self.next_used = self.next_used.after(nr_taken, self.size);
        self.keep_wrap(RingFault::UsedWrapStays);
        self.nr_new = self.nr_new.saturating_add(chain.nr_descriptors);
        Ok(())
    }

    pub(super) fn wants_interrupt(&mut self, memory: &Memory) -> Result<bool, RingError> {
        // What was given back must be seen before the driver's wish is read.
        fence(Ordering::SeqCst);
        let read = |offset| -> Result<u16, RingError> {
            let at = GuestAddress(self.areas.driver + offset);
            memory.load(at, Ordering::Acquire).map(u16::from_le).map_err(|_| self.lost())
        };
        let (event, flags) = (read(0)?, read(2)? & 3);
        let nr_new = std::mem::take(&mut self.nr_new);
        let (event, flags) = match self.faults.ring {
            None => (event, flags),
            Some(fault) => self.wrongly_wanted(fault, event, flags),
        };
        Ok(match flags {
            EVENTS_DISABLED => false,
            EVENTS_AT_DESCRIPTOR if self.features.contains(Features::EVENT_IDX) => {
                let new = self.next_used;
                let same_round = (event >> 15 != 0) == new.wrap;
                // The position as if the ring had no end, so that it can be compared.
                let event = (event & 0x7fff).wrapping_sub(if same_round { 0 } else { self.size });
                passes(event, new.index, new.index.wrapping_sub(nr_new))
            }
            _ => true,
        })
    }

    pub(super) fn set_notifications(&mut self, memory: &Memory, wanted: bool) -> Result<bool, RingError> {
        let lost = |_| self.lost();
        let at = self.areas.device;
        let wanted = wanted && !self.is_set(RingFault::NeverWantsNotifications);
        let flags: u16 = match wanted {
            true if self.features.contains(Features::EVENT_IDX) => {
                let later = u16::from(self.is_set(RingFault::WantsLater));
                let event = self.next_available.after(later, self.size).to_event();
                memory.store(event.to_le(), GuestAddress(at), Ordering::Release).map_err(lost)?;
                EVENTS_AT_DESCRIPTOR
            }
            true => 0,
            false => EVENTS_DISABLED,
        };
        memory.store(flags.to_le(), GuestAddress(at + 2), Ordering::Release).map_err(lost)?;
        fence(Ordering::SeqCst);
        if wanted { self.is_available(memory, self.next_available) } else { Ok(false) }
    }

    fn lost(&self) -> RingError {
        RingError::Area { area: "descriptor ring", address: self.areas.descriptors }
    }
}
