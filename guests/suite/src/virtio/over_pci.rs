//! virtio over PCI: identity, structures, registers.

use super::{SIZE, TRANSPORTS};
use rt::{
    case, check, check_eq, mmio, names,
    pci::{BarKind, header},
    virtio::{
        self, DEVICE_BASE, Layout, NO_VECTOR, PciTransport, Queue, StructureKind, Transport, common, kind, structures,
    },
    vocabulary::{Needs, Text},
};

fn device() -> Option<PciTransport> {
    let found = PciTransport::find(kind::ENTROPY);
    check!("a device", found.is_some());
    found
}

/// A device that is not transitional has the device ID of its kind, and tells that it is none by revision and subsystem.
#[case(feature = VirtioPci, spec = [virtio("PCI Device Discovery"), virtio("Device Requirements: PCI Device Discovery")],
       needs = Needs::VIRTIO_PCI)]
fn identity_is_that_of_its_kind() {
    let Some(device) = device() else { return };
    check_eq!("vendor", device.function.read_u16(header::VENDOR), virtio::VENDOR);
    check_eq!("device", device.function.read_u16(header::DEVICE), DEVICE_BASE + kind::ENTROPY);
    check!("revision", device.function.read_u8(header::REVISION) >= 1);
    check!("subsystem", device.function.read_u16(header::SUBSYSTEM) >= 0x40);
}

/// There are structures of each kind that every device has, each within its register and aligned.
#[case(feature = VirtioPci, spec = [virtio("Virtio Structure PCI Capabilities"), virtio("Common configuration structure layout"),
       virtio("Notification structure layout")], needs = Needs::VIRTIO_PCI)]
fn structures_are_well_formed() {
    const KINDS: [StructureKind; 4] =
        [StructureKind::Common, StructureKind::Notify, StructureKind::Isr, StructureKind::Window];
    const NAMES: &[Text] = names!["common", "notifications", "ISR status", "window"];
    let Some(device) = device() else { return };
    let function = device.function;
    for (row, kind) in KINDS.into_iter().enumerate() {
        check!("there is one", [NAMES; row], structures(function).any(|(found, _)| found == kind as u8));
    }
    for (kind, structure) in structures(function) {
        let length = function.read_u8(structure.capability + 2);
        check!("size of the capability", [&[]; kind], length >= if matches!(kind, 2 | 5) { 20 } else { 16 });
        if !(1..=4).contains(&kind) {
            continue;
        }
        check!("register", [&[]; kind], structure.bar < 6);
        let size = function.bars().find(|bar| bar.index == structure.bar).map_or(0, |bar| {
            check!("a register for memory", [&[]; kind], bar.kind != BarKind::Io);
            bar.size
        });
        let end = u64::from(structure.offset) + u64::from(structure.length);
        check!("within its register", [&[]; kind], end <= size);
        let (alignment, least) = match kind {
            1 => (4, 0x38),
            2 => (2, 2),
            3 => (1, 1),
            _ => (4, 0),
        };
        check!("aligned", [&[]; kind], structure.offset.is_multiple_of(alignment));
        check!("large enough", [&[]; kind], structure.length >= least);
    }
    let multiplier = device.notify_multiplier;
    check!("multiplier", multiplier == 0 || multiplier.is_power_of_two() && multiplier >= 2);
}

/// Selectors and registers of a queue keep what is written, and are as after power-up once the device was reset.
#[case(feature = VirtioPci, spec = virtio("Device Requirements: Common configuration structure layout"), needs = Needs::VIRTIO_PCI)]
fn common_registers_keep_what_is_written() {
    let Some(device) = device() else { return };
    let transport = Transport::Pci(device);
    let read = |offset| mmio::read_u16(device.common + offset);
    check!("reset", transport.reset());
    check!("queues", read(common::NUM_QUEUES) >= 1);
    for select in [0_u32, 1, 0xffff_fffe] {
        transport.select_device_features(select);
        check_eq!("device feature select", mmio::read_u32(device.common + common::DEVICE_FEATURE_SELECT), select);
        transport.select_driver_features(select);
        check_eq!("driver feature select", mmio::read_u32(device.common + common::DRIVER_FEATURE_SELECT), select);
    }
    let _ = transport.negotiate_offered(0);
    transport.select_queue(0);
    check_eq!("queue select", read(common::QUEUE_SELECT), 0);
    let queue = Queue::new(0, SIZE, Layout::Split);
    transport.set_queue_size(SIZE);
    transport.set_areas(queue.areas());
    check_eq!("queue size", read(common::QUEUE_SIZE), SIZE);
    for (number, address) in queue.areas().into_iter().enumerate() {
        let at = device.common + common::QUEUE_AREAS + 8 * number as u64;
        check_eq!("low half of an area", [&[]; number], mmio::read_u32(at), address as u32);
        check_eq!("high half of an area", [&[]; number], mmio::read_u32(at + 4), (address >> 32) as u32);
    }
    check_eq!("not in use yet", transport.queue_enabled(), 0);
    transport.set_queue_enabled(1);
    check_eq!("in use", transport.queue_enabled(), 1);
    check!("reset again", transport.reset());
    transport.select_queue(0);
    check_eq!("in use after a reset", transport.queue_enabled(), 0);
    check_eq!("status after a reset", [TRANSPORTS; 0_u64], transport.status(), 0);
}

