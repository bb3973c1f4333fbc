//! Disks that grow and shrink while they are used.

use super::{
    ROWS, SECTOR, data, each_disk,
    model::status::{IO_ERROR, OK},
};
use rt::{
    case, check, check_eq,
    clock::Deadline,
    virtio::{self, Change, PATIENCE_MICROS},
    vocabulary::{
        Devices, Needs,
        devices::disk::{NR_SECTORS, word},
    },
};

const MORE: u64 = NR_SECTORS + 40;

/// Requests reach as far as the capacity that was told last, and no further; what is new reads as zeros and can be written, and what
/// was there before stays.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Driver Requirements: Device Operation"),
       virtio("Device configuration layout")], needs = Needs::CONFIG_CHANGES, devices = Devices::BLOCK)]
fn requests_reach_as_far_as_the_capacity() {
    each_disk(0, |row, disk| {
        let transport = disk.device.transport;
        let change = |nr_sectors: u64| {
            let generation = transport.generation();
            let asked = Change::Capacity(nr_sectors as u32).ask();
            asked && Deadline::after(PATIENCE_MICROS).wait(|| transport.generation() != generation)
        };
        check_eq!("behind the end", [ROWS; row], disk.read(NR_SECTORS, 1).status, IO_ERROR);
        check!("it grows", [ROWS; row], change(MORE));
        check!("a new sector", [ROWS; row], disk.sector_holds(MORE - 1, 0));
        check!("the last sector of before", [ROWS; row], disk.sector_holds(NR_SECTORS - 1, word(NR_SECTORS - 1)));
        virtio::fill(data(), SECTOR, 0x5b);
        check_eq!("a write behind the end of before", [ROWS; row], disk.write(NR_SECTORS, 1).status, OK);
        check!("is there", [ROWS; row], disk.sector_holds(NR_SECTORS, u64::from_le_bytes([0x5b; 8])));
        check_eq!("behind the new end", [ROWS; row], disk.read(MORE, 1).status, IO_ERROR);
        check_eq!("over the new end", [ROWS; row], disk.write(MORE - 1, 2).status, IO_ERROR);
        check!("it shrinks", [ROWS; row], change(NR_SECTORS));
        check_eq!("what is gone", [ROWS; row], disk.read(NR_SECTORS, 1).status, IO_ERROR);
        check_eq!("over the end again", [ROWS; row], disk.write(NR_SECTORS - 1, 2).status, IO_ERROR);
        check!("what is left", [ROWS; row], disk.sector_holds(NR_SECTORS - 1, word(NR_SECTORS - 1)));
        let _ = transport.reset();
    });
}
