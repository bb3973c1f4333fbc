//! Split virtqueues (§ 2.7).
//!
//! Positions and rings are those of virtio-queue. Chains are walked here, because its walk ends where a chain is broken, and a
//! device must tell that from its end; and so is the flag by which a driver wants no interrupt, which it does not know.

mod wrong;

use super::{Areas, Chain, Element, RingError};
use crate::{
    Features, Memory,
    fault::{RingFault, RingFaults},
};
use std::{num::Wrapping, sync::atomic::Ordering};
use virtio_bindings::virtio_ring::VRING_AVAIL_F_NO_INTERRUPT;
use virtio_queue::{Queue, QueueT, desc::split::Descriptor};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};

/// Size of a descriptor in bytes.
const DESCRIPTOR_BYTES: u64 = 16;

/// A split virtqueue.
#[derive(Debug)]
pub struct Split {
    pub(super) queue: Queue,
    features: Features,
    faults: RingFaults,
}

impl Split {
    pub(super) fn new(memory: &Memory, size: u16, areas: Areas, features: Features) -> Result<Self, RingError> {
        let area = |area, address| move |_| RingError::Area { area, address };
        let mut queue = Queue::new(super::QUEUE_SIZE_MAX).map_err(|_| RingError::Size { size })?;
        queue.try_set_size(size).map_err(|_| RingError::Size { size })?;
        let Areas { descriptors, driver, device } = areas;
        queue.try_set_desc_table_address(GuestAddress(descriptors)).map_err(area("descriptor table", descriptors))?;
        queue.try_set_avail_ring_address(GuestAddress(driver)).map_err(area("available ring", driver))?;
        queue.try_set_used_ring_address(GuestAddress(device)).map_err(area("used ring", device))?;
        queue.set_event_idx(features.contains(Features::EVENT_IDX));
        queue.set_ready(true);
        // With the event at the end of each ring, which has its place whether it was negotiated or not.
        let size = u64::from(size);
        for (area, address, size_bytes) in [
            ("descriptor table", descriptors, DESCRIPTOR_BYTES * size),
            ("available ring", driver, 6 + 2 * size),
            ("used ring", device, 6 + 8 * size),
        ] {
            if !memory.check_range(GuestAddress(address), size_bytes as usize) {
                return Err(RingError::Area { area, address });
            }
        }
        Ok(Self { queue, features, faults: RingFaults::default() })
    }

    pub(super) fn pop(&mut self, memory: &Memory) -> Result<Option<Chain>, RingError> {
        let next = self.queue.next_avail();
        let index = self.queue.avail_idx(memory, Ordering::Acquire).map_err(|_| self.lost("available ring"))?;
        let available = index - Wrapping(next);
        let (next, available) = self.wrongly_next(next, available);
        if available.0 == 0 {
            return Ok(None);
        }
        if available.0 > self.queue.size() {
            return Err(RingError::AvailableIndex { index: index.0, next });
        }
        let place = next.wrapping_add(self.is_set(RingFault::HeadsOnePlaceOn).into()) % self.queue.size();
        let at = self.queue.avail_ring() + 4 + 2 * u64::from(place);
        let head: u16 = memory.read_obj(GuestAddress(at)).map_err(|_| self.lost("available ring"))?;
        let chain = self.walk(memory, u16::from_le(head))?;
        let chain = chain.with_faults(self.faults.buffer, self.is_set(RingFault::OrderReversed));
        self.queue.set_next_avail(next.wrapping_add(1));
        Ok(Some(chain))
    }

