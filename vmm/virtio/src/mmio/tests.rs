//! The registers, one rule each, and hostile accesses.

use super::*;
use crate::{
    Features,
    devices::Entropy,
    testing::{Driver, Layout, QUEUE_SIZE, areas, memory},
};
use proptest::prelude::*;

const PLAIN: Layout = Layout { packed: false, indirect: false, event_index: false };

fn device(memory: &Memory) -> Mmio {
    Mmio::new(Box::new(Entropy::new(std::io::repeat(0x5a))), memory.clone())
}

fn read(device: &mut Mmio, offset: u64) -> u32 {
    let mut data = [0xff; 4];
    device.read(offset, &mut data);
    u32::from_le_bytes(data)
}

fn write(device: &mut Mmio, offset: u64, value: u32) {
    device.write(offset, &value.to_le_bytes());
}

/// As § 3.1.1 says, by registers alone.
fn start(device: &mut Mmio) {
    for status in [1, 3] {
        write(device, 0x70, status);
    }
    for (select, features) in [(0, 0), (1, (Features::VERSION_1.bits() >> 32) as u32)] {
        write(device, 0x24, select);
        write(device, 0x20, features);
    }
    write(device, 0x70, 11);
    assert_eq!(read(device, 0x70), 11);
    write(device, 0x30, 0);
    write(device, 0x38, QUEUE_SIZE.into());
    let areas = areas(0);
    for (offset, address) in [(0x80, areas.descriptors), (0x90, areas.driver), (0xa0, areas.device)] {
        write(device, offset, address as u32);
        write(device, offset + 4, (address >> 32) as u32);
    }
    write(device, 0x44, 1);
    write(device, 0x70, 15);
    assert_eq!((read(device, 0x44), read(device, 0x70)), (1, 15));
}

#[test]
fn the_device_says_what_it_is() {
    let mut device = device(&memory());
    assert_eq!([0, 4, 8].map(|at| read(&mut device, at)), [0x7472_6976, 2, 4]);
    assert_eq!([0x34, 0x44, 0x70, 0xb0, 0xbc].map(|at| read(&mut device, at)), [256, 0, 0, !0, !0]);
    write(&mut device, 0x30, 1);
    assert_eq!(read(&mut device, 0x34), 0, "no such queue");
    for (select, expected) in [(0, 0x3000_0000), (1, 0x105), (2, 0)] {
        write(&mut device, 0x14, select);
        assert_eq!(read(&mut device, 0x10), expected, "{select}");
    }
}

#[test]
fn a_buffer_comes_back_with_an_interrupt() {
    let memory = memory();
    let mut device = device(&memory);
    start(&mut device);
    let mut driver = Driver::new(memory, PLAIN, 1);
    driver.submit(0, &[], &[4]);
    write(&mut device, 0x50, 0);
    assert_eq!(driver.used(0), Some((0, 4)));
    assert_eq!((device.is_asserted(), read(&mut device, 0x60)), (true, 1));
    write(&mut device, 0x64, 2);
    assert!(device.is_asserted(), "something else was acknowledged");
    write(&mut device, 0x64, 1);
    assert_eq!((device.is_asserted(), read(&mut device, 0x60)), (false, 0));
}

#[test]
fn a_reset_takes_the_interrupt_back() {
    let memory = memory();
    let mut device = device(&memory);
    start(&mut device);
    Driver::new(memory, PLAIN, 1).submit(0, &[], &[4]);
    write(&mut device, 0x50, 0);
    write(&mut device, 0x70, 0);
    assert_eq!((device.is_asserted(), read(&mut device, 0x70), read(&mut device, 0x44)), (false, 0, 0));
}

#[test]
fn registers_are_doublewords() {
    let mut device = device(&memory());
    device.write(0x70, &[1]);
    device.write(0x71, &[0; 4]);
    device.write(0x70, &[1, 0]);
    assert_eq!(read(&mut device, 0x70), 0);
    let mut half = [0xff; 2];
    device.read(0, &mut half);
    assert_eq!(half, [0; 2]);
}

proptest! {
    #[test]
    fn any_accesses_are_survived(accesses in proptest::collection::vec(
        (any::<bool>(), prop_oneof![0_u64..0x120, any::<u64>()], 0_usize..9, prop_oneof![any::<u64>(), 0_u64..20]), 0..300,
    )) {
        let mut device = device(&memory());
        start(&mut device);
        for (is_write, offset, size, value) in accesses {
            let mut data = value.to_le_bytes();
            match is_write {
                true => device.write(offset, &data[..size]),
                false => device.read(offset, &mut data[..size]),
            }
        }
    }
}
