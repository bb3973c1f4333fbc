//! What a block device must answer, as pure functions of what it was asked and of what it says it is.
//!
//! Source: VIRTIO, "Block Device".

/// Types of requests.
pub(crate) mod kind {
    pub(crate) const IN: u32 = 0;
    pub(crate) const OUT: u32 = 1;
    pub(crate) const FLUSH: u32 = 4;
    pub(crate) const GET_ID: u32 = 8;
    pub(crate) const DISCARD: u32 = 11;
    pub(crate) const WRITE_ZEROES: u32 = 13;
}

/// Feature bits.
pub(crate) mod feature {
    pub(crate) const SEG_MAX: u64 = 1 << 2;
    pub(crate) const RO: u64 = 1 << 5;
    pub(crate) const BLK_SIZE: u64 = 1 << 6;
    pub(crate) const FLUSH: u64 = 1 << 9;
    pub(crate) const CONFIG_WCE: u64 = 1 << 11;
    pub(crate) const MQ: u64 = 1 << 12;
    pub(crate) const DISCARD: u64 = 1 << 13;
    pub(crate) const WRITE_ZEROES: u64 = 1 << 14;
}

/// Values of the status.
pub(crate) mod status {
    pub(crate) const OK: u8 = 0;
    pub(crate) const IO_ERROR: u8 = 1;
    pub(crate) const UNSUPPORTED: u8 = 2;
}

/// Bytes of a sector.
const SECTOR_BYTES: u64 = 512;

/// What is known of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) nr_sectors: u64,
    pub(crate) is_read_only: bool,
}

impl Disk {
    const fn has(self, sector: u64, nr_sectors: u64) -> bool {
        sector <= self.nr_sectors && nr_sectors <= self.nr_sectors - sector
    }

    /// Status of a request that reads or writes so many bytes from a sector on.
    pub(crate) const fn of_transfer(self, kind: u32, sector: u64, size_bytes: u64) -> u8 {
        let is_whole = size_bytes.is_multiple_of(SECTOR_BYTES);
        let is_refused = kind == kind::OUT && self.is_read_only;
        if is_whole && !is_refused && self.has(sector, size_bytes / SECTOR_BYTES) {
            status::OK
        } else {
            status::IO_ERROR
        }
    }

    /// Status of a request that discards a range or fills it with zeros. Of one that is wrong for two reasons either is right:
    /// there is none in the tables.
    pub(crate) const fn of_range(self, kind: u32, sector: u64, nr_sectors: u32, flags: u32) -> u8 {
        let known = if kind == kind::WRITE_ZEROES { 1 } else { 0 };
        if flags & !known != 0 {
            status::UNSUPPORTED
        } else if self.is_read_only || !self.has(sector, nr_sectors as u64) {
            status::IO_ERROR
        } else {
            status::OK
        }
    }
}

/// The configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) capacity: u64,
    pub(crate) seg_max: u32,
    pub(crate) blk_size: u32,
    pub(crate) writeback: u8,
    pub(crate) unused0: u8,
    pub(crate) num_queues: u16,
    /// Largest range and number of ranges, of discarding and of writing zeros.
    pub(crate) discard: [u32; 2],
    pub(crate) write_zeroes: [u32; 2],
    pub(crate) may_unmap: u8,
    pub(crate) unused1: [u8; 3],
}

/// How many rules [`Config::keeps`] has.
pub(crate) const NR_RULES: usize = 9;

impl Config {
    /// Whether each rule is kept by a device with these features: capacity, segments, block size, padding, queues, limits of
    /// discarding and of writing zeros, whether unmapping is told by a bit, whether who lets writes wait has flushes.
    pub(crate) const fn keeps(&self, features: u64, nr_sectors: u64) -> [bool; NR_RULES] {
        const fn has(features: u64, feature: u64) -> bool {
            features & feature != 0
        }
        let [a, b, c] = self.unused1;
        [
            self.capacity == nr_sectors,
            !has(features, feature::SEG_MAX) || self.seg_max != 0,
            !has(features, feature::BLK_SIZE) || (self.blk_size.is_power_of_two() && self.blk_size >= 512),
            self.unused0 | a | b | c == 0,
            !has(features, feature::MQ) || self.num_queues != 0,
            !has(features, feature::DISCARD) || (self.discard[0] != 0 && self.discard[1] != 0),
            !has(features, feature::WRITE_ZEROES) || (self.write_zeroes[0] != 0 && self.write_zeroes[1] != 0),
            !has(features, feature::WRITE_ZEROES) || self.may_unmap <= 1,
            !has(features, feature::CONFIG_WCE) || has(features, feature::FLUSH),
        ]
    }
}
