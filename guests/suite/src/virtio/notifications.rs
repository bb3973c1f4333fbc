//! Notifications of both sides, and how they are suppressed. Whether the driver is interrupted, the interrupt status tells.

use super::{Device, ROWS, SIZE, TRANSPORTS, each_layout, each_transport, give_time};
use rt::{
    case, check, check_count, check_eq,
    clock::Deadline,
    interrupts::{self, GENEROUS_MICROS},
    io_apic::{self, low},
    local_apic::LocalApic,
    skip,
    virtio::{self, Element, Layout, Transport, feature, kind, packed_event, suppress},
    vocabulary::{Devices, Needs, image::board},
};

const USED: u8 = 1;

fn element() -> Element {
    Element::written(virtio::buffer(0), 16)
}

/// Makes one request and tells the interrupt status behind it, which is acknowledged.
fn status_after_request(device: &mut Device, is_due: bool) -> u8 {
    check!("it comes back", device.request(&[element()]).is_some());
    let mut status = 0;
    if is_due {
        // A device may tell of a buffer a little after it gave it back.
        Deadline::after(virtio::PATIENCE_MICROS).wait(|| {
            status = device.transport.interrupt_status();
            status != 0
        });
    } else {
        give_time();
        status = device.transport.interrupt_status();
    }
    device.transport.acknowledge(status);
    status
}

/// A buffer that is given back is told by the interrupt status, which is clear once it was read (PCI) or acknowledged (MMIO).
#[case(feature = VirtioNotifications, spec = [virtio("ISR status capability"), virtio("Notifications From The Device")],
       devices = Devices::ENTROPY)]
fn interrupt_status_tells_of_used_buffers() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        check_eq!("at first", [ROWS; row], transport.interrupt_status(), 0);
        for _ in 0..3 {
            check_eq!("after a buffer", [ROWS; row], status_after_request(&mut device, true), USED);
            check_eq!("acknowledged", [ROWS; row], transport.interrupt_status(), 0);
        }
    });
}

/// Over MMIO the interrupt status stays until exactly its bits are acknowledged.
#[case(feature = VirtioNotifications, spec = virtio("MMIO Device Register Layout"), needs = Needs::VIRTIO_MMIO, devices = Devices::ENTROPY)]
fn interrupt_status_stays_until_it_is_acknowledged() {
    let Some(transport) = Transport::find_mmio(kind::ENTROPY) else { return check!("a device", false) };
    let Some(mut device) = Device::started(transport, Layout::Split, 0) else {
        return check!("features are accepted", false);
    };
    check!("it comes back", device.request(&[element()]).is_some());
    for turn in 0..2 {
        check_eq!("it stays", [&[]; turn], transport.interrupt_status(), USED);
    }
    transport.acknowledge(2);
    check_eq!("another bit acknowledged", transport.interrupt_status(), USED);
    transport.acknowledge(USED);
    check_eq!("acknowledged", transport.interrupt_status(), 0);
}

/// A driver that wants no interrupts gets none; one that wants them again gets those of buffers from then on.
#[case(feature = VirtioNotifications, spec = [virtio("Device Requirements: Used Buffer Notification Suppression"),
       virtio("Driver and Device Event Suppression")], devices = Devices::ENTROPY)]
fn unwanted_interrupts_do_not_come() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        for _ in 0..2 {
            device.queue.want(suppress::ALL);
            check_eq!("unwanted", [ROWS; row], status_after_request(&mut device, false), 0);
            device.queue.want(0);
            check_eq!("wanted", [ROWS; row], status_after_request(&mut device, true), USED);
        }
    });
}

/// With an event index, the driver is told of the buffer at that position, and not of those before it and behind it.
#[case(feature = VirtioNotifications, spec = [virtio("Device Requirements: Used Buffer Notification Suppression"),
       virtio("Driver and Device Event Suppression")], devices = Devices::ENTROPY)]
fn event_index_chooses_the_interrupt() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, feature::EVENT_IDX) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        if device.features & feature::EVENT_IDX == 0 {
            return;
        }
        // A device may tell of the first one in any case, because it told of none before.
        let _ = status_after_request(&mut device, true);
        // Round the ring and further.
        for _ in 0..3 {
            let (next, wrap) = device.queue.next_used();
            let event = match layout {
                // The used index before the buffer that is to be told of: that behind the next one.
                Layout::Split => next.wrapping_add(1),
                Layout::Packed => packed_event((next + 1) % SIZE, wrap ^ (next + 1 >= SIZE)),
            };
            device.queue.want_at(event);
            if layout == Layout::Packed {
                device.queue.want(suppress::AT_DESCRIPTOR);
            }
            let told = [false, true, false].map(|is_due| status_after_request(&mut device, is_due));
            check_eq!("before", [ROWS; row], told[0], 0);
            check_eq!("at the position", [ROWS; row], told[1], USED);
            check_eq!("behind", [ROWS; row], told[2], 0);
        }
    });
}

