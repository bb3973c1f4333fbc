//! A disk in a saved VM.

use super::{Block, ID_BYTES};
use crate::disk::DiskState;
use serde::{Deserialize, Serialize};
use vm_state::{
    DeviceStateError,
    value::{self, ensure_same},
};

#[derive(Serialize, Deserialize)]
struct State {
    id: [u8; ID_BYTES],
    is_write_back: bool,
    /// Size as the driver was told.
    capacity_bytes: u64,
    disk: DiskState,
}

impl Block {
    pub(super) fn give_bytes(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        let disk = DiskState::of(&mut **self.disk.lock())?;
        value::to_bytes(&State {
            id: self.id,
            is_write_back: self.is_write_back,
            capacity_bytes: self.capacity_bytes,
            disk,
        })
    }

    pub(super) fn take_bytes(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        let State { id, is_write_back, capacity_bytes, disk } = value::from_bytes(state)?;
        ensure_same(&id, &self.id, "identification of its disk")?;
        disk.restore(&mut **self.disk.lock())?;
        (self.is_write_back, self.capacity_bytes) = (is_write_back, capacity_bytes);
        // It may not have been told of the last change yet.
        if let Some(resized) = &self.resized {
            resized.tell();
        }
        Ok(())
    }
}
