//! virtio over MMIO: registers.

use rt::{
    case, check, check_eq, mmio, names,
    virtio::{Transport, feature, kind, mmio_register as register},
    vocabulary::{Needs, Text, image::board},
};

fn read(offset: u64) -> u32 {
    mmio::read_u32(board::VIRTIO_MMIO + offset)
}

/// Magic value, version, kind and vendor are there, before any reset and after one.
#[case(feature = VirtioMmio, spec = virtio("Device Requirements: MMIO Device Register Layout"), needs = Needs::VIRTIO_MMIO)]
fn identity_is_told() {
    for turn in 0..2 {
        check_eq!("magic value", [&[]; turn], read(register::MAGIC), register::MAGIC_VALUE);
        check_eq!("version", [&[]; turn], read(register::VERSION), 2);
        check_eq!("kind", [&[]; turn], read(register::DEVICE_ID), kind::ENTROPY);
        mmio::write_u32(board::VIRTIO_MMIO + register::STATUS, 0);
    }
}

/// Read-only registers take no write.
#[case(feature = VirtioMmio, spec = virtio("MMIO Device Register Layout"), needs = Needs::VIRTIO_MMIO)]
fn read_only_registers_take_no_write() {
    const OFFSETS: [u64; 7] = [
        register::MAGIC,
        register::VERSION,
        register::DEVICE_ID,
        register::VENDOR_ID,
        register::DEVICE_FEATURES,
        register::QUEUE_SIZE_MAX,
        register::INTERRUPT_STATUS,
    ];
    const NAMES: &[Text] = names![
        "magic value",
        "version",
        "device id",
        "vendor id",
        "device features",
        "largest queue size",
        "interrupt status",
    ];
    for (row, offset) in OFFSETS.into_iter().enumerate() {
        let before = read(offset);
        mmio::write_u32(board::VIRTIO_MMIO + offset, !before);
        check_eq!("after a write", [NAMES; row], read(offset), before);
    }
}

/// The registers of a region of shared memory that is not there tell a size of all ones.
#[case(feature = VirtioMmio, spec = virtio("MMIO Device Register Layout"), needs = Needs::VIRTIO_MMIO)]
fn absent_shared_memory_has_a_size_of_all_ones() {
    for id in [0, 1, 255] {
        mmio::write_u32(board::VIRTIO_MMIO + register::SHARED_MEMORY_SELECT, id);
        check_eq!("low half", [&[]; id], read(register::SHARED_MEMORY_LENGTH), u32::MAX);
        check_eq!("high half", [&[]; id], read(register::SHARED_MEMORY_LENGTH + 4), u32::MAX);
    }
}

/// A queue reads as ready when it is put into use, and no more after a reset.
#[case(feature = VirtioMmio, spec = virtio("Device Requirements: MMIO Device Register Layout"), needs = Needs::VIRTIO_MMIO)]
fn ready_tells_whether_a_queue_is_in_use() {
    let Some(transport) = Transport::find_mmio(kind::ENTROPY) else { return check!("a device", false) };
    check!("FEATURES_OK", transport.negotiate(feature::VERSION_1));
    transport.select_queue(0);
    check_eq!("at first", transport.queue_enabled(), 0);
    let queue = rt::virtio::Queue::new(0, super::SIZE, rt::virtio::Layout::Split);
    transport.add_queue(&queue);
    check_eq!("put into use", transport.queue_enabled(), 1);
    check!("reset", transport.reset());
    transport.select_queue(0);
    check_eq!("after a reset", transport.queue_enabled(), 0);
}
