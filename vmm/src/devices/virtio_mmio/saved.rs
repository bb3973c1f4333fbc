//! A virtio device behind memory-mapped registers in a saved VM.

use super::Connected;
use crate::devices::QueueEvents;
use vm_state::DeviceStateError;

impl Connected {
    /// Finishes what is under way: notifications that came as events are seen.
    pub(super) fn quiesce(&self) -> Result<(), DeviceStateError> {
        let mut state = self.state();
        let queues = state.events.as_ref().map_or(0, QueueEvents::all);
        state.mmio.quiesce(queues);
        self.drive(&mut state).map_err(|_| DeviceStateError::Interrupt)
    }

    /// Takes the device to a saved state; its interrupt line is where it was.
    pub(super) fn restore(&self, saved: &[u8]) -> Result<(), DeviceStateError> {
        let mut state = self.state();
        state.mmio.restore(saved)?;
        state.is_asserted = state.mmio.is_asserted();
        let state = &mut *state;
        if let Some(events) = &state.events {
            // What the device did not come to the end of is looked after when the VM runs.
            events.signal(state.mmio.take_unfinished());
        }
        Ok(())
    }
}
