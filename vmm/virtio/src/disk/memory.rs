//! A disk in memory.

use super::{Disk, SECTOR_BYTES};
use std::io;

/// A disk in memory, which is lost with the VM.
#[derive(Clone, Debug)]
pub struct MemoryDisk {
    bytes: Vec<u8>,
    is_read_only: bool,
}

impl MemoryDisk {
    /// One with these bytes, without those behind the last whole sector.
    pub fn new(mut bytes: Vec<u8>, is_read_only: bool) -> Self {
        bytes.truncate(bytes.len() - bytes.len() % SECTOR_BYTES as usize);
        Self { bytes, is_read_only }
    }

    /// The bytes of a range.
    fn range(&mut self, offset: u64, size: u64) -> io::Result<&mut [u8]> {
        let range = usize::try_from(offset).ok().zip(offset.checked_add(size).and_then(|end| end.try_into().ok()));
        let bytes = range.and_then(|(start, end)| self.bytes.get_mut(start..end));
        bytes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Disk for MemoryDisk {
    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn read_at(&mut self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        data.copy_from_slice(self.range(offset, data.len() as u64)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.range(offset, data.len() as u64)?.copy_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn write_zeroes(&mut self, offset: u64, size_bytes: u64, _: bool) -> io::Result<()> {
        self.range(offset, size_bytes)?.fill(0);
        Ok(())
    }

    fn discard(&mut self, offset: u64, size_bytes: u64) -> io::Result<()> {
        self.range(offset, size_bytes).map(|_| ())
    }

    fn resize(&mut self, size_bytes: u64) -> io::Result<()> {
        let size = usize::try_from(size_bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let more = size.saturating_sub(self.bytes.len());
        self.bytes.try_reserve_exact(more).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.bytes.resize(size, 0);
        Ok(())
    }

    fn contents(&self) -> Option<&[u8]> {
        Some(&self.bytes)
    }

    fn set_contents(&mut self, contents: &[u8]) -> io::Result<()> {
        if !contents.len().is_multiple_of(SECTOR_BYTES as usize) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.bytes = contents.to_vec();
        Ok(())
    }
}
