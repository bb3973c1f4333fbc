//! Drivers that break the rules of descriptors and indices: the device fails the request or says that it needs a reset, which
//! then brings it back. Whatever happens, the hypervisor lives.

use super::{Device, TRANSPORTS, each_transport, give_time};
use rt::{
    case, check,
    virtio::{self, Descriptor, Layout, Transport, descriptor_flag as flag, feature},
    vocabulary::Devices,
};

/// Where no board has memory, and far beyond.
const OUTSIDE: u64 = 0x7f_ffff_f000;

const BOTH: &[Layout] = &[Layout::Split, Layout::Packed];
const SPLIT: &[Layout] = &[Layout::Split];

/// Lets `break_rule` spoil the queue of a device in each of so many ways, notifies, and sees that the device answers after a reset.
fn survives(layouts: &[Layout], wanted: u64, nr_ways: usize, break_rule: impl Fn(&mut Device, usize)) {
    each_transport(|row, transport: Transport| {
        for &layout in layouts {
            if layout == Layout::Packed && transport.device_features() & feature::RING_PACKED == 0 {
                continue;
            }
            let mut device = Device::started(transport, layout, wanted);
            for way in 0..nr_ways {
                let Some(broken) = &mut device else {
                    return check!("features are accepted", [TRANSPORTS; row], false);
                };
                break_rule(broken, way);
                broken.notify();
                give_time();
                broken.notify();
                device = Device::started(transport, layout, wanted);
                let answers = device.as_mut().is_some_and(Device::answers);
                check!("it answers after a reset", [TRANSPORTS; row], answers);
            }
        }
    });
}

fn written(address: u64, size: u32) -> Descriptor {
    Descriptor { address, size, flags: flag::WRITE, next: 0 }
}

/// A head that is no index of the descriptor table.
#[case(feature = VirtioHostileDrivers, spec = virtio("The Virtqueue Available Ring"), devices = Devices::ENTROPY)]
fn heads_out_of_range_are_survived() {
    const HEADS: [u16; 4] = [8, 255, 0x7fff, 0xffff];
    survives(SPLIT, 0, HEADS.len(), |device, way| device.queue.publish_split(HEADS[way]));
}

/// A next index that is none of the descriptor table.
#[case(feature = VirtioHostileDrivers, spec = virtio("The Virtqueue Descriptor Table"), devices = Devices::ENTROPY)]
fn next_indices_out_of_range_are_survived() {
    const NEXT: [u16; 3] = [8, 0x100, 0xffff];
    survives(SPLIT, 0, NEXT.len(), |device, way| {
        let flags = flag::WRITE | flag::NEXT;
        device.queue.add_raw(Descriptor { flags, next: NEXT[way], ..written(virtio::buffer(0), 16) });
    });
}

/// A chain that leads back to itself, at once and after others.
#[case(feature = VirtioHostileDrivers, spec = virtio("The Virtqueue Descriptor Table"), devices = Devices::ENTROPY)]
fn loops_of_descriptors_are_survived() {
    const LENGTHS: [u16; 3] = [1, 2, 8];
    survives(SPLIT, 0, LENGTHS.len(), |device, way| {
        for index in 0..LENGTHS[way] {
            let next = (index + 1) % LENGTHS[way];
            let flags = flag::WRITE | flag::NEXT;
            device.queue.write_descriptor(index, Descriptor { flags, next, ..written(virtio::buffer(0), 16) });
        }
        device.queue.publish_split(0);
    });
}

/// An available index that is further ahead than the ring is long, or behind.
#[case(feature = VirtioHostileDrivers, spec = virtio("The Virtqueue Available Ring"), devices = Devices::ENTROPY)]
fn available_indices_out_of_range_are_survived() {
    const AHEAD: [u16; 4] = [9, 0x100, 0x8000, 0xffff];
    survives(SPLIT, 0, AHEAD.len(), |device, way| {
        device.queue.write_descriptor(0, written(virtio::buffer(0), 16));
        device.queue.set_available_index(device.queue.available_index().wrapping_add(AHEAD[way]));
    });
}

/// Buffers where there is no memory, across the end of an address space, and of no bytes.
#[case(feature = VirtioHostileDrivers, spec = virtio("The Virtqueue Descriptor Table"), devices = Devices::ENTROPY)]
fn buffers_outside_of_memory_are_survived() {
    const BUFFERS: [(u64, u32); 4] = [(OUTSIDE, 16), (u64::MAX - 7, 16), (OUTSIDE, 0x1_0000), (0x1000, 0)];
    survives(BOTH, 0, BUFFERS.len(), |device, way| {
        let (address, size) = BUFFERS[way];
        device.queue.add_raw(written(address, size));
    });
}

/// A buffer that the device would have to write, and may only read.
#[case(feature = VirtioHostileDrivers, spec = [virtio("Entropy Device"), virtio("Message Framing")],
       devices = Devices::ENTROPY)]
fn buffers_to_be_read_are_left() {
    survives(BOTH, 0, 1, |device, _| {
        virtio::fill(virtio::buffer(6), 32, 0x55);
        device.queue.add_raw(Descriptor { flags: 0, ..written(virtio::buffer(6), 32) });
        device.notify();
        give_time();
        let left = rt::mmio::read_u64(virtio::buffer(6));
        check!("it is not written", left == u64::from_le_bytes([0x55; 8]));
    });
}

/// A packed ring all of whose descriptors lead on to the next.
#[case(feature = VirtioHostileDrivers, spec = virtio("Scatter-Gather Support"), devices = Devices::ENTROPY)]
fn packed_chains_without_end_are_survived() {
    survives(&[Layout::Packed], 0, 1, |device, _| {
        for _ in 0..super::SIZE {
            let flags = flag::WRITE | flag::NEXT;
            device.queue.add_raw(Descriptor { flags, ..written(virtio::buffer(0), 16) });
        }
    });
}

/// Random descriptors, available all at once.
#[case(feature = VirtioHostileDrivers, spec = [virtio("The Virtqueue Descriptor Table"), virtio("Packed Virtqueues")],
       devices = Devices::ENTROPY)]
fn random_descriptors_are_survived() {
    const WAYS: usize = 6;
    survives(BOTH, feature::INDIRECT_DESC | feature::EVENT_IDX, WAYS, |device, way| {
        let mut state = 0x1234_5678_9abc_def1 ^ (way as u64) << 20;
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        // The image's own memory is none of the places: a device that does as it is told would spoil it.
        let places = [virtio::buffer(0), virtio::buffer(40), OUTSIDE, u64::MAX - 15];
        for _ in 0..super::SIZE {
            let bits = draw();
            let place = places[(bits >> 8 & 3) as usize];
            let size = (bits >> 32 & if place == OUTSIDE { 0xffff } else { 0xff }) as u32;
            let (flags, next) = ((bits & 7) as u16, (bits >> 16 & 15) as u16);
            device.queue.add_raw(Descriptor { address: place, size, flags, next });
        }
    });
}
