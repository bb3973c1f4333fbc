//! Queues that are in use, and buffers that a device holds, in a saved VM.

use super::{Areas, Chain, Element, QUEUE_SIZE_MAX, Ring, packed::Position};
use crate::{Features, Memory};
use serde::{Deserialize, Serialize};
use virtio_queue::QueueT;
use vm_state::{DeviceStateError, value::ensure};

/// How far a queue is, in a saved VM. Where it lies and what was negotiated is kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RingState {
    /// § 2.7: the next entries of the available ring and of the used ring.
    Split {
        /// Of the available ring.
        next_available: u16,
        /// Of the used ring.
        next_used: u16,
    },
    /// § 2.8: the next descriptors to be taken and to be given back, each with the wrap counter.
    Packed {
        /// To be taken.
        next_available: (u16, bool),
        /// To be given back.
        next_used: (u16, bool),
    },
}

impl Ring {
    /// What is kept of it in a saved VM.
    pub fn save(&self) -> RingState {
        match self {
            Self::Split(ring) => {
                RingState::Split { next_available: ring.queue.next_avail(), next_used: ring.queue.next_used() }
            }
            Self::Packed(ring) => RingState::Packed {
                next_available: (ring.next_available.index, ring.next_available.wrap),
                next_used: (ring.next_used.index, ring.next_used.wrap),
            },
        }
    }

    /// The queue that a driver had set up.
    ///
    /// # Errors
    /// If it cannot be where it is said to be, or cannot be so far.
    pub fn restore(
        memory: &Memory,
        (size, areas): (u16, Areas),
        features: Features,
        state: RingState,
    ) -> Result<Self, DeviceStateError> {
        let mut ring = Self::new(memory, size, areas, features).map_err(|_| DeviceStateError::Contents)?;
        match (&mut ring, state) {
            (Self::Split(ring), RingState::Split { next_available, next_used }) => {
                ring.queue.set_next_avail(next_available);
                ring.queue.set_next_used(next_used);
            }
            (Self::Packed(ring), RingState::Packed { next_available, next_used }) => {
                ensure(next_available.0 < size && next_used.0 < size)?;
                let position = |(index, wrap)| Position { index, wrap };
                (ring.next_available, ring.next_used) = (position(next_available), position(next_used));
            }
            _ => return Err(DeviceStateError::Contents),
        }
        Ok(ring)
    }
}

/// A buffer that a device holds, in a saved VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainState {
    id: u16,
    nr_descriptors: u16,
    /// Addresses and sizes.
    readable: Vec<(u64, u32)>,
    writable: Vec<(u64, u32)>,
}

impl Chain {
    /// What is kept of it in a saved VM.
    pub fn save(&self) -> ChainState {
        let all = |elements: &[Element]| elements.iter().map(|element| (element.address, element.size_bytes)).collect();
        let (readable, writable) = (all(self.readable()), all(self.writable()));
        ChainState { id: self.id, nr_descriptors: self.nr_descriptors, readable, writable }
    }

    /// The buffer that was saved.
    ///
    /// # Errors
    /// If there can be no such buffer in this memory.
    pub fn restore(memory: &Memory, state: &ChainState) -> Result<Self, DeviceStateError> {
        // The descriptors of a ring may end with a table that has as many.
        let nr_elements_max = 2 * usize::from(QUEUE_SIZE_MAX);
        ensure(state.nr_descriptors <= QUEUE_SIZE_MAX)?;
        ensure(state.readable.len() + state.writable.len() <= nr_elements_max)?;
        let mut chain = Self::new(state.id);
        chain.nr_descriptors = state.nr_descriptors;
        for (elements, is_writable) in [(&state.readable, false), (&state.writable, true)] {
            for (address, size_bytes) in elements.iter().copied() {
                let element = Element { address, size_bytes };
                chain.push(memory, element, is_writable).map_err(|_| DeviceStateError::Contents)?;
            }
        }
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Driver, Layout, QUEUE_SIZE, areas, memory};

    #[test]
    fn a_ring_goes_on_where_it_was_saved() {
        for layout in Layout::all() {
            let mut driver = Driver::new(memory(), layout, 1);
            let memory = driver.memory.clone();
            let place = (QUEUE_SIZE, areas(0));
            let mut ring = Ring::new(&memory, place.0, place.1, layout.features()).unwrap();
            // More than a round, each time with one that the device holds while it is saved.
            for _ in 0..2 * QUEUE_SIZE {
                let request = driver.submit(0, &[b"ab", b"c"], &[3, 4]);
                let held = ring.pop(&memory).unwrap().unwrap();
                let (state, chain) = (ring.save(), held.save());
                ring = Ring::restore(&memory, place, layout.features(), state).unwrap();
                let restored = Chain::restore(&memory, &chain).unwrap();
                assert_eq!((&restored, ring.save()), (&held, state), "{layout:?}");
                ring.complete(&memory, &restored, 7).unwrap();
                assert_eq!(driver.used(0), Some((request.id, 7)), "{layout:?}");
                assert!(ring.pop(&memory).unwrap().is_none());
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let memory = memory();
        let restore = |packed, size, state| {
            let features = Layout { packed, indirect: false, event_index: false }.features();
            Ring::restore(&memory, (size, areas(0)), features, state).is_ok()
        };
        let split = RingState::Split { next_available: u16::MAX, next_used: 7 };
        let packed = |index| RingState::Packed { next_available: (index, true), next_used: (15, false) };
        assert!(restore(false, 16, split) && restore(true, 16, packed(15)));
        assert!(!restore(true, 16, split) && !restore(false, 16, packed(15)) && !restore(true, 16, packed(16)));
        assert!(!restore(false, 0, split) && !restore(true, 1025, packed(0)));
        let whole = ChainState { id: 0, nr_descriptors: 1, readable: vec![], writable: vec![(0, 4)] };
        assert!(Chain::restore(&memory, &whole).is_ok());
        for wrong in [
            ChainState { nr_descriptors: 1025, ..whole.clone() },
            ChainState { writable: vec![(1 << 20, 1)], ..whole.clone() },
            ChainState { readable: vec![(0, 0); 2048], ..whole },
        ] {
            assert_eq!(Chain::restore(&memory, &wrong), Err(DeviceStateError::Contents));
        }
    }
}