    fn walk(&self, memory: &Memory, head: u16) -> Result<Chain, RingError> {
        let mut chain = Chain::new(head);
        let (mut table, mut size) = (self.queue.desc_table(), u32::from(self.queue.size()));
        let (mut index, mut nr_steps, mut is_indirect) = (u32::from(head), 0, false);
        loop {
            if index >= size {
                return Err(RingError::Descriptor { index, size });
            }
            if nr_steps >= size {
                return Err(RingError::Loop { size });
            }
            let at = table + DESCRIPTOR_BYTES * u64::from(index);
            let descriptor: Descriptor = memory
                .read_obj(GuestAddress(at))
                .map_err(|_| RingError::Outside { address: at, size_bytes: DESCRIPTOR_BYTES })?;
            nr_steps += 1;
            let element = Element { address: descriptor.addr().0, size_bytes: descriptor.len() };
            if descriptor.refers_to_indirect_table() && !self.is_set(RingFault::IndirectIgnored) {
                if is_indirect {
                    return Err(RingError::Indirect { why: "within an indirect table" });
                }
                size = self.indirect(memory, element, descriptor.has_next())?;
                (table, index, nr_steps, is_indirect) = (element.address, 0, 0, true);
                continue;
            }
            chain.push(memory, element, self.faults.is_writable(descriptor.is_write_only()))?;
            if !descriptor.has_next() || self.faults.ends_early(is_indirect) {
                return Ok(chain);
            }
            index = if self.is_set(RingFault::NextIsBehind) { index + 1 } else { descriptor.next().into() };
        }
    }

    /// Descriptors of an indirect table.
    fn indirect(&self, memory: &Memory, table: Element, has_next: bool) -> Result<u32, RingError> {
        if !self.features.contains(Features::INDIRECT_DESC) {
            return Err(RingError::Indirect { why: "that was not negotiated" });
        }
        if has_next {
            return Err(RingError::Indirect { why: "with a next descriptor" });
        }
        indirect_size(memory, table, self.queue.size())
    }

    pub(super) fn complete(&mut self, memory: &Memory, chain: &Chain, written: u32) -> Result<(), RingError> {
        if let Some(fault) = self.faults.ring {
            return self.complete_wrongly(fault, memory, chain, written).map_err(|_| self.lost("used ring"));
        }
        self.queue.add_used(memory, chain.id, written).map_err(|_| self.lost("used ring"))
    }

    pub(super) fn wants_interrupt(&mut self, memory: &Memory) -> Result<bool, RingError> {
        let lost = self.lost("available ring");
        if let Some(fault) = self.faults.ring
            && let Some(wants) = self.wants_wrongly(fault, memory)
        {
            return wants.map_err(|_| lost);
        }
        if !self.features.contains(Features::EVENT_IDX) {
            // What was given back must be seen before the flag is read.
            std::sync::atomic::fence(Ordering::SeqCst);
            let flags: u16 = memory.load(GuestAddress(self.queue.avail_ring()), Ordering::Relaxed).map_err(|_| lost)?;
            return Ok(u32::from(u16::from_le(flags)) & VRING_AVAIL_F_NO_INTERRUPT == 0);
        }
        self.queue.needs_notification(memory).map_err(|_| lost)
    }

    pub(super) fn set_notifications(&mut self, memory: &Memory, wanted: bool) -> Result<bool, RingError> {
        let lost = self.lost("used ring");
        if self.is_set(RingFault::NeverWantsNotifications) {
            return self.queue.disable_notification(memory).map(|()| false).map_err(|_| lost);
        }
        match wanted {
            true if self.is_set(RingFault::WantsLater) => self.want_later(memory).map_err(|_| lost),
            true => self.queue.enable_notification(memory).map_err(|_| lost),
            false => self.queue.disable_notification(memory).map(|()| false).map_err(|_| lost),
        }
    }

    fn lost(&self, area: &'static str) -> RingError {
        let address = if area == "used ring" { self.queue.used_ring() } else { self.queue.avail_ring() };
        RingError::Area { area, address }
    }
}

/// Descriptors of an indirect table: as many as fill it, at least one and at most `size_max` (§ 2.7.5.3.1).
pub(super) fn indirect_size(memory: &Memory, table: Element, size_max: u16) -> Result<u32, RingError> {
    let Element { address, size_bytes } = table;
    let size = size_bytes / DESCRIPTOR_BYTES as u32;
    if size == 0 || !u64::from(size_bytes).is_multiple_of(DESCRIPTOR_BYTES) {
        return Err(RingError::Indirect { why: "whose size is not that of its descriptors" });
    }
    if size > size_max.into() {
        return Err(RingError::Indirect { why: "of more descriptors than the queue" });
    }
    if !memory.check_range(GuestAddress(address), size_bytes as usize) {
        return Err(RingError::Outside { address, size_bytes: size_bytes.into() });
    }
    Ok(size)
}
