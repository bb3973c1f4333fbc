//! Descriptors as no driver in use writes them: in another order, and with ids of their own.

use super::{Device, ROWS, SIZE, each_layout};
use rt::{
    case, check, check_eq,
    virtio::{self, Descriptor, Element, Layout, Queue, descriptor_flag as flag},
    vocabulary::Devices,
};

fn written(index: usize, flags: u16, next: u16) -> Descriptor {
    Descriptor { address: virtio::buffer(index), size: 16, flags: flag::WRITE | flags, next }
}

/// The descriptors of a chain stand anywhere in the table: each leads to the next by its index.
#[case(feature = VirtioQueues, spec = virtio("The Virtqueue Descriptor Table"), devices = Devices::ENTROPY)]
fn chains_stand_in_any_order() {
    const ORDERS: [[u16; 3]; 3] = [[6, 4, 2], [0, 7, 3], [5, 1, 4]];
    each_layout(|row, transport, layout| {
        let started = (layout == Layout::Split).then(|| Device::started(transport, layout, 0));
        let Some(started) = started else { return };
        let Some(mut device) = started else { return check!("features are accepted", [ROWS; row], false) };
        for indices @ [first, second, third] in ORDERS {
            // What is not of the chain leads nowhere.
            for other in (0..SIZE).filter(|index| !indices.contains(index)) {
                let nowhere = Descriptor { address: 0x7f_ffff_f000, size: 16, flags: flag::WRITE, next: 0 };
                device.queue.write_descriptor(other, nowhere);
            }
            device.queue.write_descriptor(first, written(0, flag::NEXT, second));
            device.queue.write_descriptor(second, written(1, flag::NEXT, third));
            device.queue.write_descriptor(third, written(2, 0, 0));
            device.queue.publish_split(first);
            device.notify();
            let used = device.queue.wait_used();
            check_eq!("id", [ROWS; row], used.map_or(u32::MAX, |used| used.id), first);
            check!("written", [ROWS; row], used.is_some_and(|used| (1..=48).contains(&used.written)));
        }
    });
}

/// The id of a buffer in a packed ring is that of its last descriptor; what the others hold there means nothing.
#[case(feature = VirtioQueues, spec = [virtio("Next Flag: Descriptor Chaining"), virtio("Scatter-Gather Support")],
       devices = Devices::ENTROPY)]
fn last_descriptor_has_the_id() {
    each_layout(|row, transport, layout| {
        if layout == Layout::Split {
            return;
        }
        for id in [0, 3, SIZE - 1] {
            let Some(mut device) = Device::started(transport, layout, 0) else {
                return check!("features are accepted", [ROWS; row], false);
            };
            // The first of them is made available last.
            let (first, wrap) = device.queue.next();
            let last = written(1, Queue::available_flags(wrap), id);
            device.queue.write_descriptor(first + 1, last);
            device.queue.add_raw(written(0, flag::NEXT, (id + 1) % SIZE));
            device.notify();
            let used = device.queue.wait_used();
            check_eq!("id", [ROWS; row], used.map_or(u32::MAX, |used| used.id), id);
        }
    });
}

/// A used descriptor of a packed ring tells by a flag whether the device wrote something.
#[case(feature = VirtioQueues, spec = virtio("Write Flag"), devices = Devices::ENTROPY)]
fn used_descriptors_tell_whether_they_were_written() {
    each_layout(|row, transport, layout| {
        if layout == Layout::Split {
            return;
        }
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        for _ in 0..usize::from(SIZE) + 1 {
            let (at, _) = device.queue.next_used();
            let used = device.request(&[Element::written(virtio::buffer(0), 16)]);
            check!("it was written", [ROWS; row], used.is_some_and(|used| used.written > 0));
            check_eq!("flag", [ROWS; row], device.queue.read_descriptor(at).flags & flag::WRITE, flag::WRITE);
        }
    });
}
