//! Capabilities and registers of the PCI transport, one rule each, and hostile accesses.

use super::*;
use crate::{
    Features,
    devices::Entropy,
    testing::{Driver, Layout, QUEUE_SIZE, areas, memory},
};
use proptest::prelude::*;

const PLAIN: Layout = Layout { packed: false, indirect: false, event_index: false };

fn function(memory: &Memory) -> VirtioFunction {
    let mut function = VirtioFunction::new(Box::new(Entropy::new(std::io::repeat(0x5a))), memory.clone());
    // Memory space and bus mastering.
    function.write_config(4, &[6, 0]);
    function
}

fn config(function: &mut VirtioFunction, at: u16) -> u32 {
    let mut data = [0; 4];
    function.read_config(at, &mut data);
    u32::from_le_bytes(data)
}

fn read(function: &mut VirtioFunction, offset: u64, size: usize) -> u64 {
    let mut data = [0; 8];
    function.read_bar(0, offset, &mut data[..size]);
    u64::from_le_bytes(data)
}

fn write(function: &mut VirtioFunction, offset: u64, size: usize, value: u64) {
    function.write_bar(0, offset, &value.to_le_bytes()[..size]);
}

/// As § 3.1.1 says, by registers alone.
fn start(function: &mut VirtioFunction) {
    write(function, 0x14, 1, 1);
    write(function, 0x14, 1, 3);
    write(function, 0x08, 4, 1);
    write(function, 0x0c, 4, Features::VERSION_1.bits() >> 32);
    write(function, 0x14, 1, 11);
    write(function, 0x16, 2, 0);
    write(function, 0x18, 2, QUEUE_SIZE.into());
    for (offset, address) in [(0x20, areas(0).descriptors), (0x28, areas(0).driver), (0x30, areas(0).device)] {
        write(function, offset, 4, address & 0xffff_ffff);
        write(function, offset + 4, 4, address >> 32);
    }
    write(function, 0x1c, 2, 1);
    write(function, 0x14, 1, 15);
    assert_eq!((read(function, 0x14, 1), read(function, 0x1c, 2)), (15, 1));
}

/// Gives the device a buffer and notifies it.
fn give(function: &mut VirtioFunction, driver: &mut Driver) {
    driver.submit(0, &[], &[4]);
    write(function, VirtioFunction::notify_offset(0), 2, 0);
    assert!(driver.used(0).is_some());
}

#[test]
fn capabilities_lead_to_the_parts() {
    let mut function = function(&memory());
    assert_eq!((config(&mut function, 0), config(&mut function, 8)), (0x1044_1af4, 0x00ff_0001));
    let mut at = config(&mut function, 0x34) as u16 & 0xff;
    let mut found = Vec::new();
    while at != 0 {
        let head = config(&mut function, at);
        found.push((head as u8, (head >> 24) as u8, config(&mut function, at + 8)));
        at = (head >> 8) as u16 & 0xff;
    }
    assert_eq!(found, [(9, 1, 0), (9, 3, 0x1000), (9, 4, 0x2000), (9, 2, 0x3000), (9, 5, 0), (0x11, 0, 0x5000)]);
}

#[test]
fn the_pin_is_asserted_until_the_isr_is_read() {
    let memory = memory();
    let mut function = function(&memory);
    start(&mut function);
    give(&mut function, &mut Driver::new(memory, PLAIN, 1));
    assert_eq!(function.take_signals(), Signals { messages: vec![], pin: true });
    assert_eq!(config(&mut function, 4) >> 16 & 8, 8);
    // Disabled, it is pending all the same.
    function.write_config(4, &[6, 4]);
    assert!(!function.take_signals().pin);
    assert_eq!(config(&mut function, 4) >> 16 & 8, 8);
    assert_eq!((read(&mut function, 0x1000, 1), read(&mut function, 0x1000, 1)), (1, 0));
    assert_eq!(config(&mut function, 4) >> 16 & 8, 0);
    function.write_config(4, &[6, 0]);
    assert!(!function.take_signals().pin);
}

