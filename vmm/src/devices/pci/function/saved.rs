//! A virtio device in a slot of a saved VM.

use super::{Pins, Shared};
use crate::devices::QueueEvents;
use ::pci::{Function, Slot};
use std::sync::PoisonError;
use vm_state::DeviceStateError;

impl Shared {
    /// Finishes what is under way: notifications that came as events are seen, and messages have arrived.
    pub(super) fn quiesce(&self) {
        let mut state = self.state();
        let queues = state.events.as_ref().map_or(0, QueueEvents::all);
        state.function.quiesce_queues(queues);
        if let Err(failure) = self.send(&mut state) {
            self.failures.add(failure);
        }
        state.messages.settle();
    }

    /// Takes the device to a saved state; its interrupts are where they were.
    pub(super) fn restore(&self, saved: &[u8]) -> Result<(), DeviceStateError> {
        let mut state = self.state();
        state.function.restore(saved)?;
        state.place_events();
        if let Some(slot) = self.slot.get() {
            self.pins.restore(*slot, state.function.is_pin_asserted());
        }
        state.signal_unfinished();
        Ok(())
    }
}

impl super::State {
    /// Where notifications are events, what the device did not come to the end of is looked after when the VM runs.
    fn signal_unfinished(&mut self) {
        if let Some(events) = &self.events {
            events.signal(self.function.take_unfinished());
        }
    }
}

impl Pins {
    /// Says what a slot does to its line, of which the interrupt controllers know.
    fn restore(&self, slot: Slot, asserted: bool) {
        let mut all = self.asserted.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = &mut all[usize::from(slot.device() % super::NR_LINES)];
        *slots = *slots & !(1 << slot.device()) | u32::from(asserted) << slot.device();
    }
}
