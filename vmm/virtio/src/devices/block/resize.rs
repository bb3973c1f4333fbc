//! Disks that get another size while the driver uses them (§ 5.2.5 "Device Initialization": capacity is told anew by a notification of
//! a change of the configuration).

use super::Block;
use crate::{
    disk::{ResizeError, SharedDisk},
    readiness::Setting,
};
use std::{
    io,
    os::fd::{AsRawFd, RawFd},
};

/// Tells a device that its disk has another size.
#[derive(Clone)]
pub(super) struct Resized(Setting);

impl Resized {
    pub(super) fn tell(&self) {
        self.0.set(1);
    }

    /// Whether it was told since this was last asked.
    pub(super) fn take(&self) -> bool {
        self.0.was_set()
    }
}

impl AsRawFd for Resized {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// The host's side of a block device, for any thread.
#[derive(Clone)]
pub struct BlockControl {
    disk: SharedDisk,
    resized: Resized,
}

impl BlockControl {
    /// Gives the disk another size: sectors behind the new end are lost, and new ones read as zeros. Requests that are under way are
    /// done before. The driver, once there is one, is told some time later; until then it reaches what both sizes have.
    ///
    /// # Errors
    /// See [`ResizeError`]; then nothing has changed.
    pub fn resize(&self, size_bytes: u64) -> Result<(), ResizeError> {
        self.disk.resize(size_bytes)?;
        self.resized.tell();
        Ok(())
    }
}

impl Block {
    /// The host's side.
    ///
    /// # Errors
    /// If there are no more descriptors.
    pub fn control(&mut self) -> io::Result<BlockControl> {
        let resized = match &self.resized {
            Some(resized) => resized.clone(),
            None => self.resized.insert(Resized(Setting::new(0)?)).clone(),
        };
        Ok(BlockControl { disk: self.disk.clone(), resized })
    }

    /// Shows the driver the size that the disk has; whether it is another one.
    pub(super) fn take_size(&mut self) -> bool {
        let before = std::mem::replace(&mut self.capacity_bytes, self.disk.lock().size_bytes());
        before != self.capacity_bytes
    }
}
