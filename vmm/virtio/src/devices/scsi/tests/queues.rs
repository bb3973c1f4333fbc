//! Framing, configuration, task management, and events.

use super::*;

fn config(common: &Common, at: usize) -> u32 {
    let mut bytes = [0; 4];
    common.read_config(at, &mut bytes);
    u32::from_le_bytes(bytes)
}

/// What the control queue answers.
fn control(host: &mut Host, words: &[u32], unit: [u8; 8], more: &[u8], room: u32) -> Vec<u8> {
    let head: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let request = [&head[..], &unit, more].concat();
    let (bytes, written) = exchange(&mut host.common, &mut host.driver, CONTROL_QUEUE, &[&request], &[room]);
    bytes[..written as usize].to_vec()
}

fn manage(host: &mut Host, function: u32, unit: [u8; 8]) -> Vec<u8> {
    control(host, &[0, function], unit, &[0; 8], 1)
}

#[test]
fn the_configuration_says_what_the_host_is() {
    let mut host = Host::plain();
    let fields = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36].map(|at| config(&host.common, at));
    assert_eq!(fields, [1, 254, 0xffff, 128, 16, 96, 32, 7 << 16, 0, 0]);
    for (at, data) in [(20, &[5, 0][..]), (0, &[5, 0, 0, 0]), (20, &[0, 0, 1, 0]), (24, &[0, 2, 0, 0]), (22, &[0; 4])] {
        host.common.write_config(at, data);
        assert_eq!([0, 20, 24].map(|at| config(&host.common, at)), [1, 96, 32]);
    }
    host.common.write_config(20, &[5, 0, 0, 0]);
    host.common.write_config(24, &[6, 0, 0, 0]);
    assert_eq!([20, 24].map(|at| config(&host.common, at)), [5, 6]);
    host.common.set_status(0);
    assert_eq!([20, 24].map(|at| config(&host.common, at)), [96, 32]);
    assert_eq!(Common::new(Box::new(Scsi::new(99).unwrap()), crate::testing::memory()).nr_queues(), 18);
}

#[test]
fn sizes_of_commands_and_sense_data_are_the_drivers() {
    let mut host = Host::plain();
    host.common.write_config(20, &[5, 0, 0, 0]);
    host.common.write_config(24, &[6, 0, 0, 0]);
    let mut ask = |cdb: &[u8], out: &[u8], room| {
        let request = [&UNIT[..], &[0; 11], cdb, out].concat();
        exchange(&mut host.common, &mut host.driver, REQUESTS, &[&request], &[room])
    };
    let (bytes, written) = ask(&[8, 0, 0, 9, 1, 0], &[], 17 + 512);
    assert_eq!((bytes[11], bytes[10], &bytes[17..], written), (0, 0, &[9; 512][..], 529));
    assert_eq!(ask(&[10, 0, 0, 9, 1, 0], &[4; 512], 17).0[10..12], [0, 0]);
    // As much of the sense data as has room.
    let (bytes, written) = ask(&[0xff, 0, 0, 0, 0, 0], &[], 17);
    assert_eq!((bytes, written), (vec![5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x70, 0, 5, 0, 0], 17));
}

#[test]
fn broken_requests_fail() {
    let mut host = Host::plain();
    let request = head(UNIT, &[0; 6]);
    for size in [0, 8, 50] {
        assert_eq!(host.exchange(&[&request[..size]], &[108]), Answer::failed(9, 0));
    }
    assert_eq!(host.exchange(&[&request, &[0; 4]], &[108, 8]), Answer::failed(9, 12), "data in both directions");
    for writable in [&[][..], &[107]] {
        let (_, written) = exchange(&mut host.common, &mut host.driver, REQUESTS, &[&request], writable);
        assert_eq!(written, 0, "there is no room for the response");
    }
    assert_eq!(host.common.broken(), None);
    assert_eq!(host.ask(&[0; 6], 0), Answer::good(0, &[]));
}