/// A device that waits for buffers says so, such that a driver which notifies only when it is wanted is always heard.
#[case(feature = VirtioNotifications, spec = [virtio("Available Buffer Notification Suppression"),
       virtio("Driver and Device Event Suppression")], devices = Devices::ENTROPY)]
fn wanted_notifications_are_enough() {
    const TURNS: u32 = 9;
    each_layout(|row, transport, layout| {
        for wanted in [0, feature::EVENT_IDX] {
            let Some(mut device) = Device::started(transport, layout, wanted) else {
                return check!("features are accepted", [ROWS; row], false);
            };
            let has_event = device.features & feature::EVENT_IDX != 0;
            let (mut nr_answers, mut nr_wanted): (u32, u32) = (0, 0);
            for _ in 0..TURNS {
                let (at, wrap) = device.queue.next();
                let before = device.queue.available_index();
                device.queue.add(&[element()]);
                let flags = device.queue.device_flags();
                let is_wanted = match (layout, has_event) {
                    (Layout::Split, false) => flags & suppress::ALL == 0,
                    (Layout::Split, true) => device.queue.device_event() == before,
                    (Layout::Packed, _) => match flags & 3 {
                        suppress::ALL => false,
                        suppress::AT_DESCRIPTOR => device.queue.device_event() == packed_event(at, wrap),
                        _ => true,
                    },
                };
                if is_wanted {
                    nr_wanted += 1;
                    device.notify();
                }
                nr_answers += u32::from(device.queue.wait_used().is_some());
                // A device on another thread says that it waits behind the buffers that it used, sooner or later.
                give_time();
            }
            check_count!("answers", [ROWS; row], nr_answers, TURNS);
            check!("some were wanted", [ROWS; row], nr_wanted != 0);
        }
    });
}

/// A notification with no new buffer has no effect.
#[case(feature = VirtioNotifications, spec = virtio("Available Buffer Notifications"), devices = Devices::ENTROPY)]
fn notifications_without_buffers_have_no_effect() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        for _ in 0..5 {
            device.notify();
        }
        give_time();
        check!("nothing is used", [ROWS; row], device.queue.take_used().is_none());
        check_eq!("no interrupt", [ROWS; row], transport.interrupt_status(), 0);
        check!("it answers", [ROWS; row], device.answers());
        device.notify();
        give_time();
        check!("once", [ROWS; row], device.queue.take_used().is_none());
    });
}

/// Over MMIO the interrupt line is asserted as long as the interrupt status is not clear.
#[case(feature = VirtioNotifications, spec = virtio("Notifications From The Device"),
       needs = Needs::VIRTIO_MMIO | Needs::LOCAL_APIC | Needs::IO_APIC, devices = Devices::ENTROPY, irqchip = Full)]
fn interrupt_line_follows_the_status() {
    const VECTOR: u8 = 0x58;
    let apic = LocalApic::enabled();
    let Some(transport) = Transport::find_mmio(kind::ENTROPY) else { return skip!("no device over MMIO") };
    let Some(mut device) = Device::started(transport, Layout::Split, 0) else {
        return check!("features are accepted", false);
    };
    let _listening = io_apic::listen_to_levels(VECTOR..=VECTOR);
    let open = || io_apic::set_entry(board::VIRTIO_MMIO_LINE, apic.id() as u8, low::LEVEL | u32::from(VECTOR));
    open();
    for turn in 0..3 {
        interrupts::clear();
        check!("nothing at first", [&[]; turn], !interrupts::wait_for_more());
        check!("it comes back", [&[]; turn], device.request(&[element()]).is_some());
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) >= 2);
        check!("again and again, until it is acknowledged", [&[]; turn], came);
        transport.acknowledge(USED);
        // Some may be on their way.
        let _ = interrupts::wait_for_more();
        interrupts::clear();
        open();
        let _ = interrupts::wait_for_more();
        check!("no more", [&[]; turn], !interrupts::wait_for_more());
    }
    io_apic::write_low(board::VIRTIO_MMIO_LINE, low::MASKED);
}

/// A device that needs a reset tells the driver by an interrupt of its configuration.
#[case(feature = VirtioNotifications, spec = virtio("Device Requirements: Device Status Field"), devices = Devices::ENTROPY)]
fn needed_reset_is_told() {
    each_transport(|row, transport| {
        let Some(mut device) = Device::started(transport, Layout::Split, 0) else {
            return check!("features are accepted", [TRANSPORTS; row], false);
        };
        // More buffers than the queue holds.
        device.queue.add(&[element()]);
        device.queue.set_available_index(0x4000);
        device.notify();
        if transport.wait_needs_reset() {
            give_time();
            check_eq!("interrupt status", [TRANSPORTS; row], transport.interrupt_status() & 2, 2);
        }
    });
}
