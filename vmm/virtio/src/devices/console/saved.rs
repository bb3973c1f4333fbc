//! A console in a saved VM.

use super::Console;
use super::port::SavedPort;
use crate::{Memory, readiness::ShownState};
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{self, ensure_same},
};

#[derive(Serialize, Deserialize)]
struct State {
    multiport: bool,
    /// Columns and rows.
    size: ShownState,
    ports: Vec<SavedPort>,
}

impl Console {
    pub(super) fn give_bytes(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        let ports = self.ports.iter_mut().map(|port| port.save()).collect();
        value::to_bytes(&State { multiport: self.multiport, size: self.size.save(), ports })
    }

    pub(super) fn take_bytes(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        let state: State = value::from_bytes(state)?;
        ensure_same(&state.ports.len(), &self.ports.len(), "number of ports")?;
        for (port, saved) in self.ports.iter_mut().zip(state.ports) {
            port.restore(saved, memory)?;
        }
        self.multiport = state.multiport;
        self.size.restore(state.size);
        // What was taken in from the host, and what it has a place for now.
        self.readiness.wake().map_err(|error| DeviceStateError::Host(error.kind()))
    }
}
