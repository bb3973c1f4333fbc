//! What a driver says of interrupts counts only if it was negotiated that way.

use super::{Device, ROWS, each_layout};
use rt::{
    case, check, check_eq,
    clock::Deadline,
    virtio::{self, Element, Layout, PATIENCE_MICROS, feature, suppress},
    vocabulary::Devices,
};

const USED: u8 = 1;

/// Makes a request, and tells the interrupt status once it is not clear, at the latest after the usual patience.
fn status_after_request(device: &mut Device) -> u8 {
    check!("it comes back", device.request(&[Element::written(virtio::buffer(0), 16)]).is_some());
    let mut status = 0;
    Deadline::after(PATIENCE_MICROS).wait(|| {
        status = device.transport.interrupt_status();
        status != 0
    });
    device.transport.acknowledge(status);
    status
}

/// Without event indices the device interrupts for each buffer, whatever stands where one would be.
#[case(feature = VirtioNotifications, spec = virtio("Device Requirements: Used Buffer Notification Suppression"),
       devices = Devices::ENTROPY)]
fn event_index_is_ignored_unless_negotiated() {
    each_layout(|row, transport, layout| {
        if layout == Layout::Packed {
            return;
        }
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        for event in [0x4000, 0, 0x8000, 2] {
            device.queue.want_at(event);
            check_eq!("interrupt status", [ROWS; row], status_after_request(&mut device), USED);
        }
    });
}

/// With event indices the flag against interrupts means nothing.
#[case(feature = VirtioNotifications, spec = virtio("Device Requirements: Used Buffer Notification Suppression"),
       devices = Devices::ENTROPY)]
fn flag_is_ignored_with_event_indices() {
    each_layout(|row, transport, layout| {
        if layout == Layout::Packed {
            return;
        }
        let Some(mut device) = Device::started(transport, layout, feature::EVENT_IDX) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        if device.features & feature::EVENT_IDX == 0 {
            return;
        }
        for _ in 0..3 {
            // That of the buffer that comes next.
            device.queue.want_at(device.queue.next_used().0);
            device.queue.want(suppress::ALL);
            check_eq!("interrupt status", [ROWS; row], status_after_request(&mut device), USED);
        }
    });
}
