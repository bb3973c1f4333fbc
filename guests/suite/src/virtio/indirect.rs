//! Indirect descriptors.

use super::{Device, ROWS, each_layout};
use rt::{
    case, check, check_count, check_eq,
    virtio::{self, Element, Used, feature},
    vocabulary::Devices,
};

/// Starts a device with indirect descriptors; false if it does not offer them.
fn started(row: u64, transport: virtio::Transport, layout: virtio::Layout) -> Option<Device> {
    let device = Device::started(transport, layout, feature::INDIRECT_DESC);
    check!("features are accepted", [ROWS; row], device.is_some());
    device.filter(|device| device.features & feature::INDIRECT_DESC != 0)
}

/// A table of descriptors is a buffer that takes one descriptor of the ring.
#[case(feature = VirtioIndirect, spec = virtio("Indirect Descriptors"), devices = Devices::ENTROPY)]
fn indirect_buffers_come_back() {
    const TURNS: u32 = 10;
    each_layout(|row, transport, layout| {
        let Some(mut device) = started(row, transport, layout) else { return };
        let mut nr_right: u32 = 0;
        for turn in 0..TURNS {
            let elements = [0, 1, 2, 3].map(|index| Element::written(virtio::buffer(index), 32));
            let id = device.queue.add_indirect(turn as u16, &elements[..1 + turn as usize % 4]);
            device.notify();
            let used = device.queue.wait_used();
            nr_right += u32::from(matches!(used, Some(Used { id: of, written: 1.. }) if of == u32::from(id)));
        }
        check_count!("buffers that came back", [ROWS; row], nr_right, TURNS);
    });
}

/// Indirect and direct buffers can be mixed in a ring, and a table may have more descriptors than fit into what is left of it.
#[case(feature = VirtioIndirect, spec = virtio("Indirect Descriptors"), devices = Devices::ENTROPY)]
fn indirect_and_direct_buffers_are_mixed() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = started(row, transport, layout) else { return };
        for turn in 0..3_u16 {
            let elements = [8, 9, 10, 11, 12, 13].map(|index| Element::written(virtio::buffer(index), 32));
            let mut due = 0_u64;
            due |= 1 << device.queue.add_indirect(turn, &elements);
            due |= 1 << device.queue.add(&elements[..2]);
            due |= 1 << device.queue.add_indirect(turn + 8, &elements[3..]);
            device.notify();
            let mut came = 0_u64;
            for _ in 0..3 {
                came |= device.queue.wait_used().map_or(0, |used| 1 << (used.id & 63));
            }
            check_eq!("all", [ROWS; row], came, due);
        }
    });
}

/// The elements of a table are one buffer of their sizes together.
#[case(feature = VirtioIndirect, spec = [virtio("Indirect Descriptors"), virtio("Message Framing")],
       devices = Devices::ENTROPY)]
fn written_bytes_are_those_of_the_table() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = started(row, transport, layout) else { return };
        for size in [1, 7, 64] {
            device
                .queue
                .add_indirect(0, &[Element::written(virtio::buffer(0), size), Element::written(virtio::buffer(1), 8)]);
            device.notify();
            let written = device.queue.wait_used().map_or(0, |used| used.written);
            check!("written", [ROWS; row], (1..=size + 8).contains(&written));
        }
    });
}
