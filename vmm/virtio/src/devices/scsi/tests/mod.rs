//! Commands, one rule each, the other queues, and hostile requests.

mod disks;
mod queues;

use super::*;
use crate::{
    Common,
    disk::{MemoryDisk, stub::StubDisk},
    hostile::{self, Hosted},
    testing::{Driver, Layout, due, exchange},
};
use proptest::prelude::*;

const PLAIN: Layout = Layout { packed: false, indirect: false, event_index: false };
const NR_SECTORS: u64 = 200;
/// The first queue of requests.
const REQUESTS: usize = 2;
/// The unit of target 1.
const UNIT: [u8; 8] = [1, 1, 0x40, 0, 0, 0, 0, 0];

/// A host with a disk as target 1, whose driver has heard of the power-on.
struct Host {
    common: Common,
    driver: Driver,
    bus: ScsiBus,
    disk: StubDisk,
}

/// What came back: response, status, sense key with its codes, residual, and data with their size by the used length.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    response: u8,
    status: u8,
    sense: Option<(u8, u8, u8)>,
    residual: u32,
    data: Vec<u8>,
}

impl Answer {
    fn good(residual: u32, data: &[u8]) -> Self {
        Self { response: 0, status: 0, sense: None, residual, data: data.to_vec() }
    }

    fn check(sense: (u8, u8, u8), residual: u32) -> Self {
        Self { response: 0, status: 2, sense: Some(sense), residual, data: vec![] }
    }

    fn failed(response: u8, residual: u32) -> Self {
        Self { response, status: 0, sense: None, residual, data: vec![] }
    }
}

fn head(unit: [u8; 8], cdb: &[u8]) -> Vec<u8> {
    let mut cdb = cdb.to_vec();
    cdb.resize(32, 0);
    [&unit[..], &77_u64.to_le_bytes(), &[0; 3], &cdb].concat()
}

impl Host {
    fn fresh(layout: Layout, is_read_only: bool, features: ScsiFeatures) -> Self {
        let disk = StubDisk::new(NR_SECTORS, is_read_only);
        let scsi = Scsi::new(1).unwrap();
        let bus = scsi.bus();
        bus.attach(1, Box::new(disk.clone()), "serial").unwrap();
        let (common, driver) = Driver::started(Box::new(scsi), layout, features.bits());
        Self { common, driver, bus, disk }
    }

    fn new(layout: Layout, is_read_only: bool) -> Self {
        Self::with(layout, is_read_only, ScsiFeatures::all())
    }

    fn with(layout: Layout, is_read_only: bool, features: ScsiFeatures) -> Self {
        let mut host = Self::fresh(layout, is_read_only, features);
        assert_eq!(host.ask(&[0; 6], 0), Answer::check((6, 0x29, 0), 0));
        host
    }

    fn plain() -> Self {
        Self::new(PLAIN, false)
    }

    /// Sends a request, with data for the disk or room for data from it, in these parts.
    fn exchange(&mut self, readable: &[&[u8]], writable: &[u32]) -> Answer {
        let (bytes, written) = exchange(&mut self.common, &mut self.driver, REQUESTS, readable, writable);
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert!(written >= 108, "all of the response is written");
        let sense = (word(0) > 0).then(|| {
            assert_eq!((word(0), bytes[12], bytes[19], bytes[8], bytes[9]), (18, 0x70, 10, 0, 0));
            (bytes[14], bytes[24], bytes[25])
        });
        let data = bytes[108..written as usize].to_vec();
        Answer { response: bytes[11], status: bytes[10], sense, residual: word(4), data }
    }

    fn ask_unit(&mut self, unit: [u8; 8], cdb: &[u8], room: u32) -> Answer {
        self.exchange(&[&head(unit, cdb)], &[108, room])
    }

    fn ask(&mut self, cdb: &[u8], room: u32) -> Answer {
        self.ask_unit(UNIT, cdb, room)
    }

    fn give(&mut self, cdb: &[u8], data: &[u8]) -> Answer {
        self.exchange(&[&head(UNIT, cdb), data], &[108])
    }
}

proptest! {
    #[test]
    fn hostile_drivers_are_survived(steps in hostile::strategy::steps((
        prop_oneof![4 => Just(UNIT), 1 => Just([0xc1, 1, 0, 0, 0, 0, 0, 0]), 1 => any::<[u8; 8]>()],
        prop::sample::select(vec![0_u8, 3, 8, 0xa, 0x12, 0x1a, 0x25, 0x28, 0x2a, 0x35, 0x5a, 0x88, 0x8a, 0x91, 0x9e, 0xa0]),
        proptest::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 31),
    ).prop_map(|(unit, code, more)| head(unit, &[vec![code], more].concat())))) {
        hostile::survive_with_host(|| {
            let scsi = Scsi::new(1).unwrap();
            let disk = MemoryDisk::new(vec![7; NR_SECTORS as usize * 512], false);
            scsi.bus().attach(1, Box::new(disk), "disk").unwrap();
            Hosted::scsi(scsi)
        }, &steps);
    }
}