#[test]
fn messages_replace_the_pin() {
    let memory = memory();
    let mut function = function(&memory);
    let msix = (0x40..0x100).step_by(4).find(|at| config(&mut function, *at) as u8 == 0x11).expect("a capability");
    function.write_config(msix + 2, &[0, 0x80]);
    for (offset, value) in [(0x10, 0xfee0_0000), (0x14, 0), (0x18, 0x41), (0x1c, 0)] {
        write(&mut function, 0x4000 + offset, 4, value);
    }
    start(&mut function);
    write(&mut function, 0x1a, 2, 1);
    assert_eq!(read(&mut function, 0x1a, 2), 1);
    let mut driver = Driver::new(memory, PLAIN, 1);
    give(&mut function, &mut driver);
    let message = Message { address: 0xfee0_0000, data: 0x41 };
    assert_eq!(function.take_signals(), Signals { messages: vec![message], pin: false });
    assert_eq!(read(&mut function, 0x1000, 1), 0, "the ISR is for the pin");
    // Masked, it waits.
    write(&mut function, 0x401c, 4, 1);
    give(&mut function, &mut driver);
    assert_eq!(function.take_signals().messages, []);
    assert_eq!(read(&mut function, 0x5000, 8), 2);
    write(&mut function, 0x401c, 4, 0);
    assert_eq!(function.take_signals().messages, [message]);
    // Of no such vector, none is left.
    write(&mut function, 0x1a, 2, 2);
    assert_eq!(read(&mut function, 0x1a, 2), 0xffff);
    give(&mut function, &mut driver);
    assert_eq!(function.take_signals().messages, []);
}

#[test]
fn the_window_leads_into_the_register_space() {
    let mut function = function(&memory());
    let window = (0x40..0x100).step_by(4).find(|at| config(&mut function, *at) >> 24 == 5).expect("a capability");
    for (offset, length, expected) in [(0x12_u32, 2_u32, 1_u32), (0x14, 1, 0), (0x18, 2, 256)] {
        function.write_config(window + 8, &offset.to_le_bytes());
        function.write_config(window + 12, &length.to_le_bytes());
        assert_eq!(config(&mut function, window + 16) & (u32::MAX >> (32 - 8 * length)), expected, "{offset:#x}");
    }
    function.write_config(window + 8, &0x14_u32.to_le_bytes());
    function.write_config(window + 12, &1_u32.to_le_bytes());
    function.write_config(window + 16, &[1]);
    assert_eq!(read(&mut function, 0x14, 1), 1);
    function.write_config(window + 12, &3_u32.to_le_bytes());
    function.write_config(window + 16, &[3]);
    assert_eq!(read(&mut function, 0x14, 1), 1, "no length of an access");
}

#[test]
fn fields_are_accessed_with_their_width() {
    let mut function = function(&memory());
    write(&mut function, 0x14, 2, 1);
    write(&mut function, 0x14, 4, 1);
    assert_eq!(read(&mut function, 0x14, 1), 0);
    write(&mut function, 0x20, 8, 0x1_2345_6780);
    assert_eq!((read(&mut function, 0x20, 4), read(&mut function, 0x24, 4)), (0x2345_6780, 1));
}

proptest! {
    #[test]
    fn any_accesses_are_survived(accesses in proptest::collection::vec(
        (0_u8..4, prop_oneof![0_u64..0x60, 0_u64..0x8000, any::<u64>()], 0_usize..9, prop_oneof![any::<u64>(), 0_u64..20]), 0..300,
    )) {
        let mut function = function(&memory());
        start(&mut function);
        for (way, offset, size, value) in accesses {
            let mut data = value.to_le_bytes();
            match way {
                0 => function.read_config(offset as u16, &mut data[..size]),
                1 => function.write_config(offset as u16, &data[..size]),
                2 => function.read_bar(0, offset, &mut data[..size]),
                _ => function.write_bar(0, offset, &data[..size]),
            }
            prop_assert!(function.take_signals().messages.len() < 8);
        }
    }
}
