//! Drivers that break the rules of indirect tables and of queues as a whole.

use super::{Device, ROWS, TRANSPORTS, answers_after_reset, each_layout, each_transport, give_time};
use rt::{
    case, check,
    virtio::{self, Descriptor, Layout, Queue, Transport, descriptor_flag as flag, feature},
    vocabulary::Devices,
};

const OUTSIDE: u64 = 0x7f_ffff_f000;

/// Lets a device meet indirect tables as they are told, on each transport and layout, and sees that it answers after a reset.
fn survives_tables(wanted: u64, nr_tables: usize, table: impl Fn(&Queue, usize) -> Descriptor) {
    each_layout(|row, transport, layout| {
        let mut device = Device::started(transport, layout, wanted);
        for number in 0..nr_tables {
            let Some(broken) = &mut device else { return check!("features are accepted", [ROWS; row], false) };
            // What stands in the table: a descriptor that leads to the table again.
            let area = broken.queue.indirect_area();
            let shift = if layout == Layout::Split { 0 } else { 16 };
            for offset in [0, 16] {
                rt::mmio::write_u64(area + offset, area);
                rt::mmio::write_u32(area + offset + 8, 32);
                rt::mmio::write_u32(area + offset + 12, u32::from(flag::INDIRECT) << shift);
            }
            let descriptor = table(&broken.queue, number);
            broken.queue.add_raw(descriptor);
            broken.notify();
            give_time();
            broken.notify();
            device = Device::started(transport, layout, wanted);
            let answers = device.as_mut().is_some_and(Device::answers);
            check!("it answers after a reset", [ROWS; row], answers);
        }
    });
}

const fn indirect(address: u64, size: u32) -> Descriptor {
    Descriptor { address, size, flags: flag::INDIRECT, next: 0 }
}

/// A table that holds a table.
#[case(feature = VirtioHostileDrivers, spec = virtio("Driver Requirements: Indirect Descriptors"), devices = Devices::ENTROPY)]
fn tables_within_tables_are_survived() {
    survives_tables(feature::INDIRECT_DESC, 1, |queue, _| indirect(queue.indirect_area(), 32));
}

/// A table of no bytes.
#[case(feature = VirtioHostileDrivers, spec = virtio("Driver Requirements: Indirect Descriptors"), devices = Devices::ENTROPY)]
fn tables_of_no_bytes_are_survived() {
    survives_tables(feature::INDIRECT_DESC, 1, |queue, _| indirect(queue.indirect_area(), 0));
}

/// A table of a size that is none of descriptors.
#[case(feature = VirtioHostileDrivers, spec = virtio("Driver Requirements: Indirect Descriptors"), devices = Devices::ENTROPY)]
fn tables_of_odd_sizes_are_survived() {
    const SIZES: [u32; 3] = [1, 15, 33];
    survives_tables(feature::INDIRECT_DESC, SIZES.len(), |queue, number| {
        indirect(queue.indirect_area(), SIZES[number])
    });
}

/// A table of gigabytes.
#[case(feature = VirtioHostileDrivers, spec = virtio("Driver Requirements: Indirect Descriptors"), devices = Devices::ENTROPY)]
fn tables_of_gigabytes_are_survived() {
    const SIZES: [u32; 2] = [0x8000_0000, 0xffff_fff0];
    survives_tables(feature::INDIRECT_DESC, SIZES.len(), |queue, number| {
        indirect(queue.indirect_area(), SIZES[number])
    });
}

/// A table where there is no memory.
#[case(feature = VirtioHostileDrivers, spec = virtio("Driver Requirements: Indirect Descriptors"), devices = Devices::ENTROPY)]
fn tables_outside_of_memory_are_survived() {
    const ADDRESSES: [u64; 2] = [OUTSIDE, u64::MAX - 15];
    survives_tables(feature::INDIRECT_DESC, ADDRESSES.len(), |_, number| indirect(ADDRESSES[number], 64));
}

/// A table although indirect descriptors were not negotiated.
#[case(feature = VirtioHostileDrivers, spec = virtio("Driver Requirements: Indirect Descriptors"), devices = Devices::ENTROPY)]
fn tables_that_were_not_negotiated_are_survived() {
    survives_tables(0, 1, |queue, _| indirect(queue.indirect_area(), 32));
}

/// A table with a next descriptor, and one that is to be written.
#[case(feature = VirtioHostileDrivers, spec = virtio("Driver Requirements: Indirect Descriptors"), devices = Devices::ENTROPY)]
fn tables_with_other_flags_are_survived() {
    const FLAGS: [u16; 2] = [flag::NEXT, flag::WRITE];
    survives_tables(feature::INDIRECT_DESC, FLAGS.len(), |queue, number| Descriptor {
        flags: flag::INDIRECT | FLAGS[number],
        ..indirect(queue.indirect_area(), 32)
    });
}

/// Puts a queue of this size and these areas into use and notifies of it.
fn try_queue(transport: Transport, packed: u64, size: u16, areas: [u64; 3]) {
    let _ = transport.negotiate_offered(packed);
    transport.select_queue(0);
    transport.set_queue_size(size);
    transport.set_areas(areas);
    transport.set_queue_enabled(1);
    transport.start();
    transport.notify(0);
    give_time();
}

/// Queues whose areas lie outside of memory, at its end, or at odd addresses.
#[case(feature = VirtioHostileDrivers, spec = [virtio("Virtqueues"), virtio("Driver Requirements: Virtqueues")],
       devices = Devices::ENTROPY)]
fn queues_at_odd_places_are_survived() {
    each_layout(|row, transport, layout| {
        let packed = if layout == Layout::Packed { feature::RING_PACKED } else { 0 };
        for area in 0..3_usize {
            for address in [OUTSIDE, u64::MAX - 15, 0x1001] {
                let mut areas = Queue::new(0, super::SIZE, layout).areas();
                areas[area] = address;
                try_queue(transport, packed, super::SIZE, areas);
            }
        }
        check!("it answers after a reset", [ROWS; row], answers_after_reset(transport, layout));
    });
}

/// Queues of sizes that are none, or more than the device has.
#[case(feature = VirtioHostileDrivers, spec = [virtio("Virtqueues"), virtio("Driver Requirements: Virtqueues")],
       devices = Devices::ENTROPY)]
fn queues_of_odd_sizes_are_survived() {
    each_layout(|row, transport, layout| {
        let packed = if layout == Layout::Packed { feature::RING_PACKED } else { 0 };
        for size in [0, 3, 0x400, 0xffff] {
            try_queue(transport, packed, size, Queue::new(0, super::SIZE, layout).areas());
        }
        check!("it answers after a reset", [ROWS; row], answers_after_reset(transport, layout));
    });
}

/// A device that met an error goes on to none of what is made available then: it waits for its reset.
#[case(feature = VirtioHostileDrivers, spec = virtio("Device Requirements: Device Status Field"), devices = Devices::ENTROPY)]
fn device_that_needs_a_reset_uses_nothing() {
    each_transport(|row, transport| {
        let Some(mut device) = Device::started(transport, Layout::Split, 0) else {
            return check!("features are accepted", [TRANSPORTS; row], false);
        };
        device.queue.set_available_index(0x4000);
        device.notify();
        if !transport.wait_needs_reset() {
            return;
        }
        device.queue.set_available_index(0);
        device.queue.add(&[virtio::Element::written(virtio::buffer(0), 16)]);
        device.notify();
        give_time();
        check!("nothing is used", [TRANSPORTS; row], device.queue.take_used().is_none());
        check!("it answers after a reset", [TRANSPORTS; row], answers_after_reset(transport, Layout::Split));
    });
}
