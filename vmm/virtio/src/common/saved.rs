//! What every device has, in a saved VM.

use super::{Common, Interrupts, Status};
use crate::{
    Features, Ring, RingError,
    ring::{Areas, RingState},
};
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{ensure, ensure_same},
};

/// How often a device is called at most, before it is saved, because it did not come to the end of its queues. What is left then
/// is saved as that.
const TURNS_MAX: u32 = 64;

/// A device in a saved VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommonState {
    kind: u16,
    status: u8,
    accepted: u64,
    queues: Vec<QueueState>,
    generation: u8,
    /// Interrupts that are due: queues, and whether one of the configuration is.
    due: (u64, bool),
    unfinished: u64,
    /// What the kind of device gave.
    device: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct QueueState {
    size_max: u16,
    size: u16,
    enabled: bool,
    areas: [u64; 3],
    /// Where it is in use.
    ring: Option<RingState>,
}

impl Common {
    /// Finishes what is under way, because the device is about to be saved and its driver stands still: what is in `queues`, a bit
    /// each, and what the other side has.
    pub fn quiesce(&mut self, queues: u64) {
        let mut queues = queues | self.take_unfinished();
        self.wake();
        for _ in 0..TURNS_MAX {
            (0..self.queues.len()).filter(|queue| queues >> queue & 1 != 0).for_each(|queue| self.notify(queue));
            queues = self.take_unfinished();
            if queues == 0 {
                return;
            }
        }
        self.unfinished = queues;
    }

    /// What is kept of it in a saved VM.
    ///
    /// # Errors
    /// If its kind cannot be saved, or its data could not be written.
    pub fn save(&mut self) -> Result<CommonState, DeviceStateError> {
        let queues = self.queues.iter().zip(&self.rings).map(|(registers, ring)| QueueState {
            size_max: registers.size_max,
            size: registers.size,
            enabled: registers.enabled,
            areas: [registers.areas.descriptors, registers.areas.driver, registers.areas.device],
            ring: ring.as_ref().map(Ring::save),
        });
        Ok(CommonState {
            kind: self.device.kind().id(),
            status: self.status.bits(),
            accepted: self.accepted,
            queues: queues.collect(),
            generation: self.generation,
            due: (self.interrupts.queues, self.interrupts.config),
            unfinished: self.unfinished,
            device: self.device.save()?,
        })
    }

    /// Takes it, as it was made, to a saved state. After an error it is of no use.
    ///
    /// # Errors
    /// If that is not the state of such a device, or one that it cannot be in.
    pub fn restore(&mut self, state: &CommonState) -> Result<(), DeviceStateError> {
        ensure_same(&state.kind, &self.device.kind().id(), "kind")?;
        let sizes = state.queues.iter().map(|queue| queue.size_max);
        ensure_same(&sizes.eq(self.device.queue_sizes().iter().copied()), &true, "number or size of queues")?;
        self.status = Status::from_bits(state.status).ok_or(DeviceStateError::Contents)?;
        (self.accepted, self.generation) = (state.accepted, state.generation);
        let (is_settled, is_ready) =
            (self.status.contains(Status::FEATURES_OK), self.status.contains(Status::DRIVER_OK));
        ensure(is_settled || !is_ready)?;
        ensure_same(&(!is_settled || self.settle()), &true, "set of features")?;
        let all = u64::MAX.checked_shr(64 - self.queues.len() as u32).unwrap_or(0);
        ensure((state.due.0 | state.unfinished) & !all == 0)?;
        self.interrupts = Interrupts { queues: state.due.0, config: state.due.1 };
        self.unfinished = state.unfinished;
        let is_broken = self.status.contains(Status::NEEDS_RESET);
        self.broken = is_broken.then_some(RingError::Earlier);
        for (queue, saved) in state.queues.iter().enumerate() {
            self.restore_queue(queue, saved)?;
            // One that the driver set up wrongly has none.
            ensure(saved.ring.is_some() == (saved.enabled && is_ready) || is_broken && saved.ring.is_none())?;
        }
        self.device.restore(&state.device, &self.memory)
    }

    fn restore_queue(&mut self, queue: usize, saved: &QueueState) -> Result<(), DeviceStateError> {
        let [descriptors, driver, device] = saved.areas;
        let registers = &mut self.queues[queue];
        (registers.size, registers.enabled) = (saved.size, saved.enabled);
        registers.areas = Areas { descriptors, driver, device };
        let place = (registers.size, registers.areas);
        let features = Features::from_bits_truncate(self.accepted);
        let restore = |state| Ring::restore(&self.memory, place, features, state);
        self.rings[queue] = saved.ring.map(restore).transpose()?;
        Ok(())
    }
}
