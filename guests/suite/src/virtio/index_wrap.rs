//! Indices of split rings, which go on from 65,535 to 0.
//!
//! Descriptors and the available ring stay as they are: the driver raises its index alone, by as many buffers as there are, and waits
//! until the device has raised its own as far.

use super::{Device, TRANSPORTS, each_transport_of};
use core::sync::atomic::{Ordering, fence};
use rt::{
    case, check, check_count, check_eq,
    clock::Deadline,
    mmio,
    virtio::{
        self, Descriptor, Element, Layout, PATIENCE_MICROS, Queue, SPLIT_SIZE_MAX, Transport, descriptor_flag, feature,
        kind, suppress,
    },
    vocabulary::Devices,
};

/// Descriptors of a request for the disk's name: header, name, status.
const CHAIN: u16 = 3;
const GET_ID: u64 = 8;
const ID_SIZE: u32 = 20;
/// The interrupt status when buffers came back.
const USED: u8 = 1;

/// A disk with a ring whose buffers are all the same request, and are made available again and again as they are.
struct Laps {
    device: Device,
    /// Buffers of a lap: at most 64, and the ring is a multiple of them, so that the same ones come again in each lap.
    nr_buffers: u16,
    /// The available index.
    index: u16,
}

impl Laps {
    fn started(transport: Transport, wanted: u64) -> Option<Self> {
        transport.select_queue(0);
        let size = transport.queue_size_max().min(SPLIT_SIZE_MAX);
        let device = Device::prepared(transport, Layout::Split, wanted, size)?;
        let nr_buffers = size / (CHAIN + 1);
        mmio::write_u64(virtio::buffer(0), GET_ID);
        mmio::write_u64(virtio::buffer(0) + 8, 0);
        for number in 0..nr_buffers {
            write_request(&device.queue, CHAIN * number);
        }
        for place in 0..size {
            device.queue.write_available(place, place % nr_buffers * CHAIN);
        }
        Some(Self { device, nr_buffers, index: 0 })
    }

    fn has_events(&self) -> bool {
        self.device.features & feature::EVENT_IDX != 0
    }

    /// Makes all buffers available, and notifies only if the device wants that. Whether all came back in time.
    fn go(&mut self) -> bool {
        let queue = &self.device.queue;
        let before = self.index;
        self.index = before.wrapping_add(self.nr_buffers);
        queue.set_available_index(self.index);
        fence(Ordering::SeqCst);
        let is_wanted = match self.has_events() {
            true => queue.device_event().wrapping_sub(before) < self.nr_buffers,
            false => queue.device_flags() & suppress::ALL == 0,
        };
        if is_wanted {
            self.device.notify();
        }
        let is_done = || queue.used_index() == self.index;
        is_done() || Deadline::after(PATIENCE_MICROS).wait(is_done)
    }

    /// Goes round, at least once, until the index is this one: whether it came there.
    fn go_to(&mut self, index: u16) -> bool {
        loop {
            if !self.go() {
                return false;
            }
            if self.index == index {
                return true;
            }
        }
    }

    /// The buffers of the last lap as the used ring tells of them, a bit each, and how many have the right length.
    fn last(&self) -> (u64, u32) {
        let queue = &self.device.queue;
        let (mut came, mut nr_right) = (0, 0);
        for before in 1..=self.nr_buffers {
            let place = self.index.wrapping_sub(before) % queue.size;
            let used = queue.used_at(place);
            came |= 1 << (used.id / u32::from(CHAIN));
            nr_right += u32::from(used.written == ID_SIZE + 1);
        }
        (came, nr_right)
    }

    /// The interrupt status, which is acknowledged: at once, or when it is not clear.
    fn interrupt_status(&self, is_due: bool) -> u8 {
        let transport = self.device.transport;
        let mut status = 0;
        if is_due {
            Deadline::after(PATIENCE_MICROS).wait(|| {
                status = transport.interrupt_status();
                status != 0
            });
        } else {
            super::give_time();
            status = transport.interrupt_status();
        }
        transport.acknowledge(status);
        status
    }
}

