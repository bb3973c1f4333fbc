//! Sockets in a saved VM: none of the connections outlives it, which its driver is told (§ 5.10.6.7).

use super::Socket;
use crate::{Chain, Memory, ring::ChainState};
use serde::{Deserialize, Serialize};
use vm_state::{DeviceStateError, value};

#[derive(Serialize, Deserialize)]
struct State {
    /// Whether there is a driver that could have connections.
    is_started: bool,
    /// The buffer that there was no packet for.
    room: Option<ChainState>,
}

impl Socket {
    pub(super) fn give_bytes(&self) -> Result<Vec<u8>, DeviceStateError> {
        value::to_bytes(&State { is_started: self.is_started, room: self.room.as_ref().map(Chain::save) })
    }

    pub(super) fn take_bytes(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        let State { is_started, room } = value::from_bytes(state)?;
        self.room = room.map(|chain| Chain::restore(memory, &chain)).transpose()?;
        self.is_started = is_started;
        if is_started {
            self.moved.reset();
        }
        Ok(())
    }
}
