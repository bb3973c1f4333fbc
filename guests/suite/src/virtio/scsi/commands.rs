//! Commands of a disk, and how they end.

use super::{
    DISK, Host, ROWS, SECTOR, data, each_host,
    model::{READ_CAPACITY, Sense, TEST_UNIT_READY, inquiry, report_luns, response, transfer},
};
use rt::{
    case, check, check_eq, mmio,
    virtio::{self, Element},
    vocabulary::{
        Devices,
        devices::disk::{NR_SECTORS, SECTOR_BYTES, word},
    },
};

/// Whether sectors hold this word, by words of it.
fn holds(index: u64, word: u64) -> bool {
    [0, 8, 248, 504].into_iter().all(|at| mmio::read_u64(data() + SECTOR_BYTES * index + at) == word)
}

/// Whether a sector of the disk holds this.
fn sector_holds(host: &mut Host, sector: u64, word: u64) -> bool {
    virtio::fill(data(), SECTOR, 0x77);
    let room = Element::written(data(), SECTOR);
    host.command(DISK, &transfer(false, sector as u32, 1), Some(room)).is_good() && holds(0, word)
}

/// The disk says that it is one, in as many bytes as there is room for, and how large it is.
#[case(feature = VirtioScsi, spec = [virtio("SCSI Host Device"), virtio("Device Operation: Request Queues")], devices = Devices::SCSI)]
fn the_disk_is_told() {
    each_host(|row, host| {
        virtio::fill(data(), 64, 0x99);
        let told = host.command(DISK, &inquiry(36), Some(Element::written(data(), 36)));
        check!("INQUIRY", [ROWS; row], told.is_good());
        check_eq!("nothing is left", [ROWS; row], told.residual, 0);
        check_eq!("a disk that is connected", [ROWS; row], mmio::read_u8(data()), 0);
        check_eq!("behind it", [ROWS; row], mmio::read_u32(data() + 36), 0x9999_9999);
        let told = host.command(DISK, &READ_CAPACITY, Some(Element::written(data(), 8)));
        check!("READ CAPACITY", [ROWS; row], told.is_good());
        check_eq!("the last sector", [ROWS; row], mmio::read_u32(data()).swap_bytes(), NR_SECTORS as u32 - 1);
        check_eq!("bytes of a sector", [ROWS; row], mmio::read_u32(data() + 4).swap_bytes(), SECTOR);
        let told = host.command(DISK, &report_luns(64), Some(Element::written(data(), 64)));
        check!("REPORT LUNS", [ROWS; row], told.is_good());
        check_eq!("one unit", [ROWS; row], mmio::read_u32(data()).swap_bytes(), 8);
        check_eq!("whose number is 0", [ROWS; row], mmio::read_u64(data() + 8), 0);
    });
}

/// What an answer leaves of the room for data is told, and nothing is written there.
#[case(feature = VirtioScsi, spec = [virtio("Device Operation: Request Queues"), virtio("Device Requirements: The Virtqueue Used Ring")],
       devices = Devices::SCSI)]
fn what_is_left_is_told() {
    const ROOM: u32 = 252;
    each_host(|row, host| {
        virtio::fill(data(), 256, 0x99);
        let told = host.command(DISK, &inquiry(ROOM as u8), Some(Element::written(data(), ROOM)));
        check!("INQUIRY", [ROWS; row], told.is_good());
        let size = u32::from(mmio::read_u8(data() + 4)) + 5;
        check!("there is some data", [ROWS; row], (36..=ROOM).contains(&size));
        check_eq!("what is left", [ROWS; row], told.residual, ROOM - size);
        check_eq!("behind it", [ROWS; row], mmio::read_u8(data() + u64::from(size)), 0x99);
    });
}

