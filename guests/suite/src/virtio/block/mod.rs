//! Block devices: requests, how they are cut, what is refused, and the configuration.

mod configuration;
mod framing;
mod model;
mod ranges;
mod read_only;
mod refused;
mod requests;
mod resized;

use super::{Device, ROWS, each_layout_of};
use model::{feature, kind};
use rt::{
    check, mmio,
    virtio::{self, Element, Layout, Transport, Used},
    vocabulary::devices::disk::{NR_SECTORS, SECTOR_BYTES},
};

/// Bytes of a sector as descriptors count them.
const SECTOR: u32 = SECTOR_BYTES as u32;
/// What stands where the device has not answered.
const NOTHING: u8 = 0xee;
/// The disk that every board has.
const DISK: model::Disk = model::Disk { nr_sectors: NR_SECTORS, is_read_only: false };
/// All of its kind that a driver here can use.
const ALL: u64 = feature::FLUSH | feature::DISCARD | feature::WRITE_ZEROES | feature::RO;

/// Where a request begins: type, a reserved word, sector.
fn header() -> u64 {
    virtio::buffer(0)
}

fn status() -> u64 {
    virtio::buffer(1)
}

/// Room for the range of a request that discards or writes zeros.
fn range() -> u64 {
    virtio::buffer(2)
}

/// Room for data of several sectors.
fn data() -> u64 {
    virtio::buffer(4)
}

/// What became of a request: its status, and the number of bytes that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    status: u8,
    written: u32,
}

/// A disk in use.
struct Disk {
    device: Device,
}

impl Disk {
    fn started(transport: Transport, layout: Layout, wanted: u64) -> Option<Self> {
        Device::started(transport, layout, wanted).map(|device| Self { device })
    }

    /// Writes a request's begin, and no status yet.
    fn begin(kind: u32, sector: u64) {
        mmio::write_u64(header(), kind.into());
        mmio::write_u64(header() + 8, sector);
        mmio::write_u8(status(), NOTHING);
    }

    /// Makes a request of exactly these elements.
    fn exchange(&mut self, elements: &[Element]) -> Answer {
        let id = self.device.queue.next().0;
        match self.device.request(elements) {
            Some(Used { id: of, written }) if of == u32::from(id) => {
                Answer { status: mmio::read_u8(status()), written }
            }
            _ => Answer { status: NOTHING, written: u32::MAX },
        }
    }

    /// Makes a request with an element of data.
    fn request(&mut self, kind: u32, sector: u64, element: Element) -> Answer {
        Self::begin(kind, sector);
        self.exchange(&[Element::read(header(), 16), element, Element::written(status(), 1)])
    }

    /// Makes a request without data.
    fn request_alone(&mut self, kind: u32) -> Answer {
        Self::begin(kind, 0);
        self.exchange(&[Element::read(header(), 16), Element::written(status(), 1)])
    }

    /// Reads sectors to where [`data`] is.
    fn read(&mut self, sector: u64, nr: u32) -> Answer {
        self.request(kind::IN, sector, Element::written(data(), nr * SECTOR))
    }

    /// Writes sectors from there.
    fn write(&mut self, sector: u64, nr: u32) -> Answer {
        self.request(kind::OUT, sector, Element::read(data(), nr * SECTOR))
    }

    /// Reads a sector, and tells whether it holds this.
    fn sector_holds(&mut self, sector: u64, word: u64) -> bool {
        virtio::fill(data(), SECTOR, 0x77);
        self.read(sector, 1).status == model::status::OK && holds(data(), word)
    }

    /// Discards a range or fills it with zeros: the status.
    fn change(&mut self, kind: u32, sector: u64, nr_sectors: u32, flags: u32) -> u8 {
        mmio::write_u64(range(), sector);
        mmio::write_u32(range() + 8, nr_sectors);
        mmio::write_u32(range() + 12, flags);
        self.request(kind, 0, Element::read(range(), 16)).status
    }
}

/// Whether a sector's bytes are this word again and again, by words of it: each look costs.
fn holds(address: u64, word: u64) -> bool {
    [0, 8, 248, 256, 504].into_iter().all(|at| mmio::read_u64(address + at) == word)
}

/// Calls `try_one` with a disk for each transport and layout, with those of the features that it offers.
fn each_disk(wanted: u64, mut try_one: impl FnMut(u64, &mut Disk)) {
    each_layout_of(virtio::kind::BLOCK, |row, transport, layout| match Disk::started(transport, layout, wanted) {
        Some(mut disk) => try_one(row, &mut disk),
        None => check!("features are accepted", [ROWS; row], false),
    });
}
