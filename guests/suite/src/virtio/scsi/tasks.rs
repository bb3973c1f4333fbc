//! Task management and asynchronous notifications.

use super::{
    CONTROL, DISK, EVENTS, Host, NOTHING, ROWS, answer, each_host, header,
    model::{TEST_UNIT_READY, response, unit},
};
use rt::{
    case, check, check_eq, mmio,
    virtio::{self, Element},
    vocabulary::Devices,
};

/// Functions of task management.
mod function {
    pub(super) const ABORT_TASK: u32 = 0;
    pub(super) const ABORT_TASK_SET: u32 = 1;
    pub(super) const CLEAR_TASK_SET: u32 = 3;
    pub(super) const NEXUS_RESET: u32 = 4;
    pub(super) const UNIT_RESET: u32 = 5;
    pub(super) const QUERY_TASK: u32 = 6;
    pub(super) const QUERY_TASK_SET: u32 = 7;
}

impl Host {
    /// Asks for a function of task management: the response.
    fn manage(&mut self, function: u32, lun: [u8; 8]) -> u8 {
        mmio::write_u32(header(), 0);
        mmio::write_u32(header() + 4, function);
        mmio::write_u64(header() + 8, u64::from_le_bytes(lun));
        mmio::write_u64(header() + 16, 0x5555);
        mmio::write_u8(answer(), NOTHING);
        let parts = [Element::read(header(), 24), Element::written(answer(), 1)];
        match self.device.exchange(CONTROL, &parts) {
            Some(0 | 1) => mmio::read_u8(answer()),
            _ => NOTHING,
        }
    }

    /// Asks for notifications, by a type of request: which ones there will be, and the response.
    fn subscribe(&mut self, kind: u32, lun: [u8; 8], wanted: u32) -> (u32, u8) {
        mmio::write_u32(header(), kind);
        mmio::write_u32(header() + 4, u64::from_le_bytes(lun) as u32);
        mmio::write_u32(header() + 8, (u64::from_le_bytes(lun) >> 32) as u32);
        mmio::write_u32(header() + 12, wanted);
        virtio::fill(answer(), 8, NOTHING);
        let parts = [Element::read(header(), 16), Element::written(answer(), 5)];
        match self.device.exchange(CONTROL, &parts) {
            Some(..=5) => (mmio::read_u32(answer()), mmio::read_u8(answer() + 4)),
            _ => (u32::MAX, NOTHING),
        }
    }
}

/// Tasks that there are not are ended and asked for without harm.
#[case(feature = VirtioScsi, spec = [virtio("SCSI Host Device"), virtio("Device Operation: controlq")], devices = Devices::SCSI)]
fn tasks_that_are_over_are_managed() {
    each_host(|row, host| {
        for function in [
            function::ABORT_TASK,
            function::ABORT_TASK_SET,
            function::CLEAR_TASK_SET,
            function::QUERY_TASK,
            function::QUERY_TASK_SET,
        ] {
            check_eq!("it is complete", [ROWS; row], host.manage(function, DISK), response::OK);
        }
        check!("the disk is ready", [ROWS; row], host.command(DISK, &TEST_UNIT_READY, None).is_good());
    });
}

/// A disk that is reset works, after it has told of that.
#[case(feature = VirtioScsi, spec = [virtio("SCSI Host Device"), virtio("Device Operation: controlq")], devices = Devices::SCSI)]
fn units_are_reset() {
    each_host(|row, host| {
        for function in [function::UNIT_RESET, function::NEXUS_RESET] {
            check_eq!("it is complete", [ROWS; row], host.manage(function, DISK), response::OK);
            let told = host.command(DISK, &TEST_UNIT_READY, None);
            let is_attention = told.sense.is_some_and(|sense| (sense.key, sense.code) == (6, 0x29));
            check!("there was a reset", [ROWS; row], is_attention);
            check!("the disk is ready", [ROWS; row], host.command(DISK, &TEST_UNIT_READY, None).is_good());
        }
    });
}

/// What is managed must exist.
#[case(feature = VirtioScsi, spec = [virtio("SCSI Host Device"), virtio("Device Operation: controlq")], devices = Devices::SCSI)]
fn tasks_of_nobody_are_told() {
    each_host(|row, host| {
        for function in [function::ABORT_TASK, function::UNIT_RESET, function::QUERY_TASK] {
            let (target, lun) = (host.manage(function, unit(3, 0)), host.manage(function, unit(0, 3)));
            check_eq!("a target", [ROWS; row], target, response::BAD_TARGET);
            check_eq!("a unit", [ROWS; row], lun, response::INCORRECT_LUN);
        }
        for function in [8, 0x1234_5678, u32::MAX] {
            check_eq!("a function", [ROWS; row], host.manage(function, DISK), response::FUNCTION_REJECTED);
        }
    });
}

/// No more notifications are promised than were asked for, and none comes while nothing happens.
#[case(feature = VirtioScsi, spec = [virtio("SCSI Host Device"), virtio("Device Operation: controlq")], devices = Devices::SCSI)]
fn notifications_are_subscribed_to() {
    const QUERY: u32 = 1;
    const SUBSCRIBE: u32 = 2;
    each_host(|row, host| {
        for number in 0..4 {
            host.device.give(EVENTS, &[Element::written(virtio::buffer(8 + number), 64)]);
        }
        for (kind, wanted) in [(QUERY, 0x7e), (SUBSCRIBE, 0x10), (SUBSCRIBE, 0)] {
            let (told, answered) = host.subscribe(kind, DISK, wanted);
            check_eq!("response", [ROWS; row], answered, response::OK);
            check_eq!("none beyond them", [ROWS; row], told & !wanted, 0);
        }
        check!("the disk is ready", [ROWS; row], host.command(DISK, &TEST_UNIT_READY, None).is_good());
        check!("no event", [ROWS; row], host.device.queues[EVENTS].take_used().is_none());
    });
}
