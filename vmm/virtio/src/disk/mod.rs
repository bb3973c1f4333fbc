//! What a disk's data are kept in: a file, an image in a format, or memory.
//!
//! Disks are asked by the devices of § 5.2 and § 5.6, which check ranges and read-only disks first.

mod image;
mod lock;
mod memory;
mod open;
mod raw;
mod saved;
mod shared;
#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
mod transfer;

pub use image::{ImageError, Qcow2Disk};
pub use memory::MemoryDisk;
pub use open::{DiskError, DiskOptions, Format, OpenDisk, open};
pub use raw::RawDisk;
pub(crate) use saved::DiskState;
pub use shared::ResizeError;
pub(crate) use shared::SharedDisk;
pub(crate) use transfer::Transfer;

use std::io;

/// Bytes of a sector: what every offset and size is a multiple of (§ 5.2.4).
pub const SECTOR_BYTES: u64 = 512;

/// Where a disk's data are. Who asks keeps within [`Self::size_bytes`]; what lies behind is not said. An error is one of the request alone: the next request is served as if there had been none.
pub trait Disk: Send {
    /// How many bytes it has, a multiple of [`SECTOR_BYTES`].
    fn size_bytes(&self) -> u64;

    /// Whether it must not be written.
    fn is_read_only(&self) -> bool;

    /// Fills `data` from `offset`.
    ///
    /// # Errors
    /// Those of what the data are in.
    fn read_at(&mut self, offset: u64, data: &mut [u8]) -> io::Result<()>;

    /// Writes `data` at `offset`. What was written before an error stays.
    ///
    /// # Errors
    /// Those of what the data are in, such as that it is full.
    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Brings what was written to where it survives a loss of power.
    ///
    /// # Errors
    /// Those of what the data are in.
    fn flush(&mut self) -> io::Result<()>;

    /// Makes `size_bytes` from `offset` on read as zeros, and with `may_unmap` gives back what they took if that is possible.
    ///
    /// # Errors
    /// Those of what the data are in.
    fn write_zeroes(&mut self, offset: u64, size_bytes: u64, may_unmap: bool) -> io::Result<()>;

    /// Gives back what `size_bytes` from `offset` on take, if that is possible. What they read as afterwards is not said.
    ///
    /// # Errors
    /// Those of what the data are in.
    fn discard(&mut self, offset: u64, size_bytes: u64) -> io::Result<()>;

    /// Gives it another size, a multiple of [`SECTOR_BYTES`] and at least that; sectors that are new read as zeros.
    ///
    /// # Errors
    /// If it cannot have that size, or those of what the data are in. Then it has the size of before.
    fn resize(&mut self, _size_bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// All of its data, if they are lost with it and are to be kept in a saved VM.
    fn contents(&self) -> Option<&[u8]> {
        None
    }

    /// Takes what [`Self::contents`] of another one gave, and its size.
    ///
    /// # Errors
    /// If it keeps its data elsewhere, or these are no whole sectors.
    fn set_contents(&mut self, _contents: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Writes zeros in bounded pieces, where nothing is quicker.
fn fill_with_zeros(disk: &mut (impl Disk + ?Sized), offset: u64, size_bytes: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let mut done = 0;
    while done < size_bytes {
        let size = (size_bytes - done).min(ZEROS.len() as u64);
        disk.write_at(offset + done, &ZEROS[..size as usize])?;
        done += size;
    }
    Ok(())
}
