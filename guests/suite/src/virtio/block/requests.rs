//! Requests that a device fulfils.

use super::{
    ALL, Disk, NOTHING, ROWS, SECTOR, data, each_disk, header, holds,
    model::{feature, kind, status::OK},
    status,
};
use rt::{
    case, check, check_eq, mmio,
    virtio::{self, Element, feature::INDIRECT_DESC},
    vocabulary::{
        Devices,
        devices::disk::{ID, NR_SECTORS, word},
    },
};

/// Reading gives what the sectors hold, the first, the last and several at once, and nothing is written behind them.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Device Operation")], devices = Devices::BLOCK)]
fn sectors_are_read() {
    each_disk(ALL, |row, disk| {
        for (sector, nr) in [(0, 1), (5, 1), (NR_SECTORS - 1, 1), (40, 4)] {
            virtio::fill(data() + u64::from(nr * SECTOR), 8, 0x11);
            let answer = disk.read(sector, nr);
            check_eq!("status", [ROWS; row], answer.status, OK);
            check!("used length", [ROWS; row], answer.written <= nr * SECTOR + 1);
            let right = (0..u64::from(nr)).all(|index| holds(data() + 512 * index, word(sector + index)));
            check!("what the sectors hold", [ROWS; row], right);
            let behind = mmio::read_u64(data() + u64::from(nr * SECTOR));
            check_eq!("behind them", [ROWS; row], behind, u64::from_le_bytes([0x11; 8]));
        }
    });
}

/// What is written to sectors is read from them, and their neighbours keep what they hold.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Device Operation")], devices = Devices::BLOCK)]
fn written_sectors_are_read_back() {
    each_disk(ALL, |row, disk| {
        // Each row begins with the disk that the row before it left.
        let first = 8 + 8 * row;
        virtio::fill(data(), 2 * SECTOR, 0xa5);
        let answer = disk.write(first, 2);
        check_eq!("status", [ROWS; row], answer.status, OK);
        check!("used length", [ROWS; row], answer.written <= 1);
        for sector in [first, first + 1] {
            check!("what was written", [ROWS; row], disk.sector_holds(sector, u64::from_le_bytes([0xa5; 8])));
        }
        check!("the sector before", [ROWS; row], disk.sector_holds(first - 1, word(first - 1)));
        check!("the sector behind", [ROWS; row], disk.sector_holds(first + 2, word(first + 2)));
    });
}

/// A flush is fulfilled, and what was written before it is there.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Device Requirements: Device Operation")], devices = Devices::BLOCK)]
fn flushes_are_fulfilled() {
    each_disk(ALL, |row, disk| {
        if disk.device.features & feature::FLUSH == 0 {
            return;
        }
        virtio::fill(data(), SECTOR, 0x3c);
        check_eq!("write", [ROWS; row], disk.write(60 + row, 1).status, OK);
        check_eq!("flush", [ROWS; row], disk.request_alone(kind::FLUSH).status, OK);
        check!("what was written", [ROWS; row], disk.sector_holds(60 + row, u64::from_le_bytes([0x3c; 8])));
    });
}

/// The identification has twenty bytes, and zeros behind a shorter one.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Device Operation")], devices = Devices::BLOCK)]
fn identification_is_told() {
    each_disk(ALL, |row, disk| {
        virtio::fill(data(), 24, 0x55);
        let answer = disk.request(kind::GET_ID, 0, Element::written(data(), 20));
        check_eq!("status", [ROWS; row], answer.status, OK);
        check!("used length", [ROWS; row], answer.written <= 21);
        for (at, byte) in (0..20).zip(ID.bytes().chain([0; 20])) {
            check_eq!("a byte", [ROWS; row], mmio::read_u8(data() + at), byte);
        }
        check_eq!("behind it", [ROWS; row], mmio::read_u32(data() + 20), 0x5555_5555);
    });
}

/// Two requests that are made at once are both fulfilled, each with its own status.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Supplying Buffers to The Device")], devices = Devices::BLOCK)]
fn requests_at_once_are_each_fulfilled() {
    each_disk(ALL, |row, disk| {
        let mut due = 0_u64;
        let places = [(header(), data(), status()), (header() + 32, data() + 512, status() + 8)];
        for ((header, data, status), sector) in places.into_iter().zip([3, 90]) {
            mmio::write_u64(header, kind::IN.into());
            mmio::write_u64(header + 8, sector);
            mmio::write_u8(status, NOTHING);
            let elements = [Element::read(header, 16), Element::written(data, SECTOR), Element::written(status, 1)];
            due |= 1 << disk.device.queue.add(&elements);
        }
        disk.device.notify();
        let mut came = 0_u64;
        for _ in 0..2 {
            let Some(used) = disk.device.queue.wait_used() else { break };
            came |= 1_u64.checked_shl(used.id).unwrap_or(0);
        }
        check_eq!("both come back", [ROWS; row], came, due);
        for ((_, data, status), sector) in places.into_iter().zip([3, 90]) {
            check_eq!("status", [ROWS; row], mmio::read_u8(status), OK);
            check!("what the sector holds", [ROWS; row], holds(data, word(sector)));
        }
    });
}

/// A request whose descriptors stand in an indirect table is fulfilled like any other.
#[case(feature = VirtioIndirect, spec = [virtio("Block Device"), virtio("Indirect Descriptors")], devices = Devices::BLOCK)]
fn indirect_requests_are_fulfilled() {
    each_disk(ALL | INDIRECT_DESC, |row, disk| {
        if disk.device.features & INDIRECT_DESC == 0 {
            return;
        }
        for (number, sector) in [(0, 9), (1, 100), (2, 31)] {
            Disk::begin(kind::IN, sector);
            virtio::fill(data(), SECTOR, 0);
            let elements =
                [Element::read(header(), 16), Element::written(data(), SECTOR), Element::written(status(), 1)];
            disk.device.queue.add_indirect(number, &elements);
            disk.device.notify();
            check!("it comes back", [ROWS; row], disk.device.queue.wait_used().is_some());
            check_eq!("status", [ROWS; row], mmio::read_u8(status()), OK);
            check!("what the sector holds", [ROWS; row], holds(data(), word(sector)));
        }
    });
}
