//! Events: disks that come, go and get another size.

use super::{
    DISK, EVENTS, Host, ROWS, data, each_host_with,
    model::{READ_CAPACITY, Sense, TEST_UNIT_READY, response, unit},
};
use rt::{
    case, check, check_eq, mmio,
    virtio::{self, Change, Element},
    vocabulary::{Devices, Needs, devices::disk::NR_SECTORS},
};

/// VIRTIO_SCSI_F_HOTPLUG and VIRTIO_SCSI_F_CHANGE.
const HOTPLUG: u64 = 1 << 1;
const CHANGE: u64 = 1 << 2;

/// Kinds of events, and their flag.
const NO_EVENT: u32 = 0;
const TRANSPORT_RESET: u32 = 1;
const PARAM_CHANGE: u32 = 3;
const EVENTS_MISSED: u32 = 1 << 31;
/// Reasons of a transport reset.
const RESCAN: u32 = 1;
const REMOVED: u32 = 2;
/// Bytes of an event.
const EVENT_BYTES: u32 = 16;

/// The target that the host plugs.
const PLUGGED: u8 = 1;

/// An event: its kind, its target, and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Event {
    kind: u32,
    target: u8,
    reason: u32,
}

fn room(id: u16) -> u64 {
    virtio::buffer(32 + usize::from(id))
}

impl Host {
    /// Gives a buffer for an event.
    fn give_event(&mut self) {
        let at = room(self.device.queues[EVENTS].next().0);
        self.device.give(EVENTS, &[Element::written(at, EVENT_BYTES)]);
    }

    /// The next event, if one comes in time, whose buffer has to hold it as a whole.
    fn event(&mut self) -> Option<Event> {
        let used = self.device.queues[EVENTS].wait_used()?;
        let at = room(used.id as u16);
        let kind = mmio::read_u32(at);
        let event = Event { kind, target: mmio::read_u8(at + 5), reason: mmio::read_u32(at + 12) };
        (used.written == EVENT_BYTES).then_some(event)
    }

    /// Whether an event is of this kind, target and reason.
    fn tells(&mut self, kind: u32, target: u8, reason: u32) -> bool {
        self.event() == Some(Event { kind, target, reason })
    }

    /// Whether the target is ready, after it has told what there was to tell.
    fn is_ready(&mut self, target: u8) -> bool {
        (0..3).any(|_| self.command(unit(target, 0), &TEST_UNIT_READY, None).is_good())
    }
}

/// A disk that comes is told by an event and is there; one that goes is told by another, and is not.
#[case(feature = VirtioScsi, spec = [virtio("Device Operation: eventq"), virtio("SCSI Host Device")],
       needs = Needs::CONFIG_CHANGES, devices = Devices::SCSI)]
fn targets_come_and_go() {
    each_host_with(HOTPLUG, |row, host| {
        check!("offered", [ROWS; row], host.device.features & HOTPLUG != 0);
        for _ in 0..2 {
            host.give_event();
            check!("plugged", [ROWS; row], Change::Target(1).ask());
            check!("an event of it", [ROWS; row], host.tells(TRANSPORT_RESET, PLUGGED, RESCAN));
            check!("it is ready", [ROWS; row], host.is_ready(PLUGGED));
            host.give_event();
            check!("unplugged", [ROWS; row], Change::Target(0).ask());
            check!("an event of that", [ROWS; row], host.tells(TRANSPORT_RESET, PLUGGED, REMOVED));
            let answer = host.command(unit(PLUGGED, 0), &TEST_UNIT_READY, None);
            check_eq!("it is not there", [ROWS; row], answer.response, response::BAD_TARGET);
        }
    });
}

/// Events for which there was no buffer are told as missed, by the next one, once.
#[case(feature = VirtioScsi, spec = [virtio("Device Operation: eventq"), virtio("SCSI Host Device")],
       needs = Needs::CONFIG_CHANGES, devices = Devices::SCSI)]
fn missed_events_are_told() {
    each_host_with(HOTPLUG, |row, host| {
        check!("plugged", [ROWS; row], Change::Target(1).ask());
        // The device has made the change when the disk is there.
        check!("it is ready", [ROWS; row], host.is_ready(PLUGGED));
        host.give_event();
        let kind = host.event().map_or(u32::MAX, |event| event.kind);
        check_eq!("missed", [ROWS; row], kind, NO_EVENT | EVENTS_MISSED);
        host.give_event();
        check!("unplugged", [ROWS; row], Change::Target(0).ask());
        check!("an event without it", [ROWS; row], host.tells(TRANSPORT_RESET, PLUGGED, REMOVED));
    });
}

/// A disk that gets another size tells it by an event, by the sense data of its next command, and by its capacity.
#[case(feature = VirtioScsi, spec = [virtio("Device Operation: eventq"), virtio("SCSI Host Device")],
       needs = Needs::CONFIG_CHANGES, devices = Devices::SCSI)]
fn capacity_changes_are_events() {
    each_host_with(HOTPLUG | CHANGE, |row, host| {
        check!("offered", [ROWS; row], host.device.features & CHANGE != 0);
        let Sense { code, qualifier, .. } = Sense::CAPACITY_CHANGED;
        let reason = u32::from(code) | u32::from(qualifier) << 8;
        for nr_sectors in [2 * NR_SECTORS as u32, NR_SECTORS as u32] {
            host.give_event();
            check!("the host changes it", [ROWS; row], Change::Capacity(nr_sectors).ask());
            check!("an event of it", [ROWS; row], host.tells(PARAM_CHANGE, 0, reason));
            let answer = host.command(DISK, &TEST_UNIT_READY, None);
            check!("sense data of it", [ROWS; row], answer.is_checked(Sense::CAPACITY_CHANGED));
            check!("once", [ROWS; row], host.command(DISK, &TEST_UNIT_READY, None).is_good());
            let answer = host.command(DISK, &READ_CAPACITY, Some(Element::written(data(), 8)));
            check!("it tells its capacity", [ROWS; row], answer.is_good());
            check_eq!("the last sector", [ROWS; row], mmio::read_u32(data()).swap_bytes(), nr_sectors - 1);
        }
    });
}
