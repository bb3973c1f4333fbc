//! Devices of every kind that are saved and restored: nothing is lost, and nothing is done twice.

use super::*;
use crate::{
    Common, Features, VirtioDevice,
    disk::MemoryDisk,
    ring::RingState,
    testing::{Driver, Layout, exchange, restored},
};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};
use vm_memory::Bytes;
use vm_state::DeviceStateError;

const PLAIN: Layout = Layout { packed: false, indirect: false, event_index: false };

fn disk() -> Box<dyn VirtioDevice> {
    Box::new(Block::new(Box::new(MemoryDisk::new(vec![0; 1 << 16], false)), "disk", 1))
}

/// A request to write a sector, with `fill` in each byte.
fn write(driver: &mut Driver, sector: u64, fill: u8) -> u16 {
    let header = [&1_u32.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat();
    driver.submit(0, &[&header, &[fill; 512]], &[1]).id
}

fn first_byte_of(common: &mut Common, driver: &mut Driver, sector: u64) -> u8 {
    let header = [&0_u32.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat();
    let (bytes, written) = exchange(common, driver, 0, &[&header], &[512, 1]);
    assert_eq!((written, bytes[512]), (513, 0));
    bytes[0]
}

#[test]
fn writes_that_were_under_way_are_done_once_and_in_order() {
    for layout in Layout::all() {
        let (mut common, mut driver) = Driver::started(disk(), layout, 0);
        for round in 0..20_u8 {
            // Nobody has notified yet, as if the notification were on its way.
            let ids = [write(&mut driver, 7, round), write(&mut driver, 7, 100 + round)];
            common = restored(common, &driver, disk);
            let used: Vec<_> = std::iter::from_fn(|| driver.used(0)).collect();
            assert_eq!(used, ids.map(|id| (id, 1)), "{layout:?}");
            assert_eq!(first_byte_of(&mut common, &mut driver, 7), 100 + round, "{layout:?}");
            common.notify(0);
            assert_eq!(driver.used(0), None);
        }
    }
}

#[test]
fn registers_and_features_come_back() {
    let (common, driver) = Driver::started(disk(), PLAIN, BlockFeatures::FLUSH.bits());
    let (accepted, status, queue) = (common.accepted(), common.status(), *common.queue(0).unwrap());
    let common = restored(common, &driver, disk);
    assert_eq!((common.accepted(), common.status(), *common.queue(0).unwrap()), (accepted, status, queue));
    let mut common = restored(common, &driver, disk);
    common.set_status(0);
    assert_eq!((common.accepted(), common.queue(0).unwrap().enabled), (0, false));
}

#[test]
fn a_state_of_another_device_is_refused_with_a_reason() {
    let (mut common, driver) = Driver::started(disk(), PLAIN, 0);
    let state = common.save().unwrap();
    let restore = |device: Box<dyn VirtioDevice>| Common::new(device, driver.memory.clone()).restore(&state);
    let of = |size, is_read_only, id, nr_queues| -> Box<dyn VirtioDevice> {
        Box::new(Block::new(Box::new(MemoryDisk::new(vec![0; size], is_read_only)), id, nr_queues))
    };
    assert_eq!(restore(of(1 << 16, false, "disk", 1)), Ok(()));
    let others: [Box<dyn VirtioDevice>; 4] = [
        Box::new(Entropy::new(std::io::empty())),
        of(1 << 16, true, "disk", 1),
        of(1 << 16, false, "other", 1),
        of(1 << 16, false, "disk", 2),
    ];
    for other in others {
        let kind = other.kind();
        assert!(matches!(restore(other), Err(DeviceStateError::Other { .. })), "{kind:?}");
    }
}

#[test]
fn a_ring_that_is_not_in_memory_any_more_is_refused() {
    let (mut common, driver) = Driver::started(disk(), PLAIN, 0);
    let state = common.save().unwrap();
    let range = (vm_memory::GuestAddress(0), 0x1000);
    let small = crate::Memory::from_ranges(&[range]).unwrap();
    assert_eq!(Common::new(disk(), small).restore(&state), Err(DeviceStateError::Contents));
    assert_eq!(Common::new(disk(), driver.memory.clone()).restore(&state), Ok(()));
    let split = RingState::Split { next_available: 0, next_used: 0 };
    let features = Features::VERSION_1 | Features::RING_PACKED;
    let place = (16, crate::testing::areas(0));
    assert!(crate::Ring::restore(&driver.memory, place, features, split).is_err());
}

#[test]
fn a_frame_that_waits_for_a_buffer_is_not_lost_with_its_link() {
    let make = || {
        let (here, there) = FrameSocket::pair().unwrap();
        let network: Box<dyn VirtioDevice> =
            Box::new(Network::new(NetworkOptions::new([2, 0, 0, 0, 0, 1]), here).unwrap());
        (network, there)
    };
    let (network, mut there) = make();
    let (mut common, mut driver) = Driver::started(network, PLAIN, 0);
    for fill in 1..4_u8 {
        there.write_frame(&[fill; 60]).unwrap();
        // The first waits in the device, and the others in the link.
        common.wake();
    }
    let mut common = restored(common, &driver, || make().0);
    for fill in 1..4_u8 {
        let (bytes, written) = exchange(&mut common, &mut driver, 0, &[], &[100]);
        assert_eq!((written, bytes[12]), (72, fill));
    }
    assert!(driver.submit(0, &[], &[100]).id < 16);
    common.notify(0);
    assert_eq!(driver.used(0), None);
}

#[test]
fn bytes_of_a_console_come_once_in_both_directions() {
    let make = |small: bool| {
        let (here, there) = UnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        if small {
            nix::sys::socket::setsockopt(&here, nix::sys::socket::sockopt::SndBuf, &4096).unwrap();
        }
        let ports = vec![Port::console(Channel::stream(here).unwrap())];
        (Box::new(Console::new(ports).unwrap()) as Box<dyn VirtioDevice>, there)
    };
    let (console, mut host) = make(true);
    let (mut common, mut driver) = Driver::started(console, PLAIN, 0);
    let sent: Vec<u8> = (0..200_000_u32).map(|index| (index % 251) as u8).collect();
    driver.submit(1, &[&sent], &[]);
    common.notify(1);
    assert_eq!(driver.used(1), None, "the host takes only a part");
    host.write_all(b"typed before").unwrap();
    let mut taken = vec![];
    let mut next_host = None;
    let mut common = restored(common, &driver, || {
        let (console, there) = make(false);
        next_host = Some(there);
        console
    });
    _ = host.read_to_end(&mut taken);
    common.wake();
    let mut next_host = next_host.unwrap();
    // What does not fit at once follows what is read.
    while driver.used(1).is_none() {
        _ = next_host.read_to_end(&mut taken);
        common.wake();
    }
    _ = next_host.read_to_end(&mut taken);
    assert!(taken == sent, "{} bytes", taken.len());
    let (bytes, written) = exchange(&mut common, &mut driver, 0, &[], &[100]);
    assert_eq!(&bytes[..written as usize], b"typed before");
}

#[test]
fn a_balloon_asks_by_the_buffer_that_it_had() {
    struct Kept;
    impl Discard for Kept {
        fn discard(&mut self, _: u64, _: u64) {}
    }
    let (common, mut driver) = Driver::started(Box::new(Balloon::new(Kept).unwrap()), PLAIN, 1 << 1);
    let mut common = common;
    let statistics = driver.submit(2, &[&[6, 0, 9, 0, 0, 0, 0, 0, 0, 0]], &[]);
    common.notify(2);
    common.write_config(4, &5_u32.to_le_bytes());
    let balloon = Balloon::new(Kept).unwrap();
    let control = balloon.control();
    let mut common = restored(common, &driver, || Box::new(balloon));
    assert_eq!((control.actual(), control.statistics()), (5, vec![(6, 9)]));
    assert_eq!(driver.used(2), None);
    control.ask_for_statistics();
    common.wake();
    assert_eq!(driver.used(2), Some((statistics.id, 0)));
}

#[test]
fn a_picture_is_shown_again() {
    let command = |fields: &[u32]| -> Vec<u8> {
        let header = [fields[0], 0, 0, 0, 0, 0];
        header.iter().chain(&fields[1..]).flat_map(|field| field.to_le_bytes()).collect()
    };
    let (mut common, mut driver) = Driver::started(Box::new(Gpu::new(64, 48, FrameBuffer::new()).unwrap()), PLAIN, 0);
    driver.memory.write_slice(&[1, 2, 3, 0].repeat(6), vm_memory::GuestAddress(0x8_0000)).unwrap();
    for request in [
        &[0x101, 7, 2, 3, 2][..],
        &[0x106, 7, 1, 0x8_0000, 0, 24, 0],
        &[0x103, 0, 0, 3, 2, 0, 7],
        &[0x105, 0, 0, 3, 2, 0, 0, 7, 0],
    ] {
        let (bytes, _) = exchange(&mut common, &mut driver, 0, &[&command(request)], &[24]);
        assert_eq!(bytes[..2], [0, 0x11], "{request:x?}");
    }
    let screen = FrameBuffer::new();
    let shown = screen.clone();
    let mut common = restored(common, &driver, || Box::new(Gpu::new(64, 48, screen).unwrap()));
    let mut picture = vec![];
    shown.write_ppm(&mut picture).unwrap();
    assert_eq!(picture, [&b"P6\n3 2\n255\n"[..], &[3, 2, 1].repeat(6)].concat());
    // It is there by its number, and there only once.
    let (bytes, _) = exchange(&mut common, &mut driver, 0, &[&command(&[0x101, 7, 2, 3, 2])], &[24]);
    assert_eq!(bytes[..2], [3, 0x12]);
}

#[test]
fn disks_of_a_scsi_host_are_told_apart_and_attention_is_told_once() {
    let host = |serial: &str, is_occupied: bool| -> Box<dyn VirtioDevice> {
        let scsi = Scsi::new(1).unwrap();
        if is_occupied {
            scsi.bus().attach(3, Box::new(MemoryDisk::new(vec![0; 1024], false)), serial).unwrap();
        }
        Box::new(scsi)
    };
    let (mut common, mut driver) = Driver::started(host("one", true), PLAIN, 0);
    // TEST UNIT READY, whose status is the byte behind sense length, residual and qualifier.
    let ready = |common: &mut Common, driver: &mut Driver| {
        let request = [&[1, 3, 0x40, 0, 0, 0, 0, 0][..], &[0; 11], &[0; 32]].concat();
        exchange(common, driver, 2, &[&request], &[108]).0[10]
    };
    let state = common.save().unwrap();
    let refused = |device| Common::new(device, driver.memory.clone()).restore(&state).is_err();
    assert!(refused(host("other", true)) && refused(host("one", false)) && !refused(host("one", true)));
    let mut common = restored(common, &driver, || host("one", true));
    assert_eq!(ready(&mut common, &mut driver), 2, "the disk was switched on");
    let mut common = restored(common, &driver, || host("one", true));
    assert_eq!(ready(&mut common, &mut driver), 0);
}
