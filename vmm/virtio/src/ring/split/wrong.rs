//! Split virtqueues that break a rule.

use super::{Chain, Split};
use crate::{
    Features, Memory,
    fault::{RingFault, RingFaults},
    ring::passes,
};
use std::{num::Wrapping, sync::atomic::Ordering};
use virtio_bindings::virtio_ring::VRING_AVAIL_F_NO_INTERRUPT;
use virtio_queue::{Error, QueueT};
use vm_memory::{Bytes, GuestAddress};

/// Size of a used element in bytes.
const ELEMENT_BYTES: u64 = 8;

impl RingFaults {
    /// Whether a descriptor is taken for one that can be written.
    pub(in crate::ring) fn is_writable(self, is_told: bool) -> bool {
        is_told && self.ring != Some(RingFault::WriteIgnored) || self.ring == Some(RingFault::ReadWritten)
    }

    /// Whether a chain is taken to end though it goes on.
    pub(in crate::ring) fn ends_early(self, is_indirect: bool) -> bool {
        match self.ring {
            Some(RingFault::NextIgnored) => !is_indirect,
            Some(RingFault::IndirectFirstOnly) => is_indirect,
            _ => false,
        }
    }
}

impl Split {
    pub(in crate::ring) fn set_faults(&mut self, faults: RingFaults) {
        self.faults = faults;
    }

    pub(super) fn is_set(&self, fault: RingFault) -> bool {
        fault.is_set(self.faults.ring)
    }

    /// Which place of the available ring comes next, and how many buffers are available from there.
    pub(super) fn wrongly_next(&mut self, next: u16, available: Wrapping<u16>) -> (u16, Wrapping<u16>) {
        match self.faults.ring {
            Some(RingFault::OneTooMany) if available.0 == 0 && next % 2 == 1 => (next, Wrapping(1)),
            // What comes alone is not left out: a device that does nothing at all breaks other rules.
            Some(RingFault::FirstLeftOut) if available.0 > 1 => {
                self.queue.set_next_avail(next.wrapping_add(1));
                (next.wrapping_add(1), available - Wrapping(1))
            }
            _ => (next, available),
        }
    }

    /// Gives a buffer back as it must not be.
    pub(super) fn complete_wrongly(
        &mut self,
        fault: RingFault,
        memory: &Memory,
        chain: &Chain,
        written: u32,
    ) -> Result<(), Error> {
        let (size, before) = (self.queue.size(), self.queue.next_used());
        let written = RingFault::length(Some(fault), written);
        let element = |place: u16| GuestAddress(self.queue.used_ring() + 4 + ELEMENT_BYTES * u64::from(place % size));
        let (here, next) = (element(before), element(before.wrapping_add(1)));
        let show = |queue: &virtio_queue::Queue, index: u16| {
            let at = GuestAddress(queue.used_ring() + 2);
            memory.store(index.to_le(), at, Ordering::Release).map_err(Error::GuestMemory)
        };
        let count = |queue: &mut virtio_queue::Queue, index: u16| {
            queue.set_next_used(index);
            show(queue, index)
        };
        match fault {
            RingFault::NeverUsed => return Ok(()),
            RingFault::IdWrong => self.queue.add_used(memory, (chain.id + 1) % size, written)?,
            _ => self.queue.add_used(memory, chain.id, written)?,
        }
        let shown = [u32::from(chain.id).to_le(), written.to_le()];
        let put = |at: GuestAddress, shown: [u32; 2]| memory.write_obj(shown, at).map_err(Error::GuestMemory);
        match fault {
            RingFault::UsedTwice => self.queue.add_used(memory, chain.id, written),
            RingFault::UsedIndexTwice => count(&mut self.queue, before.wrapping_add(2)),
            RingFault::UsedIndexStays => count(&mut self.queue, before),
            RingFault::UsedIndexWrapsEarly => show(&self.queue, before.wrapping_add(1) & 0x7fff),
            RingFault::UsedIndexSaturates => show(&self.queue, before.saturating_add(1)),
            RingFault::UsedElementMissing => put(here, [u32::from(size); 2]),
            RingFault::UsedElementElsewhere => put(here, [u32::from(size); 2]).and_then(|()| put(next, shown)),
            _ => Ok(()),
        }
    }

    /// Whether the driver is interrupted, if that is what is wrong.
    pub(super) fn wants_wrongly(&mut self, fault: RingFault, memory: &Memory) -> Option<Result<bool, Error>> {
        let has_events = self.features.contains(Features::EVENT_IDX);
        let (ring, size) = (self.queue.avail_ring(), u64::from(self.queue.size()));
        let read = |offset| {
            memory
                .load::<u16>(GuestAddress(ring + offset), Ordering::Relaxed)
                .map(u16::from_le)
                .map_err(Error::GuestMemory)
        };
        // As if each buffer were told alone.
        let new = self.queue.next_used();
        let passes_by = |by: u16| {
            let event = read(4 + 2 * size)?;
            Ok(passes(event.wrapping_add(by), new, new.wrapping_sub(1)))
        };
        match fault {
            RingFault::NeverInterrupts => Some(Ok(false)),
            RingFault::AlwaysInterrupts => Some(Ok(true)),
            RingFault::EventLate if has_events => Some(passes_by(1)),
            RingFault::EventEarly if has_events => Some(passes_by(u16::MAX)),
            RingFault::EventUnwrapped if has_events => {
                let wants = self.queue.needs_notification(memory);
                Some(wants.and_then(|wants| Ok(wants && read(4 + 2 * size)? < new)))
            }
            RingFault::EventCountsAlways if !has_events => Some(passes_by(0)),
            RingFault::FlagCountsWithEvents if has_events => match read(0) {
                Ok(flags) if u32::from(flags) & VRING_AVAIL_F_NO_INTERRUPT != 0 => Some(Ok(false)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            },
            _ => None,
        }
    }

    /// Wants to hear only of the buffer behind the next one, without a look whether one came.
    pub(super) fn want_later(&mut self, memory: &Memory) -> Result<bool, Error> {
        let came = self.queue.enable_notification(memory)?;
        let event = self.queue.used_ring() + 4 + ELEMENT_BYTES * u64::from(self.queue.size());
        let later = self.queue.next_avail().wrapping_add(1);
        memory.store(later.to_le(), GuestAddress(event), Ordering::Release).map_err(Error::GuestMemory)?;
        Ok(came)
    }
}