/// Sectors are read and written, and their neighbours keep what they hold.
#[case(feature = VirtioScsi, spec = [virtio("SCSI Host Device"), virtio("Device Operation: Request Queues")], devices = Devices::SCSI)]
fn sectors_of_a_scsi_disk_are_kept() {
    each_host(|row, host| {
        for (sector, nr) in [(0, 1), (NR_SECTORS - 1, 1), (100, 3)] {
            let room = Element::written(data(), nr as u32 * SECTOR);
            let read = host.command(DISK, &transfer(false, sector as u32, nr as u8), Some(room));
            check!("READ", [ROWS; row], read.is_good());
            check_eq!("nothing is left", [ROWS; row], read.residual, 0);
            let is_right = (0..nr).all(|index| holds(index, word(sector + index)));
            check!("what the sectors hold", [ROWS; row], is_right);
        }
        // Each row begins with the disk that the row before it left.
        let first = 8 + 8 * row;
        virtio::fill(data(), 2 * SECTOR, 0x5a);
        let given = Element::read(data(), 2 * SECTOR);
        let write = host.command(DISK, &transfer(true, first as u32, 2), Some(given));
        check!("WRITE", [ROWS; row], write.is_good());
        check_eq!("nothing is left of it", [ROWS; row], write.residual, 0);
        for sector in [first, first + 1] {
            let is_right = sector_holds(host, sector, u64::from_le_bytes([0x5a; 8]));
            check!("what was written", [ROWS; row], is_right);
        }
        for sector in [first - 1, first + 2] {
            check!("a neighbour", [ROWS; row], sector_holds(host, sector, word(sector)));
        }
    });
}

/// A command that fails says why, by its sense data, and leaves the disk as it was.
#[case(feature = VirtioScsi, spec = [virtio("SCSI Host Device"), virtio("Device Requirements: Device Operation: Request Queues")],
       devices = Devices::SCSI)]
fn failed_commands_have_sense_data() {
    each_host(|row, host| {
        let unknown = host.command(DISK, &[0xff, 0, 0, 0, 0, 0], None);
        check!("no such command", [ROWS; row], unknown.is_checked(Sense::INVALID_OPCODE));
        for block in [NR_SECTORS as u32, NR_SECTORS as u32 - 1, 0xffff_ffff] {
            let room = Element::written(data(), 2 * SECTOR);
            let behind = host.command(DISK, &transfer(false, block, 2), Some(room));
            check!("no such sectors to read", [ROWS; row], behind.is_checked(Sense::OUT_OF_RANGE));
            let given = Element::read(data(), 2 * SECTOR);
            let behind = host.command(DISK, &transfer(true, block, 2), Some(given));
            check!("no such sectors to write", [ROWS; row], behind.is_checked(Sense::OUT_OF_RANGE));
        }
        check!("the disk is ready", [ROWS; row], host.command(DISK, &TEST_UNIT_READY, None).is_good());
        let last = NR_SECTORS - 1;
        check!("the last sector", [ROWS; row], sector_holds(host, last, word(last)));
    });
}

/// A command that is for more data than there are buffers is an overrun.
#[case(feature = VirtioScsi, spec = virtio("Device Requirements: Device Operation: Request Queues"), devices = Devices::SCSI)]
fn more_data_than_room_is_an_overrun() {
    each_host(|row, host| {
        virtio::fill(data(), SECTOR, 0x42);
        for element in [Some(Element::written(data(), SECTOR)), None] {
            let answer = host.command(DISK, &transfer(false, 0, 2), element);
            check_eq!("READ", [ROWS; row], answer.response, response::OVERRUN);
        }
        let answer = host.command(DISK, &transfer(true, 50, 2), Some(Element::read(data(), SECTOR)));
        check_eq!("WRITE", [ROWS; row], answer.response, response::OVERRUN);
        check!("the second of them", [ROWS; row], sector_holds(host, 51, word(51)));
        check!("the disk is ready", [ROWS; row], host.command(DISK, &TEST_UNIT_READY, None).is_good());
    });
}
