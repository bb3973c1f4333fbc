//! Packed virtqueues that break a rule.

use super::{EVENTS_AT_DESCRIPTOR, EVENTS_DISABLED, Packed, USED, WRITE};
use crate::fault::{RingFault, RingFaults};

/// What a used descriptor tells: id, length and flags.
type Told = (u16, u32, u16);

impl Packed {
    pub(in crate::ring) fn set_faults(&mut self, faults: RingFaults) {
        self.faults = faults;
    }

    pub(super) fn is_set(&self, fault: RingFault) -> bool {
        fault.is_set(self.faults.ring)
    }

    /// Takes a change of a wrap counter back, if it must not change.
    pub(super) fn keep_wrap(&mut self, fault: RingFault) {
        if self.is_set(fault) {
            let position =
                if fault == RingFault::UsedWrapStays { &mut self.next_used } else { &mut self.next_available };
            position.wrap = true;
        }
    }

    /// What is told of a used buffer; nothing if it is not given back.
    pub(super) fn wrongly_told(&self, fault: RingFault, id: u16, written: u32, flags: u16) -> Option<Told> {
        let length = RingFault::length(Some(fault), written);
        Some(match fault {
            RingFault::NeverUsed => return None,
            RingFault::IdWrong => ((id + 1) % self.size, length, flags),
            RingFault::UsedMarkMissing => (id, length, flags ^ USED),
            RingFault::WriteFlagMissing => (id, length, flags & !WRITE),
            _ => (id, length, flags),
        })
    }

    /// What the driver is taken to want: event and flags.
    pub(super) fn wrongly_wanted(&self, fault: RingFault, event: u16, flags: u16) -> (u16, u16) {
        // The position one on or back, with the wrap counter, which changes at the end of the ring.
        let moved = |by: i32| {
            let (index, wrap) = (i32::from(event & 0x7fff), event >> 15);
            let to = index + by;
            let is_round = to < 0 || to >= i32::from(self.size);
            to.rem_euclid(i32::from(self.size)) as u16 | (wrap ^ u16::from(is_round)) << 15
        };
        match fault {
            RingFault::NeverInterrupts => (event, EVENTS_DISABLED),
            RingFault::AlwaysInterrupts => (event, 0),
            RingFault::EventLate if flags == EVENTS_AT_DESCRIPTOR => (moved(1), flags),
            RingFault::EventEarly if flags == EVENTS_AT_DESCRIPTOR => (moved(-1), flags),
            _ => (event, flags),
        }
    }
}
