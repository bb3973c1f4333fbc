//! Rings, split and packed: buffers go round and come back, with the size of what was written.

use super::{Device, ROWS, SIZE, TRANSPORTS, each_layout, each_transport};
use rt::{
    case, check, check_count, check_eq, mmio,
    virtio::{self, Element, Layout, Queue, Used},
    vocabulary::Devices,
};

/// Whether any of the first 32 bytes is another one than this.
fn was_written(buffer: u64, byte: u8) -> bool {
    (0..4).any(|word| mmio::read_u64(buffer + 8 * word) != u64::from_le_bytes([byte; 8]))
}

/// A buffer comes back with its id and the number of bytes that were written, which are random ones; what lies beside it is left.
#[case(feature = VirtioEntropy, spec = [virtio("Entropy Device"), virtio("Device Requirements: The Virtqueue Used Ring")],
       devices = Devices::ENTROPY)]
fn buffer_is_filled_with_random_bytes() {
    const MARK: u8 = 0x11;
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        let buffer = virtio::buffer(3);
        virtio::fill(buffer, virtio::BUFFER_SIZE, MARK);
        let id = device.queue.next().0;
        let used = device.request(&[Element::written(buffer + 64, 32)]).unwrap_or(Used { id: u32::MAX, written: 0 });
        check_eq!("id", [ROWS; row], used.id, id);
        check!("written", [ROWS; row], (1..=32).contains(&used.written));
        check!("random bytes", [ROWS; row], was_written(buffer + 64, MARK));
        let neighbours = [buffer + 56, buffer + 96].map(mmio::read_u64);
        check_eq!("before it", [ROWS; row], neighbours[0], u64::from_le_bytes([MARK; 8]));
        check_eq!("behind it", [ROWS; row], neighbours[1], u64::from_le_bytes([MARK; 8]));
    });
}

/// What is not told as written is not written.
#[case(feature = VirtioQueues, spec = virtio("Device Requirements: The Virtqueue Used Ring"), devices = Devices::ENTROPY)]
fn nothing_is_written_behind_the_used_length() {
    const MARK: u8 = 0x22;
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        for size in [8, 64, 248] {
            let buffer = virtio::buffer(4);
            virtio::fill(buffer, virtio::BUFFER_SIZE, MARK);
            let written = device.request(&[Element::written(buffer, size)]).map_or(0, |used| used.written);
            check!("written", [ROWS; row], (1..=size).contains(&written));
            let rest = u64::from(written).next_multiple_of(8);
            check_eq!("behind", [ROWS; row], mmio::read_u64(buffer + rest), u64::from_le_bytes([MARK; 8]));
        }
    });
}

/// A buffer of several elements is one buffer: they are written in their order, and what is written is told for all.
#[case(feature = VirtioQueues, spec = [virtio("Message Framing"), virtio("The Virtqueue Descriptor Table")],
       devices = Devices::ENTROPY)]
fn elements_are_one_buffer() {
    const MARK: u8 = 0x33;
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        for nr in [1_usize, 2, 5, 8] {
            let mut elements = [Element::written(0, 32); 8];
            for (index, element) in elements.iter_mut().enumerate() {
                element.address = virtio::buffer(8 + index);
                virtio::fill(element.address, 32, MARK);
            }
            let id = device.queue.next().0;
            let used = device.request(&elements[..nr]).unwrap_or(Used { id: u32::MAX, written: 0 });
            check_eq!("id", [ROWS; row], used.id, id);
            check!("written", [ROWS; row], (1..=32 * nr as u32).contains(&used.written));
            for (index, element) in (0_u32..).zip(&elements[..nr]) {
                let is_due = used.written >= 32 * (index + 1);
                check!("an element", [ROWS; row], !is_due || was_written(element.address, MARK));
            }
        }
    });
}

/// Buffers go round a ring many times, whatever their number of descriptors: indices and wrap counters follow.
#[case(feature = VirtioQueues, spec = [virtio("Driver and Device Ring Wrap Counters"), virtio("The Virtqueue Used Ring")],
       devices = Devices::ENTROPY)]
