//! One port in a saved VM.

use super::PortState;
use crate::{
    Chain, Memory,
    devices::console::control::{Event, Owed},
    ring::ChainState,
};
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{ensure, ensure_same},
};

/// Bytes of the host that are taken in at most, because its end is opened anew: more than a socket holds.
const INPUT_BYTES_MAX: usize = 1 << 20;

/// A port in a saved VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::devices::console) struct SavedPort {
    name: Option<String>,
    is_console: bool,
    is_connected: bool,
    is_ready: bool,
    is_open: bool,
    owed: u16,
    /// A buffer that the channel has not taken all of, and how much it took.
    output: Option<(ChainState, u64)>,
    /// What the host sent.
    input: Vec<u8>,
}

impl PortState {
    pub(in crate::devices::console) fn save(&mut self) -> SavedPort {
        let is_connected = self.is_connected();
        let mut bytes = [0; super::PIECE_BYTES];
        while self.input.len() < INPUT_BYTES_MAX {
            let Some(size) = self.channel.read(&mut bytes) else { break };
            self.input.extend(&bytes[..size]);
        }
        SavedPort {
            name: self.name.clone(),
            is_console: self.is_console,
            is_connected,
            is_ready: self.is_ready,
            is_open: self.is_open,
            owed: self.owed.bits(),
            output: self.output.as_ref().map(|(chain, done)| (chain.save(), *done)),
            input: self.input.clone(),
        }
    }

    pub(in crate::devices::console) fn restore(
        &mut self,
        saved: SavedPort,
        memory: &Memory,
    ) -> Result<(), DeviceStateError> {
        ensure_same(&saved.name, &self.name, "name of a port")?;
        ensure_same(&saved.is_console, &self.is_console, "kind of port")?;
        // A piece may have come when it was nearly full.
        ensure(saved.input.len() < INPUT_BYTES_MAX + super::PIECE_BYTES)?;
        self.owed = Owed::from_bits(saved.owed).ok_or(DeviceStateError::Contents)?;
        self.output = match &saved.output {
            Some((chain, done)) => {
                let chain = Chain::restore(memory, chain)?;
                ensure(*done <= chain.readable_bytes())?;
                Some((chain, *done))
            }
            None => None,
        };
        (self.is_ready, self.is_open, self.input) = (saved.is_ready, saved.is_open, saved.input);
        // The host's end was opened anew.
        if saved.is_connected != self.is_connected() && self.is_ready {
            self.owed.add(Event::PortOpen);
        }
        Ok(())
    }
}
