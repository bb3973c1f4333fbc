//! How a request is cut into descriptors does not matter.

use super::{
    ALL, Disk, ROWS, SECTOR, data, each_disk, header, holds,
    model::{kind, status::OK},
    status,
};
use rt::{
    case, check, check_eq, mmio,
    virtio::{self, Element},
    vocabulary::{Devices, devices::disk::word},
};

/// A header in several descriptors, wherever it is cut, is one header.
#[case(feature = VirtioBlock, spec = [virtio("Message Framing"), virtio("Device Requirements: Message Framing")], devices = Devices::BLOCK)]
fn header_may_be_cut_anywhere() {
    each_disk(ALL, |row, disk| {
        for cut in [1, 4, 8, 15] {
            Disk::begin(kind::IN, 77);
            virtio::fill(data(), SECTOR, 0);
            let answer = disk.exchange(&[
                Element::read(header(), cut),
                Element::read(header() + u64::from(cut), 16 - cut),
                Element::written(data(), SECTOR),
                Element::written(status(), 1),
            ]);
            check_eq!("status", [ROWS; row], answer.status, OK);
            check!("what the sector holds", [ROWS; row], holds(data(), word(77)));
        }
    });
}

/// Data in descriptors of odd sizes are whole, read and written, and the status may stand in the last of them.
#[case(feature = VirtioBlock, spec = [virtio("Message Framing"), virtio("Device Requirements: Message Framing")], devices = Devices::BLOCK)]
fn data_may_be_cut_anywhere() {
    each_disk(ALL, |row, disk| {
        for cut in [1, 100, 511] {
            Disk::begin(kind::IN, 33);
            virtio::fill(data(), SECTOR, 0);
            let parts = [
                Element::read(header(), 16),
                Element::written(data(), cut),
                Element::written(data() + u64::from(cut), SECTOR - cut),
                Element::written(status(), 1),
            ];
            check_eq!("status", [ROWS; row], disk.exchange(&parts).status, OK);
            check!("what the sector holds", [ROWS; row], holds(data(), word(33)));
            // To a sector of the row's own.
            virtio::fill(data(), SECTOR, cut as u8);
            Disk::begin(kind::OUT, 80 + row);
            let parts = [
                Element::read(header(), 16),
                Element::read(data(), cut),
                Element::read(data() + u64::from(cut), SECTOR - cut),
                Element::written(status(), 1),
            ];
            check_eq!("status of a write", [ROWS; row], disk.exchange(&parts).status, OK);
            check!("what was written", [ROWS; row], disk.sector_holds(80 + row, u64::from_le_bytes([cut as u8; 8])));
        }
        // Data and status in one descriptor, and header and data in one.
        Disk::begin(kind::IN, 34);
        mmio::write_u8(data() + 512, super::NOTHING);
        let _ = disk.exchange(&[Element::read(header(), 16), Element::written(data(), SECTOR + 1)]);
        check_eq!("status behind data", [ROWS; row], mmio::read_u8(data() + 512), OK);
        check!("data before the status", [ROWS; row], holds(data(), word(34)));
        mmio::write_u64(data(), kind::OUT.into());
        mmio::write_u64(data() + 8, 84 + row);
        virtio::fill(data() + 16, SECTOR, 0x66);
        mmio::write_u8(status(), super::NOTHING);
        let answer = disk.exchange(&[Element::read(data(), 16 + SECTOR), Element::written(status(), 1)]);
        check_eq!("status of header with data", [ROWS; row], answer.status, OK);
        check!("data behind the header", [ROWS; row], disk.sector_holds(84 + row, u64::from_le_bytes([0x66; 8])));
    });
}

/// Data at addresses that are not aligned are whole, and what lies beside them is left.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Message Framing")], devices = Devices::BLOCK)]
fn data_need_no_alignment() {
    each_disk(ALL, |row, disk| {
        for offset in [1_u64, 3, 7] {
            virtio::fill(data(), SECTOR + 16, 0x99);
            let answer = disk.request(kind::IN, 50, Element::written(data() + offset, SECTOR));
            check_eq!("status", [ROWS; row], answer.status, OK);
            check!("what the sector holds", [ROWS; row], holds(data() + offset, word(50)));
            check_eq!("before it", [ROWS; row], mmio::read_u8(data() + offset - 1), 0x99);
            check_eq!("behind it", [ROWS; row], mmio::read_u8(data() + offset + 512), 0x99);
        }
    });
}
