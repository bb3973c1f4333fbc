//! The configuration of a disk.

use super::{
    Disk, ROWS, SECTOR, data, each_disk,
    model::{Config, NR_RULES, feature, status::OK},
};
use crate::virtio::{TRANSPORTS, each_transport_of};
use rt::{
    case, check, check_eq, mmio, names,
    virtio::{self, Layout, kind},
    vocabulary::{Devices, Text, devices::disk::NR_SECTORS},
};

/// Offset of whether writes may wait for a flush.
const WRITEBACK: u64 = 32;

/// Names of the rules of [`Config::keeps`].
const RULES: &[Text] = names![
    "capacity",
    "segments",
    "block size",
    "padding",
    "queues",
    "limits of discarding",
    "limits of writing zeros",
    "unmapping is told by a bit",
    "who lets writes wait has flushes"
];
const _: () = assert!(RULES.len() == NR_RULES);

fn read(at: u64) -> Config {
    let word = |offset| mmio::read_u32(at + offset);
    let byte = |offset| mmio::read_u8(at + offset);
    Config {
        capacity: u64::from(word(0)) | u64::from(word(4)) << 32,
        seg_max: word(12),
        blk_size: word(20),
        writeback: byte(WRITEBACK),
        unused0: byte(33),
        num_queues: mmio::read_u16(at + 34),
        discard: [word(36), word(40)],
        write_zeroes: [word(48), word(52)],
        may_unmap: byte(56),
        unused1: [byte(57), byte(58), byte(59)],
    }
}

/// The configuration tells the size of the disk, and limits that make sense for each feature that is offered.
#[case(feature = VirtioConfiguration, spec = [virtio("Block Device"), virtio("Device Requirements: Device Initialization")],
       devices = Devices::BLOCK)]
fn disk_configuration_makes_sense() {
    each_transport_of(kind::BLOCK, |row, transport| {
        let features = transport.device_features();
        let accepted = transport.negotiate(features & !virtio::feature::ACCESS_PLATFORM);
        check!("features are accepted", [TRANSPORTS; row], accepted);
        let Some(at) = transport.config() else { return check!("there is one", [TRANSPORTS; row], false) };
        for (rule, keeps) in read(at).keeps(features, NR_SECTORS).into_iter().enumerate() {
            check!("it is kept", [RULES; rule], keeps);
        }
    });
}

/// The field that says whether writes may wait for a flush takes what is written to it, and writes go on.
#[case(feature = VirtioConfiguration, spec = [virtio("Block Device"), virtio("Device configuration layout")], devices = Devices::BLOCK)]
fn writes_wait_as_the_driver_chooses() {
    each_disk(feature::FLUSH | feature::CONFIG_WCE, |row, disk| {
        let wanted = feature::FLUSH | feature::CONFIG_WCE;
        let Some(at) = disk.device.transport.config().filter(|_| disk.device.features & wanted == wanted) else {
            return;
        };
        check!("at first", [ROWS; row], mmio::read_u8(at + WRITEBACK) <= 1);
        for value in [0, 1, 0] {
            mmio::write_u8(at + WRITEBACK, value);
            check_eq!("what was written", [ROWS; row], mmio::read_u8(at + WRITEBACK), value);
            virtio::fill(data(), SECTOR, 0x21 + value);
            check_eq!("a write", [ROWS; row], disk.write(70 + row, 1).status, OK);
            check!("is there", [ROWS; row], disk.sector_holds(70 + row, u64::from_le_bytes([0x21 + value; 8])));
        }
    });
}

/// Writes of a driver that cannot flush do not wait: the field says so from the start.
#[case(feature = VirtioConfiguration, spec = [virtio("Block Device"), virtio("Device Requirements: Device Initialization")],
       devices = Devices::BLOCK)]
fn writes_do_not_wait_without_flushes() {
    each_transport_of(kind::BLOCK, |row, transport| {
        let Some(disk) = Disk::started(transport, Layout::Split, feature::CONFIG_WCE) else {
            return check!("features are accepted", [TRANSPORTS; row], false);
        };
        let Some(at) = transport.config().filter(|_| disk.device.features & feature::CONFIG_WCE != 0) else { return };
        check_eq!("writeback", [TRANSPORTS; row], mmio::read_u8(at + WRITEBACK), 0);
    });
}
