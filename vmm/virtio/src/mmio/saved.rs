//! A device with its registers in a saved VM.

use super::{CONFIGURATION_CHANGE, Mmio, USED_BUFFER};
use crate::common::CommonState;
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{self, ensure},
};

#[derive(Serialize, Deserialize)]
struct State {
    device_features_select: u32,
    driver_features_select: u32,
    queue_select: u32,
    interrupt_status: u32,
    common: CommonState,
}

impl Mmio {
    /// As [`crate::Common::quiesce`].
    pub fn quiesce(&mut self, queues: u64) {
        self.common.quiesce(queues);
        self.collect();
    }

    /// What is kept of it in a saved VM.
    ///
    /// # Errors
    /// As [`crate::Common::save`].
    pub fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        value::to_bytes(&State {
            device_features_select: self.device_features_select,
            driver_features_select: self.driver_features_select,
            queue_select: self.queue_select,
            interrupt_status: self.interrupt_status,
            common: self.common.save()?,
        })
    }

    /// Takes it, as it was made, to a state that [`Self::save`] gave. After an error it is of no use.
    ///
    /// # Errors
    /// As [`crate::Common::restore`].
    pub fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        let state: State = value::from_bytes(state)?;
        ensure(state.interrupt_status & !(USED_BUFFER | CONFIGURATION_CHANGE) == 0)?;
        self.common.restore(&state.common)?;
        (self.device_features_select, self.driver_features_select) =
            (state.device_features_select, state.driver_features_select);
        (self.queue_select, self.interrupt_status) = (state.queue_select, state.interrupt_status);
        Ok(())
    }
}
