//! Tests of the bus.

use super::*;
use crate::memory::{MemoryError, Template};
use std::sync::mpsc;

/// Tells each access and answers with the region's index.
struct Teller(Vec<Region>, mpsc::Sender<(Location, Vec<u8>)>);

impl Device for Teller {
    fn regions(&self) -> Vec<Region> {
        self.0.clone()
    }

    fn read(&mut self, at: Location, data: &mut [u8]) -> Flow {
        data[0] = at.region as u8;
        Flow::Continue
    }

    fn write(&mut self, at: Location, data: &[u8], _: &GuestMemory) -> Flow {
        self.1.send((at, data.to_vec())).unwrap();
        if data[0] == 0 { Flow::Stop(StopReason::DebugExit(data[0].into())) } else { Flow::Continue }
    }
}

const PORTS: Region = Region::Ports { first: 0x10, count: 4 };
const PAGE: Region = Region::Memory { first: 0x10_0000, size_bytes: 0x1000 };

type Told = mpsc::Receiver<(Location, Vec<u8>)>;

fn bus(regions: &[Region]) -> Result<(Bus, Told), BusError> {
    let (sender, receiver) = mpsc::channel();
    Ok((
        Bus::new(vec![Box::new(Teller(regions.to_vec(), sender))], MemoryMap::new(0x10_0000).expect("a mebibyte"))?,
        receiver,
    ))
}

fn memory() -> GuestMemory {
    Template::new::<MemoryError>(0x10_0000, |_| Ok(())).unwrap().instantiate().unwrap()
}

#[test]
fn unclaimed_reads_are_all_ones() {
    let (mut bus, _receiver) = bus(&[PORTS, PAGE]).unwrap();
    for (port, size) in [(0xf, 1), (0x14, 1), (0x13, 2), (0xf, 4), (0xffff, 4)] {
        let mut data = [0; 4];
        assert_eq!(bus.read_port(port, size, &mut data[..size]), Flow::Continue);
        assert!(data[..size].iter().all(|byte| *byte == 0xff), "{port:#x} {size}");
    }
    for address in [0, 0xf_fff9, 0x10_0ffd, 0x10_1000, u64::MAX] {
        let mut data = [0; 4];
        assert_eq!(bus.read_memory(address, &mut data), Flow::Continue);
        assert_eq!(data, [0xff; 4], "{address:#x}");
    }
}

#[test]
fn unclaimed_writes_are_dropped() {
    let (mut bus, receiver) = bus(&[PORTS, PAGE]).unwrap();
    let memory = memory();
    assert_eq!(bus.write_port(0x13, 2, &[1, 2], &memory), Flow::Continue);
    assert_eq!(bus.write_memory(0x10_1000, &[1], &memory), Flow::Continue);
    assert!(receiver.try_recv().is_err());
}

#[test]
fn claimed_accesses_reach_the_region() {
    let (mut bus, receiver) = bus(&[PORTS, PAGE]).unwrap();
    let mut data = [0; 2];
    assert_eq!(bus.read_port(0x12, 2, &mut data), Flow::Continue);
    assert_eq!(data, [0, 0xff]);
    assert_eq!(bus.read_memory(0x10_0ffe, &mut data), Flow::Continue);
    assert_eq!(data, [1, 0xff]);
    assert_eq!(bus.write_memory(0x10_0ffe, &[7, 8], &memory()), Flow::Continue);
    assert_eq!(receiver.try_recv().unwrap(), (Location { region: 1, offset: 0xffe }, vec![7, 8]));
}

#[test]
fn a_string_instruction_is_many_accesses_to_one_port() {
    let (mut bus, receiver) = bus(&[PORTS]).unwrap();
    let flow = bus.write_port(0x11, 2, &[1, 2, 0, 4, 5, 6], &memory());
    assert_eq!(flow, Flow::Stop(StopReason::DebugExit(0)));
    let at = Location { region: 0, offset: 1 };
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [(at, vec![1, 2]), (at, vec![0, 4]), (at, vec![5, 6])]);
}

#[test]
fn regions_that_collide_are_refused() {
    let refused = |regions: &[Region]| bus(regions).err().expect("refused");
    assert!(matches!(refused(&[PORTS, PORTS]), BusError::Region { source: bus::Error::DeviceOverlap, .. }));
    let empty = Region::Ports { first: 1, count: 0 };
    assert!(matches!(refused(&[empty]), BusError::Region { source: bus::Error::InvalidRange, .. }));
    let endless = Region::Memory { first: u64::MAX, size_bytes: 2 };
    assert!(matches!(refused(&[endless]), BusError::Region { source: bus::Error::InvalidRange, .. }));
    let within = Region::Memory { first: 0xf_f000, size_bytes: 0x1000 };
    assert!(matches!(refused(&[within]), BusError::WithinMemory { .. }));
}
