//! Resets of one queue.

use super::{
    Device, ROWS, SIZE, each_layout, give_time,
    several::{Several, each_row, refused},
};
use rt::{
    case, check, check_count, check_eq,
    clock::Deadline,
    virtio::{self, Element, Layout, PATIENCE_MICROS, Queue, Transport, feature, kind},
    vocabulary::Devices,
};

/// Starts a device that can reset its queues.
fn started(row: u64, transport: Transport, layout: Layout) -> Option<Device> {
    let device = Device::started(transport, layout, feature::RING_RESET);
    check!("features are accepted", [ROWS; row], device.is_some());
    device.filter(|device| device.features & feature::RING_RESET != 0)
}

/// Resets queue 0, and waits until that is over.
fn reset_queue(transport: &Transport) -> bool {
    transport.select_queue(0);
    transport.set_queue_reset(1);
    Deadline::after(PATIENCE_MICROS).wait(|| transport.queue_reset() == 0)
}

/// A queue that was reset is out of use; put into use again, it begins at its start.
#[case(feature = VirtioQueueReset, spec = [virtio("Virtqueue Reset"), virtio("Device Requirements: Virtqueue Reset")],
       devices = Devices::ENTROPY)]
fn queue_begins_anew_after_its_reset() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = started(row, transport, layout) else { return };
        for turn in 1..=2_usize {
            let nr_right = (0..turn).filter(|_| device.answers()).count();
            check_count!("answers", [ROWS; row], nr_right, turn);
            check!("its reset is over", [ROWS; row], reset_queue(&transport));
            check_eq!("in use", [ROWS; row], transport.queue_enabled(), 0);
            device.queue = Queue::new(0, SIZE, layout);
            transport.add_queue(&device.queue);
            check_eq!("in use again", [ROWS; row], transport.queue_enabled(), 1);
        }
        check!("it answers", [ROWS; row], device.answers());
    });
}

/// A queue that was reset is not used, and the device's status is as before.
#[case(feature = VirtioQueueReset, spec = virtio("Device Requirements: Virtqueue Reset"), devices = Devices::ENTROPY)]
fn no_buffer_is_used_after_a_queue_reset() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = started(row, transport, layout) else { return };
        let before = transport.status();
        check!("its reset is over", [ROWS; row], reset_queue(&transport));
        device.queue.add(&[Element::written(virtio::buffer(0), 32)]);
        device.notify();
        give_time();
        check!("not used", [ROWS; row], device.queue.take_used().is_none());
        check_eq!("status", [ROWS; row], transport.status(), before);
    });
}

/// The size of a queue can be another one after its reset.
#[case(feature = VirtioQueueReset, spec = virtio("Virtqueue Re-enable"), devices = Devices::ENTROPY)]
fn size_can_change_with_a_queue_reset() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = started(row, transport, layout) else { return };
        check!("it answers", [ROWS; row], device.answers());
        for size in [2, 8] {
            check!("its reset is over", [ROWS; row], reset_queue(&transport));
            device.queue = Queue::new(0, size, layout);
            transport.add_queue(&device.queue);
            let nr_right = (0..size + 1).filter(|_| device.answers()).count();
            check_count!("answers", [ROWS; row], nr_right, size + 1);
        }
    });
}

/// The reset of one queue leaves the others in use.
#[case(feature = VirtioQueueReset, spec = [virtio("Virtqueue Reset"), virtio("Device Requirements: Virtqueue Reset")],
       devices = Devices::BALLOON)]
fn other_queues_go_on_after_a_queue_reset() {
    // Both take numbers of pages; that of no memory means nothing.
    let numbers = [Element::read(virtio::buffer(0), 4)];
    rt::mmio::write_u32(virtio::buffer(0), u32::MAX);
    each_row(kind::BALLOON, |row, transport, layout| {
        let Some(mut device) = Several::<2>::started(transport, layout, feature::RING_RESET, [0, 1]) else {
            return refused(row);
        };
        if device.features & feature::RING_RESET == 0 {
            return;
        }
        check!("the other one", [ROWS; row], device.exchange(1, &numbers) == Some(0));
        check!("the reset of one is over", [ROWS; row], reset_queue(&transport));
        transport.select_queue(1);
        check_eq!("the other one in use", [ROWS; row], transport.queue_enabled(), 1);
        check!("it goes on", [ROWS; row], device.exchange(1, &numbers) == Some(0));
    });
}
