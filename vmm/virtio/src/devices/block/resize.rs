//! Disks that get another size while the driver uses them (§ 5.2.5 "Device Initialization": capacity is told anew by a notification of
//! a change of the configuration).

use super::Block;
use crate::{
    disk::{Disk, SECTOR_BYTES},
    readiness::Setting,
};
use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A disk that its device and the host's side of it have.
#[derive(Clone)]
pub(super) struct SharedDisk(Arc<Mutex<Box<dyn Disk>>>);

impl SharedDisk {
    pub(super) fn new(disk: Box<dyn Disk>) -> Self {
        Self(Arc::new(Mutex::new(disk)))
    }

    /// The disk, while no request is under way.
    pub(super) fn lock(&self) -> MutexGuard<'_, Box<dyn Disk>> {
        // Disks do not panic; what one did before is what stands in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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

/// Why a disk keeps its size.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError {
    /// It has whole sectors, and one at least.
    #[error("a disk of {size_bytes} bytes: it has to be a multiple of 512, and not 0")]
    Size {
        /// The size that was asked for.
        size_bytes: u64,
    },
    /// Nobody may write it.
    #[error("the disk is read-only")]
    ReadOnly,
    /// What its data are in has the size that it has.
    #[error("only disks whose file holds their bytes as they are can have another size")]
    Fixed,
    /// The host refuses.
    #[error("the disk cannot have {size_bytes} bytes")]
    Host {
        /// The size that was asked for.
        size_bytes: u64,
        /// Why.
        source: io::Error,
    },
}

impl BlockControl {
    /// Gives the disk another size: sectors behind the new end are lost, and new ones read as zeros. Requests that are under way are
    /// done before. The driver, once there is one, is told some time later; until then it reaches what both sizes have.
    ///
    /// # Errors
    /// See [`ResizeError`]; then nothing has changed.
    pub fn resize(&self, size_bytes: u64) -> Result<(), ResizeError> {
        if size_bytes == 0 || !size_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(ResizeError::Size { size_bytes });
        }
        let mut disk = self.disk.lock();
        if disk.is_read_only() {
            return Err(ResizeError::ReadOnly);
        }
        disk.resize(size_bytes).map_err(|source| match source.kind() {
            io::ErrorKind::Unsupported => ResizeError::Fixed,
            _ => ResizeError::Host { size_bytes, source },
        })?;
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
