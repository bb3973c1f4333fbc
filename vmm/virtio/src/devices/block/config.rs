//! The configuration of a disk (§ 5.2.4 "Device configuration layout").

use crate::disk::SECTOR_BYTES;

/// The largest size of a queue.
pub(super) const QUEUE_SIZE: u16 = 256;
/// The most ranges of one request that discards or writes zeros.
pub(super) const RANGES_MAX: u32 = 32;
/// The most sectors of one range: 16 MiB, which some hosts have to write byte by byte.
pub(super) const RANGE_SECTORS_MAX: u32 = 1 << 15;
/// Sectors of 512 bytes of a block of 4 KiB, as a power of two: what hosts' pages and file systems are made of.
const PHYSICAL_EXPONENT: u8 = 3;
/// Size of the configuration up to the end of what `WRITE_ZEROES` needs, in bytes.
const SIZE_BYTES: usize = 60;

/// Offset of whether writes may wait for a flush.
pub(super) const WRITEBACK: usize = 32;

/// What the configuration is made of.
pub(super) struct Config {
    pub(super) size_bytes: u64,
    pub(super) nr_queues: u16,
    pub(super) is_write_back: bool,
    /// Whether there are requests that discard and write zeros.
    pub(super) may_change: bool,
}

impl Config {
    pub(super) fn read(&self, offset: usize, data: &mut [u8]) {
        let bytes = self.bytes();
        for (byte, of_config) in data.iter_mut().zip(bytes.get(offset..).unwrap_or_default()) {
            *byte = *of_config;
        }
    }

    fn bytes(&self) -> [u8; SIZE_BYTES] {
        let mut bytes = [0; SIZE_BYTES];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &(self.size_bytes / SECTOR_BYTES).to_le_bytes());
        // seg_max: a header, a status, and the rest are data.
        put(12, &u32::from(QUEUE_SIZE - 2).to_le_bytes());
        put(20, &(SECTOR_BYTES as u32).to_le_bytes());
        put(24, &[PHYSICAL_EXPONENT, 0]);
        // min_io_size and opt_io_size, in blocks: one of the physical ones, and 64 KiB.
        put(26, &(1_u16 << PHYSICAL_EXPONENT).to_le_bytes());
        put(28, &128_u32.to_le_bytes());
        put(WRITEBACK, &[self.is_write_back.into()]);
        put(34, &self.nr_queues.to_le_bytes());
        if self.may_change {
            put(36, &RANGE_SECTORS_MAX.to_le_bytes());
            put(40, &RANGES_MAX.to_le_bytes());
            put(44, &(1_u32 << PHYSICAL_EXPONENT).to_le_bytes());
            put(48, &RANGE_SECTORS_MAX.to_le_bytes());
            put(52, &RANGES_MAX.to_le_bytes());
            // write_zeroes_may_unmap.
            put(56, &[1]);
        }
        bytes
    }
}
