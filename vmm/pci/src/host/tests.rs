//! The bridge: both ways into configuration space, what base address registers map, and hostile accesses.

use super::*;
use crate::{Bar, BarKind};
use proptest::prelude::*;

/// A function that answers with its register's index and the offset, and remembers the last write.
struct Teller(Config, Option<(usize, u64, Vec<u8>)>);

impl Teller {
    fn boxed(device: u16) -> Box<dyn Function> {
        let identity = Identity { vendor: 0x1af4, device, ..Identity::default() };
        let bar = |kind| Bar { kind, size_bytes: 0x1000, prefetchable: false };
        Box::new(Self(Config::new(identity, &[(0, bar(BarKind::Memory64)), (2, bar(BarKind::Io))]), None))
    }
}

impl Function for Teller {
    fn find(&self, address: u64, size: usize, is_io: bool) -> Option<(usize, u64)> {
        self.0.find(address, size, is_io)
    }

    fn read_config(&mut self, offset: u16, data: &mut [u8]) {
        self.0.read(offset, data);
    }

    fn write_config(&mut self, offset: u16, data: &[u8]) {
        self.0.write(offset, data);
    }

    fn read_bar(&mut self, bar: usize, offset: u64, data: &mut [u8]) {
        match &self.1 {
            Some(told) if (told.0, told.1) == (bar, offset) => data.copy_from_slice(&told.2),
            _ => data.fill(offset as u8),
        }
    }

    fn write_bar(&mut self, bar: usize, offset: u64, data: &[u8]) {
        self.1 = Some((bar, offset, data.to_vec()));
    }
}

fn host() -> Host {
    let mut host = Host::new(Identity { vendor: 0x8086, device: 0x0d57, ..Identity::default() });
    assert_eq!(host.plug(Slot::new(3), Teller::boxed(0x1003)).map(Slot::device), Ok(3));
    assert_eq!(host.plug(None, Teller::boxed(0x1001)).map(Slot::device), Ok(1));
    host
}

fn by_ports(host: &mut Host, address: u32) -> u32 {
    host.write_port(0, &address.to_le_bytes());
    let mut data = [0xff; 4];
    host.read_port(4, &mut data);
    u32::from_le_bytes(data)
}

fn mapped(host: &mut Host, offset: u64) -> u32 {
    let mut data = [0; 4];
    host.read_mapped_config(offset, &mut data);
    u32::from_le_bytes(data)
}

#[test]
fn both_ways_lead_to_the_same_functions() {
    let mut host = host();
    for (device, id) in [(0, 0x0d57_8086), (1, 0x1001_1af4), (2, !0), (3, 0x1003_1af4), (31, !0)] {
        assert_eq!(by_ports(&mut host, 1 << 31 | device << 11), id, "{device}");
        assert_eq!(mapped(&mut host, u64::from(device) << 15), id, "{device}");
        // Other functions and buses.
        assert_eq!(by_ports(&mut host, 1 << 31 | device << 11 | 1 << 8), !0);
        assert_eq!(mapped(&mut host, u64::from(device) << 15 | 1 << 20), !0);
    }
    assert_eq!(by_ports(&mut host, 3 << 11), !0, "without the enable bit");
}

#[test]
fn the_address_register_takes_doublewords_only() {
    let mut host = host();
    host.write_port(0, &0x8000_1804_u32.to_le_bytes());
    host.write_port(0, &[0]);
    host.write_port(2, &[0xff, 0xff]);
    let mut data = [0xff; 4];
    host.read_port(0, &mut data);
    assert_eq!(u32::from_le_bytes(data), 0x8000_1804);
    let mut part = [0xaa];
    host.read_port(1, &mut part);
    assert_eq!(part, [0xaa], "left to whoever else answers");
}

#[test]
fn base_address_registers_move() {
    let mut host = host();
    let slot = 3_u64 << 15;
    host.write_mapped_config(slot | 4, &[3, 0]);
    for address in [0xe000_0000_u64, 0xe000_5000, 0x12_0000_0000] {
        host.write_mapped_config(slot | 0x10, &(address as u32).to_le_bytes());
        host.write_mapped_config(slot | 0x14, &((address >> 32) as u32).to_le_bytes());
        assert!(host.write(address + 8, false, &[1, 2]));
        let mut data = [0; 2];
        assert!(host.read(address + 8, false, &mut data));
        assert_eq!(data, [1, 2]);
        assert!(!host.read(address + 0xfff, false, &mut data), "over its end");
        assert!(!host.read(address + 8, true, &mut data), "not a port");
    }
    assert!(!host.read(0xe000_0008, false, &mut [0]), "where it was");
}

#[test]
fn functions_come_and_go() {
    let mut host = host();
    assert_eq!(host.plug(Slot::new(3), Teller::boxed(1)), Err(PlaceError::Taken(3)));
    assert!(host.unplug(Slot(3)).is_ok());
    assert_eq!(host.unplug(Slot(3)).err(), Some(PlaceError::Empty(3)));
    assert_eq!(host.unplug(Slot(0)).err(), Some(PlaceError::Empty(0)));
    assert_eq!(mapped(&mut host, 3 << 15), !0);
    for device in 0..30 {
        assert!(host.plug(None, Teller::boxed(device)).is_ok());
    }
    assert_eq!(host.plug(None, Teller::boxed(0)), Err(PlaceError::Full));
}

proptest! {
    #[test]
    fn no_access_panics(accesses in proptest::collection::vec((0_u8..6, any::<u64>(), 0_usize..9, any::<[u8; 8]>()), 0..200)) {
        let mut host = host();
        for (way, at, size, bytes) in accesses {
            let mut data = bytes;
            match way {
                0 => host.read_port(at % 10, &mut data[..size]),
                1 => host.write_port(at % 10, &data[..size]),
                2 => host.read_mapped_config(at, &mut data[..size]),
                3 => host.write_mapped_config(at % (5 << 15), &data[..size]),
                4 => { host.read(at, size % 2 == 0, &mut data[..size]); }
                _ => { host.write(at, size % 2 == 0, &data[..size]); }
            }
        }
    }
}