/// Writes the descriptors of a request for the disk's name, from this one on. All requests share their buffers.
fn write_request(queue: &Queue, head: u16) {
    let elements = [
        Element::read(virtio::buffer(0), 16),
        Element::written(virtio::buffer(1), ID_SIZE),
        Element::written(virtio::buffer(2), 1),
    ];
    for (number, element) in (1..).zip(elements) {
        let next = if number < CHAIN { descriptor_flag::NEXT } else { 0 };
        let descriptor = Descriptor {
            address: element.address,
            size: element.size,
            flags: element.flags() | next,
            next: head + number,
        };
        queue.write_descriptor(head + number - 1, descriptor);
    }
}

fn each_ring(wanted: u64, mut try_one: impl FnMut(u64, Laps)) {
    each_transport_of(kind::BLOCK, |row, transport| match Laps::started(transport, wanted) {
        Some(laps) => {
            try_one(row, laps);
            let _ = transport.reset();
        }
        None => check!("features are accepted", [TRANSPORTS; row], false),
    });
}

/// The used index goes on from 65,535 to 0 as the available index does, and what stands in the ring is right before and behind.
#[case(feature = VirtioQueues, spec = [virtio("The Virtqueue Available Ring"), virtio("The Virtqueue Used Ring"),
       virtio("Supplying Buffers to The Device")], devices = Devices::BLOCK)]
fn indices_wrap_at_65536() {
    each_ring(0, |row, mut laps| {
        laps.device.queue.want(suppress::ALL);
        laps.device.transport.start();
        check!("all come back before", [TRANSPORTS; row], laps.go_to(0_u16.wrapping_sub(laps.nr_buffers)));
        for lap in 0..2 {
            check!("all come back", [TRANSPORTS; row], laps.go());
            let index = lap as u16 * laps.nr_buffers;
            check_eq!("used index", [TRANSPORTS; row], laps.device.queue.used_index(), index);
            let (came, nr_right) = laps.last();
            let all = u64::MAX >> (64 - laps.nr_buffers);
            check_eq!("which came back", [TRANSPORTS; row], came, all);
            check_count!("right lengths", [TRANSPORTS; row], nr_right, laps.nr_buffers);
        }
        check_eq!("unwanted interrupt", [TRANSPORTS; row], laps.interrupt_status(false), 0);
    });
}

/// With event indices, a device tells of the buffer that the driver's event names also where its index goes on from 65,535 to 0, and
/// its own event is such that a driver which notifies by it is always heard.
#[case(feature = VirtioNotifications, spec = [virtio("Device Requirements: Used Buffer Notification Suppression"),
       virtio("Available Buffer Notification Suppression")], devices = Devices::BLOCK)]
fn events_count_across_the_wrap() {
    each_ring(feature::EVENT_IDX, |row, mut laps| {
        if !laps.has_events() {
            return;
        }
        let last = u16::MAX;
        laps.device.queue.want_at(last);
        laps.device.transport.start();
        check!("all come back at first", [TRANSPORTS; row], laps.go());
        // A device may tell of the first ones in any case, because it told of none before.
        let _ = laps.interrupt_status(false);
        check!("all come back before", [TRANSPORTS; row], laps.go_to(0_u16.wrapping_sub(laps.nr_buffers)));
        check_eq!("before the event", [TRANSPORTS; row], laps.interrupt_status(false), 0);
        for (event, is_due) in [(last, true), (last, false), (2 * laps.nr_buffers - 1, true), (last, false)] {
            laps.device.queue.want_at(event);
            check!("all come back", [TRANSPORTS; row], laps.go());
            let due = if is_due { USED } else { 0 };
            check_eq!("interrupt status", [TRANSPORTS; row], laps.interrupt_status(is_due), due);
        }
    });
}
