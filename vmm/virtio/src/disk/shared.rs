//! A disk that its device and the host's side of it have, and that can get another size.

use super::{Disk, SECTOR_BYTES};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A disk for two; a clone is the same disk.
#[derive(Clone)]
pub(crate) struct SharedDisk(Arc<Mutex<Box<dyn Disk>>>);

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
    #[error("what the disk's data are in cannot have another size")]
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

impl SharedDisk {
    pub(crate) fn new(disk: Box<dyn Disk>) -> Self {
        Self(Arc::new(Mutex::new(disk)))
    }

    /// The disk, while no request is under way.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Box<dyn Disk>> {
        // Disks do not panic; what one did before is what stands in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it another size: sectors behind the new end are lost, and new ones read as zeros. Requests that are under way are done
    /// before.
    pub(crate) fn resize(&self, size_bytes: u64) -> Result<(), ResizeError> {
        if size_bytes == 0 || !size_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(ResizeError::Size { size_bytes });
        }
        let mut disk = self.lock();
        if disk.is_read_only() {
            return Err(ResizeError::ReadOnly);
        }
        disk.resize(size_bytes).map_err(|source| match source.kind() {
            io::ErrorKind::Unsupported => ResizeError::Fixed,
            _ => ResizeError::Host { size_bytes, source },
        })
    }
}