#[test]
fn tasks_are_managed() {
    let mut host = Host::plain();
    for function in [0, 1, 3, 6, 7] {
        assert_eq!(manage(&mut host, function, UNIT), [0], "{function}");
    }
    for function in [2, 8, u32::MAX] {
        assert_eq!(manage(&mut host, function, UNIT), [11], "{function}");
    }
    assert_eq!(host.ask(&[0; 6], 0), Answer::good(0, &[]));
    for function in [4, 5] {
        assert_eq!(manage(&mut host, function, UNIT), [0], "{function}");
        assert_eq!(host.ask(&[0; 6], 0), Answer::check((6, 0x29, 3), 0));
        assert_eq!(host.ask(&[0; 6], 0), Answer::good(0, &[]));
    }
    assert_eq!(manage(&mut host, 5, [1, 2, 0x40, 0, 0, 0, 0, 0]), [3]);
    assert_eq!(manage(&mut host, 5, [1, 1, 0x40, 1, 0, 0, 0, 0]), [12]);
    assert_eq!(manage(&mut host, 5, [9; 8]), [3]);
    assert_eq!(host.ask(&[0; 6], 0), Answer::good(0, &[]));
}

#[test]
fn notifications_are_none() {
    let mut host = Host::plain();
    for kind in [1, 2] {
        assert_eq!(control(&mut host, &[kind], UNIT, &[0xff; 4], 5), [0, 0, 0, 0, 0]);
        assert_eq!(control(&mut host, &[kind], [1, 0, 0, 0, 0, 0, 0, 0], &[0; 4], 5), [0, 0, 0, 0, 3]);
        assert_eq!(control(&mut host, &[kind], UNIT, &[0; 4], 4), [], "no room");
        assert_eq!(control(&mut host, &[kind], UNIT, &[], 5), [0, 0, 0, 0, 9], "too short");
    }
    assert_eq!(control(&mut host, &[0, 5], UNIT, &[], 1), [9], "too short");
    assert_eq!(control(&mut host, &[3], UNIT, &[0; 12], 5), [], "no such type");
    assert_eq!(host.common.broken(), None);
}

/// Leaves a buffer for an event.
fn leave(host: &mut Host, size: u32) -> crate::testing::Request {
    let request = host.driver.submit(EVENT_QUEUE, &[], &[size]);
    host.common.notify(EVENT_QUEUE);
    request
}

/// What an event's buffer came back with.
fn event(host: &mut Host, request: &crate::testing::Request) -> Vec<u8> {
    let (id, written) = host.driver.used(EVENT_QUEUE).expect("it came back");
    assert_eq!(id, request.id);
    host.driver.written(request)[..written as usize].to_vec()
}

fn said(kind: u32, unit: [u8; 8], reason: u32) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &unit, &reason.to_le_bytes()].concat()
}

#[test]
fn another_size_is_an_event_and_an_attention() {
    const CHANGED: (u8, u8, u8) = (6, 0x2a, 9);
    for (features, is_event) in [(ScsiFeatures::all(), true), (ScsiFeatures::HOTPLUG, false)] {
        let mut host = Host::with(PLAIN, false, features);
        let buffer = leave(&mut host, 16);
        for nr_sectors in [100_u8, 150] {
            host.bus.resize(1, u64::from(nr_sectors) * 512).unwrap();
            assert_eq!(host.ask(&[0x25], 8), Answer::check(CHANGED, 8));
            assert_eq!(host.ask(&[0x25], 8).data[3], nr_sectors - 1);
            assert_eq!(host.ask(&[8, 0, 0, nr_sectors - 1, 1, 0], 512).sense, None);
            assert_eq!(host.ask(&[8, 0, 0, nr_sectors, 1, 0], 512).sense, Some((5, 0x21, 0)));
        }
        // It is the same.
        host.bus.resize(1, 150 * 512).unwrap();
        host.common.wake();
        assert_eq!(host.ask(&[0; 6], 0), Answer::good(0, &[]));
        if is_event {
            assert_eq!(event(&mut host, &buffer), said(3, UNIT, 0x092a));
            let missed = leave(&mut host, 16);
            assert_eq!(event(&mut host, &missed), said(1 << 31, [0; 8], 0), "there was one buffer for two");
        }
        assert_eq!(host.driver.used(EVENT_QUEUE), None);
    }
}

