//! Requests that a device refuses, each by its status, and goes on.

use super::{
    ALL, DISK, Disk, ROWS, SECTOR, data, each_disk, header,
    model::{kind, status},
};
use rt::{
    case, check, check_eq, mmio,
    virtio::{self, Element},
    vocabulary::{
        Devices,
        devices::disk::{NR_SECTORS, word},
    },
};

/// First sectors and numbers of sectors, to the end of the disk and over it.
const RANGES: [(u64, u32); 8] = [
    (NR_SECTORS - 2, 2),
    (NR_SECTORS - 1, 2),
    (NR_SECTORS, 1),
    (NR_SECTORS + 1, 1),
    (1 << 32, 1),
    (1 << 55, 1),
    (u64::MAX / 512, 1),
    (u64::MAX, 1),
];

/// Reading over the end of the disk is an error of the request.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Driver Requirements: Device Operation")], devices = Devices::BLOCK)]
fn reading_over_the_end_is_refused() {
    each_disk(ALL, |row, disk| {
        for (sector, nr) in RANGES {
            let due = DISK.of_transfer(kind::IN, sector, u64::from(nr * SECTOR));
            check_eq!("status", [ROWS; row], disk.read(sector, nr).status, due);
        }
        check!("it goes on", [ROWS; row], disk.sector_holds(2, word(2)));
    });
}

/// Writing over the end of the disk is an error of the request, and nothing of it is written.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Driver Requirements: Device Operation")], devices = Devices::BLOCK)]
fn writing_over_the_end_is_refused() {
    each_disk(ALL, |row, disk| {
        for (sector, nr) in &RANGES[1..] {
            virtio::fill(data(), nr * SECTOR, 0xdd);
            let due = DISK.of_transfer(kind::OUT, *sector, u64::from(nr * SECTOR));
            check_eq!("status", [ROWS; row], disk.write(*sector, *nr).status, due);
        }
        check!("the last sector", [ROWS; row], disk.sector_holds(NR_SECTORS - 1, word(NR_SECTORS - 1)));
        check!("the first sector", [ROWS; row], disk.sector_holds(0, word(0)));
    });
}

/// Data that are no whole sectors are an error of the request, and nothing of them is written.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Driver Requirements: Device Operation")], devices = Devices::BLOCK)]
fn parts_of_sectors_are_refused() {
    each_disk(ALL, |row, disk| {
        for size in [1, 511, 513, 1023] {
            let due = DISK.of_transfer(kind::IN, 4, u64::from(size));
            let answer = disk.request(kind::IN, 4, Element::written(data(), size));
            check_eq!("status of a read", [ROWS; row], answer.status, due);
            virtio::fill(data(), 1024, 0xcc);
            let answer = disk.request(kind::OUT, 4, Element::read(data(), size));
            check_eq!("status of a write", [ROWS; row], answer.status, due);
        }
        check!("nothing is written", [ROWS; row], disk.sector_holds(4, word(4)));
    });
}

/// A request of a type that there is not is unsupported.
#[case(feature = VirtioBlock, spec = [virtio("Block Device"), virtio("Device Operation")], devices = Devices::BLOCK)]
fn unknown_types_are_unsupported() {
    each_disk(ALL, |row, disk| {
        for kind in [6, 30, 0x100, 0x4000_0000] {
            check_eq!("alone", [ROWS; row], disk.request_alone(kind).status, status::UNSUPPORTED);
            let answer = disk.request(kind, 1, Element::read(data(), SECTOR));
            check_eq!("with data", [ROWS; row], answer.status, status::UNSUPPORTED);
        }
        check!("it goes on", [ROWS; row], disk.sector_holds(1, word(1)));
    });
}

/// A request that is too short for a header fails or makes the device ask for a reset, and after one it answers.
#[case(feature = VirtioHostileDrivers, spec = [virtio("Block Device"), virtio("Device Requirements: Device Status Field")],
       devices = Devices::BLOCK)]
fn short_headers_are_survived() {
    each_disk(ALL, |row, disk| {
        let (transport, layout) = (disk.device.transport, disk.device.queue.layout);
        for size in [1, 8, 15] {
            let Some(mut disk) = Disk::started(transport, layout, ALL) else {
                return check!("features are accepted", [ROWS; row], false);
            };
            Disk::begin(kind::IN, 0);
            disk.device.queue.add(&[Element::read(header(), size), Element::written(super::status(), 1)]);
            disk.device.notify();
            let fails = disk.device.queue.wait_used().is_some() && mmio::read_u8(super::status()) != status::OK;
            check!("it fails", [ROWS; row], fails || transport.wait_needs_reset());
        }
        let again = Disk::started(transport, layout, ALL).is_some_and(|mut disk| disk.sector_holds(2, word(2)));
        check!("it answers after a reset", [ROWS; row], again);
    });
}

/// A request without a place for its status comes back or makes the device ask for a reset, and after one it answers.
#[case(feature = VirtioHostileDrivers, spec = [virtio("Block Device"), virtio("Device Requirements: Device Status Field")],
       devices = Devices::BLOCK)]
fn requests_without_a_status_are_survived() {
    each_disk(ALL, |row, disk| {
        let (transport, layout) = (disk.device.transport, disk.device.queue.layout);
        for kind in [kind::IN, kind::OUT, kind::FLUSH] {
            let Some(mut disk) = Disk::started(transport, layout, ALL) else {
                return check!("features are accepted", [ROWS; row], false);
            };
            Disk::begin(kind, 0);
            disk.device.queue.add(&[Element::read(header(), 16)]);
            disk.device.notify();
            let ends = disk.device.queue.wait_used().is_some() || transport.wait_needs_reset();
            check!("it comes back, or a reset is needed", [ROWS; row], ends);
        }
        let again = Disk::started(transport, layout, ALL).is_some_and(|mut disk| disk.sector_holds(2, word(2)));
        check!("it answers after a reset", [ROWS; row], again);
    });
}
