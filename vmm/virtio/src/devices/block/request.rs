//! Requests to a disk (§ 5.2.6 "Device Operation").

use super::{
    Block, BlockFeatures,
    config::{RANGE_SECTORS_MAX, RANGES_MAX},
};
use crate::{
    Chain, Memory,
    disk::{Disk, SECTOR_BYTES},
};
use std::io;

/// Bytes of a request before its data: type, a reserved doubleword, first sector.
const HEADER_BYTES: u64 = 16;
/// Bytes of one range: first sector, number of sectors, flags.
const RANGE_BYTES: usize = 16;

/// Types of requests.
mod kind {
    pub(super) const IN: u32 = 0;
    pub(super) const OUT: u32 = 1;
    pub(super) const FLUSH: u32 = 4;
    pub(super) const GET_ID: u32 = 8;
    pub(super) const DISCARD: u32 = 11;
    pub(super) const WRITE_ZEROES: u32 = 13;
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Ok = 0,
    IoError = 1,
    Unsupported = 2,
}

impl From<io::Result<()>> for Status {
    fn from(result: io::Result<()>) -> Self {
        if result.is_ok() { Self::Ok } else { Self::IoError }
    }
}

impl Block {
    /// Does a request whose data to be written by the device are `room` bytes; gives how many of them were, and the status.
    pub(super) fn perform(&mut self, disk: &mut dyn Disk, chain: &Chain, memory: &Memory, room: u64) -> (u64, Status) {
        let mut header = [0; HEADER_BYTES as usize];
        if chain.read(memory, 0, &mut header) < header.len() {
            return (0, Status::IoError);
        }
        let kind = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let sector = u64::from_le_bytes(std::array::from_fn(|index| header[8 + index]));
        let given = chain.readable_bytes() - HEADER_BYTES;
        let has = |feature| self.accepted.contains(feature);
        match kind {
            kind::IN => match self.range(disk, sector, room) {
                Some(offset) => {
                    let (done, result) = self.transfer.read(disk, offset, room, (chain, memory, 0));
                    (done, result.into())
                }
                None => (0, Status::IoError),
            },
            kind::OUT => (0, self.write(disk, sector, given, chain, memory)),
            // Whether negotiated or not: § 5.2.6.3 has drivers send it in any case.
            kind::FLUSH => (0, disk.flush().into()),
            kind::GET_ID => {
                let size = room.min(self.id.len() as u64) as usize;
                (chain.write(memory, 0, &self.id[..size]) as u64, Status::Ok)
            }
            // § 5.2.3: requests that were not negotiated are none.
            kind::DISCARD if has(BlockFeatures::DISCARD) => (0, self.change(disk, false, given, chain, memory)),
            kind::WRITE_ZEROES if has(BlockFeatures::WRITE_ZEROES) => {
                (0, self.change(disk, true, given, chain, memory))
            }
            _ => (0, Status::Unsupported),
        }
    }

    /// Offset of a sector from which so many bytes are whole sectors of the disk that the driver knows.
    fn range(&self, disk: &dyn Disk, sector: u64, size_bytes: u64) -> Option<u64> {
        let offset = sector.checked_mul(SECTOR_BYTES)?;
        let end = offset.checked_add(size_bytes)?;
        (size_bytes.is_multiple_of(SECTOR_BYTES) && end <= self.capacity_bytes.min(disk.size_bytes())).then_some(offset)
    }

    fn write(&mut self, disk: &mut dyn Disk, sector: u64, size_bytes: u64, chain: &Chain, memory: &Memory) -> Status {
        // § 5.2.6.2: nothing is written to a disk that cannot be.
        let Some(offset) = self.range(disk, sector, size_bytes).filter(|_| !disk.is_read_only()) else {
            return Status::IoError;
        };
        let result = self.transfer.write(disk, offset, size_bytes, (chain, memory, HEADER_BYTES));
        self.settle(disk, result)
    }

    /// Makes what was written stable, if it has to be before the driver is told.
    fn settle(&self, disk: &mut dyn Disk, result: io::Result<()>) -> Status {
        match result {
            Ok(()) if !self.is_write_back => disk.flush().into(),
            result => result.into(),
        }
    }

    /// Discards ranges, or fills them with zeros.
    fn change(&mut self, disk: &mut dyn Disk, zeroes: bool, size_bytes: u64, chain: &Chain, memory: &Memory) -> Status {
        let is_whole = size_bytes > 0 && size_bytes.is_multiple_of(RANGE_BYTES as u64);
        if !is_whole || size_bytes / RANGE_BYTES as u64 > RANGES_MAX.into() || disk.is_read_only() {
            return Status::IoError;
        }
        let mut bytes = vec![0; size_bytes as usize];
        if chain.read(memory, HEADER_BYTES, &mut bytes) < bytes.len() {
            return Status::IoError;
        }
        let mut ranges = Vec::new();
        for range in bytes.as_chunks::<RANGE_BYTES>().0 {
            let sector = u64::from_le_bytes(std::array::from_fn(|index| range[index]));
            let [nr_sectors, flags] =
                [8, 12].map(|at| u32::from_le_bytes(std::array::from_fn(|index| range[at + index])));
            // § 5.2.6.2: unknown flags, and unmap of what is to be discarded, are not supported.
            if flags > u32::from(zeroes) {
                return Status::Unsupported;
            }
            let size_bytes = u64::from(nr_sectors) * SECTOR_BYTES;
            let Some(offset) = self.range(disk, sector, size_bytes).filter(|_| nr_sectors <= RANGE_SECTORS_MAX) else {
                return Status::IoError;
            };
            ranges.push((offset, size_bytes, flags & 1 != 0));
        }
        // Nothing is done unless all of it can be.
        let result = ranges.into_iter().try_for_each(|(offset, size_bytes, may_unmap)| match zeroes {
            true => disk.write_zeroes(offset, size_bytes, may_unmap),
            false => disk.discard(offset, size_bytes),
        });
        self.settle(disk, result)
    }
}
