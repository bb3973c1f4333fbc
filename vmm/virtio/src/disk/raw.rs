//! A file or block device whose bytes are the disk's.

use super::{Disk, SECTOR_BYTES, fill_with_zeros};
use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
};
use std::{
    fs::File,
    io::{self, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

/// A file or block device whose bytes are the disk's.
#[derive(Debug)]
pub struct RawDisk {
    file: File,
    /// With what is behind the last whole sector.
    file_bytes: u64,
    is_read_only: bool,
}

impl RawDisk {
    /// The whole sectors of `file`, which must be open for writing unless the disk is read-only.
    ///
    /// # Errors
    /// If its size cannot be told.
    pub fn new(mut file: File, is_read_only: bool) -> io::Result<Self> {
        // The size in the attributes of a block device is zero.
        let file_bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, file_bytes, is_read_only })
    }

    /// Size of the file, which need not be a multiple of a sector.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    fn fallocate(&self, flags: FallocateFlags, offset: u64, size_bytes: u64) -> Result<(), Errno> {
        let [offset, size_bytes] = [offset, size_bytes].map(i64::try_from);
        let (offset, size_bytes) = offset.and_then(|offset| Ok((offset, size_bytes?))).map_err(|_| Errno::EFBIG)?;
        fallocate(&self.file, flags | FallocateFlags::FALLOC_FL_KEEP_SIZE, offset, size_bytes)
    }
}

impl Disk for RawDisk {
    fn size_bytes(&self) -> u64 {
        self.file_bytes - self.file_bytes % SECTOR_BYTES
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn read_at(&mut self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(data, offset)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write_zeroes(&mut self, offset: u64, size_bytes: u64, may_unmap: bool) -> io::Result<()> {
        if size_bytes == 0 {
            return Ok(());
        }
        let flags = if may_unmap { FallocateFlags::FALLOC_FL_PUNCH_HOLE } else { FallocateFlags::FALLOC_FL_ZERO_RANGE };
        match self.fallocate(flags, offset, size_bytes) {
            Ok(()) => Ok(()),
            // Not every file system can; if it is the disk that cannot, writing fails too.
            Err(_) => fill_with_zeros(self, offset, size_bytes),
        }
    }

    fn discard(&mut self, offset: u64, size_bytes: u64) -> io::Result<()> {
        if size_bytes == 0 {
            return Ok(());
        }
        match self.fallocate(FallocateFlags::FALLOC_FL_PUNCH_HOLE, offset, size_bytes) {
            // § 5.2.6.2: it is a hint, which need not do anything.
            Ok(()) | Err(Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn resize(&mut self, size_bytes: u64) -> io::Result<()> {
        // A block device has the size that it has, and says so.
        self.file.set_len(size_bytes)?;
        self.file_bytes = size_bytes;
        Ok(())
    }
}