/// A vector that the table has reads back; one that it has not reads as none, and so does each after a reset.
#[case(feature = VirtioPci, spec = [virtio("MSI-X Vector Configuration"),
       virtio("Device Requirements: MSI-X Vector Configuration")], needs = Needs::VIRTIO_PCI)]
fn vectors_that_there_are_read_back() {
    let Some(device) = device() else { return };
    let transport = Transport::Pci(device);
    let Some(msix) = rt::pci::msix::MsiX::of(device.function) else { return check!("MSI-X", false) };
    check!("reset", transport.reset());
    msix.set_control(rt::pci::msix::control::ENABLE);
    transport.select_queue(0);
    let registers = [common::CONFIG_VECTOR, common::QUEUE_VECTOR].map(|offset| device.common + offset);
    for (number, register) in registers.into_iter().enumerate() {
        check_eq!("at first", [&[]; number], mmio::read_u16(register), NO_VECTOR);
        for vector in [0, msix.nr_vectors() - 1, NO_VECTOR] {
            mmio::write_u16(register, vector);
            check_eq!("one that there is, or none", [&[]; number], mmio::read_u16(register), vector);
        }
        for vector in [msix.nr_vectors(), 0x7ff, 0xfffe] {
            mmio::write_u16(register, vector);
            check_eq!("one that there is not", [&[]; number], mmio::read_u16(register), NO_VECTOR);
        }
        mmio::write_u16(register, 0);
    }
    check!("reset again", transport.reset());
    transport.select_queue(0);
    for (number, register) in registers.into_iter().enumerate() {
        check_eq!("after a reset", [&[]; number], mmio::read_u16(register), NO_VECTOR);
    }
    msix.set_control(0);
}

/// The window in configuration space reaches what stands behind the registers.
#[case(feature = VirtioPci, spec = [virtio("PCI configuration access capability"),
       virtio("Device Requirements: PCI configuration access capability")], needs = Needs::VIRTIO_PCI)]
fn window_reaches_the_structures() {
    let Some(device) = device() else { return };
    let function = device.function;
    let transport = Transport::Pci(device);
    let (Some(window), Some(target)) =
        (virtio::structure(function, StructureKind::Window), virtio::structure(function, StructureKind::Common))
    else {
        return check!("window and structure", false);
    };
    let at = window.capability;
    let aim = |offset: u64, size: u32| {
        function.write_u8(at + 4, target.bar);
        function.write_u32(at + 8, target.offset + offset as u32);
        function.write_u32(at + 12, size);
    };
    check!("reset", transport.reset());
    aim(common::NUM_QUEUES, 2);
    check_eq!("queues", function.read_u16(at + 16), mmio::read_u16(device.common + common::NUM_QUEUES));
    aim(common::STATUS, 1);
    function.write_u8(at + 16, 1);
    check_eq!("a status that was written", transport.status(), 1);
    check_eq!("the same by the window", function.read_u8(at + 16), 1);
    aim(common::DEVICE_FEATURE_SELECT, 4);
    function.write_u32(at + 16, 1);
    aim(common::DEVICE_FEATURE, 4);
    let half = function.read_u32(at + 16);
    check_eq!("features, high half", half, (transport.device_features() >> 32) as u32);
}

/// Reading the ISR status clears it, and any other access does not set it.
#[case(feature = VirtioPci, spec = virtio("Device Requirements: ISR status capability"), needs = Needs::VIRTIO_PCI)]
fn isr_is_clear_without_events() {
    let Some(device) = device() else { return };
    let transport = Transport::Pci(device);
    check!("reset", transport.reset());
    for turn in 0..2 {
        check_eq!("ISR status", [&[]; turn], transport.interrupt_status(), 0);
        mmio::write_u8(device.isr, 0xff);
    }
}

/// The areas of a queue have 64 bits, and are written by halves.
#[case(feature = VirtioPci, spec = virtio("Common configuration structure layout"), needs = Needs::VIRTIO_PCI)]
fn areas_have_high_halves() {
    let Some(device) = device() else { return };
    let transport = Transport::Pci(device);
    check!("features are accepted", transport.negotiate_offered(0).is_some());
    transport.select_queue(0);
    for (number, high) in (0..3_u64).zip([0x1234_5678_u32, 1, 0x8000_0000]) {
        let at = device.common + common::QUEUE_AREAS + 8 * number;
        mmio::write_u32(at, 0x1000);
        mmio::write_u32(at + 4, high);
        check_eq!("low half", [&[]; number], mmio::read_u32(at), 0x1000_u32);
        check_eq!("high half", [&[]; number], mmio::read_u32(at + 4), high);
    }
    check!("reset", transport.reset());
}