#[test]
fn a_disk_that_keeps_its_size_says_why() {
    let host = Host::plain();
    let why = |target, size_bytes| {
        let error = host.bus.resize(target, size_bytes).unwrap_err();
        std::error::Error::source(&error).map_or(error.to_string(), |source| format!("{error}: {source}"))
    };
    assert_eq!(why(2, 512), "target 2 has no disk");
    assert_eq!(why(8, 512), "there is no target 8: the last one is 7");
    assert_eq!(why(1, 513), "target 1: a disk of 513 bytes: it has to be a multiple of 512, and not 0");
    assert_eq!(Host::new(PLAIN, true).bus.resize(1, 512).unwrap_err().to_string(), "target 1");
}

#[test]
fn disks_come_and_go() {
    let mut host = Host::plain();
    let buffers = [16, 20].map(|size| leave(&mut host, size));
    assert_eq!(host.driver.used(EVENT_QUEUE), None);
    let third = [1, 3, 0x40, 0, 0, 0, 0, 0];
    assert_eq!(host.ask_unit(third, &[0; 6], 0).response, 3);
    host.bus.attach(3, Box::new(StubDisk::new(5, false)), "other").unwrap();
    host.common.wake();
    assert_eq!(event(&mut host, &buffers[0]), said(1, third, 1));
    assert_eq!(due(&mut host.common).0 & 2, 2);
    assert_eq!(host.ask_unit(third, &[0; 6], 0).sense, Some((6, 0x29, 0)));
    assert_eq!(host.ask_unit(third, &[0x25], 8).data[3], 4);
    host.bus.detach(3).unwrap();
    host.common.wake();
    assert_eq!(event(&mut host, &buffers[1]), said(1, third, 2));
    assert_eq!(host.ask_unit(third, &[0; 6], 0).response, 3);
    assert_eq!(
        host.bus.attach(8, Box::new(StubDisk::new(5, false)), "").unwrap_err().to_string(),
        "there is no target 8: the last one is 7"
    );
    assert_eq!(
        host.bus.attach(1, Box::new(StubDisk::new(5, false)), "").unwrap_err().to_string(),
        "target 1 has a disk already"
    );
    assert_eq!(host.bus.detach(3).unwrap_err().to_string(), "target 3 has no disk");
}

#[test]
fn events_without_a_buffer_are_told_as_missed() {
    let mut host = Host::plain();
    host.bus.detach(1).unwrap();
    host.common.wake();
    let buffer = leave(&mut host, 16);
    assert_eq!(event(&mut host, &buffer), said(1 << 31, [0; 8], 0));
    let buffer = leave(&mut host, 16);
    assert_eq!(host.driver.used(EVENT_QUEUE), None, "it is told once");
    host.bus.attach(1, Box::new(host.disk.clone()), "serial").unwrap();
    host.common.wake();
    assert_eq!(event(&mut host, &buffer), said(1, UNIT, 1));
    // A buffer that is too short comes back with no event, and that one is missed.
    let buffer = leave(&mut host, 15);
    host.bus.detach(1).unwrap();
    host.common.wake();
    assert_eq!(event(&mut host, &buffer), [0; 4]);
    let buffer = leave(&mut host, 16);
    assert_eq!(event(&mut host, &buffer), said(1 << 31, [0; 8], 0));
}

#[test]
fn without_the_feature_changes_are_silent() {
    let scsi = Scsi::new(1).unwrap();
    let bus = scsi.bus();
    let (mut common, mut driver) = Driver::started(Box::new(scsi), PLAIN, 0);
    driver.submit(EVENT_QUEUE, &[], &[16]);
    bus.attach(0, Box::new(StubDisk::new(5, false)), "").unwrap();
    common.wake();
    assert_eq!(driver.used(EVENT_QUEUE), None);
}