fn ring_is_gone_round() {
    const TURNS: usize = 24;
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        let mut nr_right: u32 = 0;
        for turn in 0..TURNS {
            let elements = [0, 1, 2].map(|index| Element::written(virtio::buffer(index), 16));
            let id = device.queue.next().0;
            let used = device.request(&elements[..1 + turn % 3]);
            nr_right += u32::from(matches!(used, Some(Used { id: of, written: 1.. }) if of == u32::from(id)));
        }
        check_count!("buffers that came back", [ROWS; row], nr_right, TURNS as u32);
    });
}

/// Several buffers that are notified of at once all come back, each once.
#[case(feature = VirtioQueues, spec = [virtio("Supplying Buffers to The Device"), virtio("Receiving Used Buffers From The Device")],
       devices = Devices::ENTROPY)]
fn all_buffers_come_back_once() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::started(transport, layout, 0) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        for _ in 0..2 {
            let mut due = 0_u64;
            for number in 0..usize::from(SIZE) {
                due |= 1 << device.queue.add(&[Element::written(virtio::buffer(number), 16)]);
            }
            device.notify();
            let mut came = 0_u64;
            for _ in 0..SIZE {
                let Some(used) = device.queue.wait_used() else { break };
                check!("it was due", [ROWS; row], came >> used.id & 1 == 0);
                came |= 1 << used.id;
            }
            check_eq!("all", [ROWS; row], came, due);
            check!("no more", [ROWS; row], device.queue.take_used().is_none());
        }
    });
}

/// A queue can be smaller than the largest size, and a packed one of any size.
#[case(feature = VirtioQueues, spec = [virtio("Split Virtqueues"), virtio("Packed Virtqueues")], devices = Devices::ENTROPY)]
fn smaller_queues_work() {
    each_layout(|row, transport, layout| {
        let sizes = if layout == Layout::Split { [4, 1] } else { [5, 3] };
        for size in sizes {
            let Some(mut device) = Device::prepared(transport, layout, 0, size) else {
                return check!("features are accepted", [ROWS; row], false);
            };
            transport.start();
            let nr_right = (0..2 * size + 1).filter(|_| device.answers()).count();
            check_count!("answers", [ROWS; row], nr_right, 2 * size + 1);
        }
    });
}

/// Each queue tells its largest size, which no queue has that is not there; for split rings it is a power of 2.
#[case(feature = VirtioQueues, spec = [virtio("Common configuration structure layout"), virtio("MMIO Device Register Layout")],
       devices = Devices::ENTROPY)]
fn largest_sizes_are_told() {
    each_transport(|row, transport| {
        let _ = transport.reset();
        transport.select_queue(0);
        let size = transport.queue_size_max();
        check!("a power of 2", [TRANSPORTS; row], size.is_power_of_two() && size >= SIZE);
        for absent in [1, 2, 63, 0x3ff, 0xffff] {
            transport.select_queue(absent);
            check_eq!("absent", [TRANSPORTS; row], transport.queue_size_max(), 0);
            check_eq!("absent, in use", [TRANSPORTS; row], transport.queue_enabled(), 0);
        }
    });
}

/// A queue that was not put into use is not used, and notifications of queues that are not there have no effect.
#[case(feature = VirtioQueues, spec = virtio("Virtqueues"), devices = Devices::ENTROPY)]
fn queues_that_are_not_in_use_are_left() {
    each_layout(|row, transport, layout| {
        let Some(mut device) = Device::prepared(transport, layout, 0, SIZE) else {
            return check!("features are accepted", [ROWS; row], false);
        };
        let _ = transport.reset();
        let _ = transport.negotiate_offered(device.features);
        transport.start();
        device.queue = Queue::new(0, SIZE, layout);
        let buffer = virtio::buffer(5);
        virtio::fill(buffer, 32, 0x44);
        device.queue.add(&[Element::written(buffer, 32)]);
        device.notify();
        super::give_time();
        check!("not used", [ROWS; row], device.queue.take_used().is_none());
        check!("not written", [ROWS; row], !was_written(buffer, 0x44));
    });
}
