//! Requests that discard ranges or fill them with zeros.

use super::{
    ALL, DISK, ROWS, SECTOR, data, each_disk,
    model::{feature, kind, status::OK},
};
use rt::{
    case, check, check_eq, virtio,
    vocabulary::{
        Devices,
        devices::disk::{NR_SECTORS, word},
    },
};

/// Ranges that are refused: first sector, number of sectors, flags.
const OVER_THE_END: [(u64, u32, u32); 4] =
    [(NR_SECTORS, 1, 0), (NR_SECTORS - 1, 2, 0), (1 << 55, 1, 0), (u64::MAX, 1, 0)];
/// Flags that there are not.
const UNKNOWN_FLAGS: [u32; 3] = [1 << 1, 1 << 31, 0xffff_fffe];

/// Sectors that were filled with zeros read as zeros, whether they may be unmapped or not, and their neighbours are as before.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Device Requirements: Device Operation")], devices = Devices::BLOCK)]
fn zeroed_sectors_read_as_zeros() {
    each_disk(ALL, |row, disk| {
        if disk.device.features & feature::WRITE_ZEROES == 0 {
            return;
        }
        for flags in [0, 1] {
            let first = 8 + 16 * row + 8 * u64::from(flags);
            check_eq!("status", [ROWS; row], disk.change(kind::WRITE_ZEROES, first, 3, flags), OK);
            for sector in [first, first + 2] {
                check!("zeros", [ROWS; row], disk.sector_holds(sector, 0));
            }
            check!("the sector before", [ROWS; row], disk.sector_holds(first - 1, word(first - 1)));
            check!("the sector behind", [ROWS; row], disk.sector_holds(first + 3, word(first + 3)));
        }
    });
}

/// Discarding leaves the neighbours as they are, and sectors that can be written again.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Device Requirements: Device Operation")], devices = Devices::BLOCK)]
fn discarded_sectors_can_be_written_again() {
    each_disk(ALL, |row, disk| {
        if disk.device.features & feature::DISCARD == 0 {
            return;
        }
        // Eight sectors are what discarding may be aligned to.
        let first = 16 + 16 * row;
        check_eq!("status", [ROWS; row], disk.change(kind::DISCARD, first, 8, 0), OK);
        check!("the sector before", [ROWS; row], disk.sector_holds(first - 1, word(first - 1)));
        check!("the sector behind", [ROWS; row], disk.sector_holds(first + 8, word(first + 8)));
        virtio::fill(data(), SECTOR, 0x42);
        check_eq!("a write", [ROWS; row], disk.write(first + 1, 1).status, OK);
        check!("what was written", [ROWS; row], disk.sector_holds(first + 1, u64::from_le_bytes([0x42; 8])));
    });
}

/// Flags that there are not, and unmapping of what is discarded anyway, are unsupported, and nothing becomes zero.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Device Requirements: Device Operation")], devices = Devices::BLOCK)]
fn unknown_flags_are_unsupported() {
    each_disk(ALL, |row, disk| {
        for (of, kind) in [(feature::DISCARD, kind::DISCARD), (feature::WRITE_ZEROES, kind::WRITE_ZEROES)] {
            if disk.device.features & of == 0 {
                continue;
            }
            for flags in UNKNOWN_FLAGS {
                let due = DISK.of_range(kind, 6, 1, flags);
                check_eq!("status", [ROWS; row], disk.change(kind, 6, 1, flags), due);
            }
        }
        if disk.device.features & feature::DISCARD != 0 {
            let due = DISK.of_range(kind::DISCARD, 6, 1, 1);
            check_eq!("unmapping of what is discarded", [ROWS; row], disk.change(kind::DISCARD, 6, 1, 1), due);
        }
        check!("the sector is as before", [ROWS; row], disk.sector_holds(6, word(6)));
    });
}

/// Ranges over the end of the disk are errors of their requests, and change nothing.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Driver Requirements: Device Operation")], devices = Devices::BLOCK)]
fn ranges_over_the_end_are_refused() {
    each_disk(ALL, |row, disk| {
        for (of, kind) in [(feature::DISCARD, kind::DISCARD), (feature::WRITE_ZEROES, kind::WRITE_ZEROES)] {
            if disk.device.features & of == 0 {
                continue;
            }
            for (sector, nr, flags) in OVER_THE_END {
                let due = DISK.of_range(kind, sector, nr, flags);
                check_eq!("status", [ROWS; row], disk.change(kind, sector, nr, flags), due);
            }
        }
        check!("the last sector", [ROWS; row], disk.sector_holds(NR_SECTORS - 1, word(NR_SECTORS - 1)));
        check!("the first sector", [ROWS; row], disk.sector_holds(0, word(0)));
    });
}
