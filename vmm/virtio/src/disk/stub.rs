//! A disk for tests of devices: it fails when it is told to, and says what it was asked.

use super::{Disk, MemoryDisk};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

/// What is shared with the test.
#[derive(Default)]
pub(crate) struct State {
    /// What reads and flushes fail by.
    pub(crate) reads_fail: Option<io::ErrorKind>,
    /// From which offset on writes fail, as on a full disk.
    pub(crate) full_from: Option<u64>,
    pub(crate) nr_flushes: u32,
    /// Ranges of zeros with whether they may be unmapped, and discarded ones with none.
    pub(crate) changes: Vec<(u64, u64, Option<bool>)>,
}

/// The disk; a clone has a copy of the data and the same state.
#[derive(Clone)]
pub(crate) struct StubDisk {
    disk: MemoryDisk,
    state: Arc<Mutex<State>>,
}

impl StubDisk {
    /// One whose sectors hold their own number in each byte.
    pub(crate) fn new(nr_sectors: u64, is_read_only: bool) -> Self {
        let bytes = (0..nr_sectors * 512).map(|at| (at / 512) as u8).collect();
        Self { disk: MemoryDisk::new(bytes, is_read_only), state: Arc::default() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    fn may_read(&self) -> io::Result<()> {
        self.state().reads_fail.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn may_write(&self, end: u64) -> io::Result<()> {
        let is_full = self.state().full_from.is_some_and(|full_from| end > full_from);
        if is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Disk for StubDisk {
    fn size_bytes(&self) -> u64 {
        self.disk.size_bytes()
    }

    fn is_read_only(&self) -> bool {
        self.disk.is_read_only()
    }

    fn read_at(&mut self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        self.may_read()?;
        self.disk.read_at(offset, data)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.may_write(offset + data.len() as u64)?;
        self.disk.write_at(offset, data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.may_read()?;
        self.state().nr_flushes += 1;
        Ok(())
    }

    fn write_zeroes(&mut self, offset: u64, size_bytes: u64, may_unmap: bool) -> io::Result<()> {
        self.may_write(offset + size_bytes)?;
        self.state().changes.push((offset, size_bytes, Some(may_unmap)));
        self.disk.write_zeroes(offset, size_bytes, may_unmap)
    }

    fn resize(&mut self, size_bytes: u64) -> io::Result<()> {
        self.may_write(size_bytes)?;
        self.disk.resize(size_bytes)
    }

    fn discard(&mut self, offset: u64, size_bytes: u64) -> io::Result<()> {
        self.may_write(offset + size_bytes)?;
        self.state().changes.push((offset, size_bytes, None));
        Ok(())
    }
}
