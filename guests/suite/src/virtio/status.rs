//! The device status field and resets.

use super::{Device, ROWS, SIZE, TRANSPORTS, answers_after_reset, each_layout, each_transport, give_time};
use rt::{
    case, check, check_eq, mmio,
    virtio::{self, Element, Layout, feature, status},
    vocabulary::Devices,
};

/// A device that was reset has status 0.
#[case(feature = VirtioStatus, spec = [virtio("Device Requirements: Device Status Field"), virtio("Device Reset")],
       devices = Devices::ENTROPY)]
fn reset_clears_the_status() {
    each_transport(|row, transport| {
        for bits in [1, 3, 0x83] {
            transport.set_status(bits);
            check!("reset", [TRANSPORTS; row], transport.reset());
            check_eq!("status", [TRANSPORTS; row], transport.status(), 0);
        }
    });
}

/// Each step of the initialization reads back, and clears nothing of the steps before.
#[case(feature = VirtioStatus, spec = [virtio("Device Status Field"), virtio("Device Initialization")],
       devices = Devices::ENTROPY)]
fn steps_read_back() {
    const STEPS: [u8; 4] = [status::ACKNOWLEDGE, status::DRIVER, status::FEATURES_OK, status::DRIVER_OK];
    each_transport(|row, transport| {
        let _ = transport.reset();
        let mut bits = 0;
        for step in STEPS {
            if step == status::FEATURES_OK {
                transport.set_driver_features(feature::VERSION_1);
            }
            bits |= step;
            transport.set_status(bits);
            check_eq!("status", [TRANSPORTS; row], transport.status(), bits);
        }
    });
}

/// FAILED is kept until a reset.
#[case(feature = VirtioStatus, spec = virtio("Device Status Field"), devices = Devices::ENTROPY)]
fn failed_is_kept() {
    each_transport(|row, transport| {
        let _ = transport.reset();
        let bits = status::ACKNOWLEDGE | status::FAILED;
        transport.set_status(bits);
        check_eq!("status", [TRANSPORTS; row], transport.status(), bits);
        check!("reset", [TRANSPORTS; row], transport.reset());
    });
}

/// Before DRIVER_OK no buffer is used, whatever is notified; with it, the one that waits is.
#[case(feature = VirtioStatus, spec = virtio("Device Requirements: Device Status Field"), devices = Devices::ENTROPY)]
fn no_buffer_is_used_before_driver_ok() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::prepared(transport, layout, 0, SIZE) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        let buffer = virtio::buffer(1);
        virtio::fill(buffer, 32, 0);
        device.queue.add(&[Element::written(buffer, 32)]);
        device.notify();
        give_time();
        check!("not used", [ROWS; row], device.queue.take_used().is_none());
        check_eq!("nothing written", [ROWS; row], mmio::read_u64(buffer), 0);
        check_eq!("no interrupt", [ROWS; row], transport.interrupt_status(), 0);
        transport.start();
        device.notify();
        check!("used", [ROWS; row], device.queue.wait_used().is_some());
    });
}

/// After a reset a device uses no buffer of before, and writes nothing to its areas.
#[case(feature = VirtioStatus, spec = [virtio("Device Requirements: Device Reset"), virtio("Device Reset")],
       devices = Devices::ENTROPY)]
fn no_buffer_is_used_after_a_reset() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        check!("in use", [ROWS; row], device.answers());
        check!("reset", [ROWS; row], transport.reset());
        let buffer = virtio::buffer(2);
        virtio::fill(buffer, 32, 0);
        device.queue.add(&[Element::written(buffer, 32)]);
        device.notify();
        give_time();
        check!("not used", [ROWS; row], device.queue.take_used().is_none());
        check_eq!("nothing written", [ROWS; row], mmio::read_u64(buffer), 0);
    });
}

/// A reset takes all queues out of use and forgets interrupts; then everything can begin anew, with another layout too.
#[case(feature = VirtioStatus, spec = [virtio("Device Requirements: Device Reset"), virtio("Device Initialization")],
       devices = Devices::ENTROPY)]
fn everything_begins_anew_after_a_reset() {
    each_transport(|row, transport| {
        for layout in [Layout::Split, Layout::Packed, Layout::Split] {
            if layout == Layout::Packed && transport.device_features() & feature::RING_PACKED == 0 {
                continue;
            }
            let Some(mut device) = Device::started(transport, layout, 0) else {
                check!("features are accepted", [TRANSPORTS; row], false);
                continue;
            };
            check!("it answers", [TRANSPORTS; row], device.answers());
            check!("reset", [TRANSPORTS; row], transport.reset());
            transport.select_queue(0);
            check_eq!("queue in use", [TRANSPORTS; row], transport.queue_enabled(), 0);
            check_eq!("interrupt status", [TRANSPORTS; row], transport.interrupt_status(), 0);
        }
    });
}

/// A reset while a buffer is in flight is survived, any number of times.
#[case(feature = VirtioStatus, spec = [virtio("Device Requirements: Device Reset"), virtio("Device Cleanup")],
       devices = Devices::ENTROPY)]
fn resets_in_mid_flight_are_survived() {
    each_layout(|row, transport, layout| {
        for turn in [0, 2] {
            let Some(mut device) = Device::started(transport, layout, 0) else {
                return check!("features are accepted", [ROWS; row], false);
            };
            for number in 0..=turn {
                device.queue.add(&[Element::written(virtio::buffer(number), 64)]);
            }
            device.notify();
            check!("reset", [ROWS; row], transport.reset());
        }
        check!("it answers", [ROWS; row], answers_after_reset(transport, layout));
    });
}
