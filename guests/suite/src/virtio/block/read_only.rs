//! Disks that cannot be written.

use super::{
    ALL, ROWS, SECTOR, data, each_disk,
    model::{self, feature, kind, status},
};
use rt::{
    case, check, check_eq, virtio,
    vocabulary::{
        Devices,
        devices::disk::{NR_SECTORS, word},
    },
};

const DISK: model::Disk = model::Disk { nr_sectors: NR_SECTORS, is_read_only: true };

/// A disk that is read-only says so, fails each write, and keeps what it holds.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Device Requirements: Device Operation")],
       devices = Devices::READ_ONLY_BLOCK)]
fn read_only_disks_are_not_written() {
    each_disk(ALL, |row, disk| {
        check!("it says so", [ROWS; row], disk.device.features & feature::RO != 0);
        for sector in [0, 5, NR_SECTORS - 1] {
            virtio::fill(data(), SECTOR, 0xdd);
            let due = DISK.of_transfer(kind::OUT, sector, u64::from(SECTOR));
            check_eq!("status of a write", [ROWS; row], disk.write(sector, 1).status, due);
            check!("what the sector holds", [ROWS; row], disk.sector_holds(sector, word(sector)));
        }
    });
}

/// Nor are its sectors discarded or filled with zeros, whatever is offered.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Device Requirements: Device Operation")],
       devices = Devices::READ_ONLY_BLOCK)]
fn read_only_disks_are_not_changed() {
    each_disk(ALL, |row, disk| {
        for kind in [kind::DISCARD, kind::WRITE_ZEROES] {
            // One that was not negotiated is unsupported, and one that was fails.
            let seen = disk.change(kind, 16, 8, 0);
            check!("it is refused", [ROWS; row], matches!(seen, status::IO_ERROR | status::UNSUPPORTED));
            check!("what the sector holds", [ROWS; row], disk.sector_holds(16, word(16)));
        }
    });
}
