//! Configurations that change by themselves: generation, value and interrupt.

use super::{Device, TRANSPORTS, each_transport_of};
use rt::{
    case, check, check_count, check_eq,
    clock::Deadline,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::LocalApic,
    mmio,
    pci::msix::{MsiX, control},
    signals::Message,
    virtio::{Change, Element, Layout, PATIENCE_MICROS, Transport, buffer, common, kind},
    vocabulary::{Devices, Needs, devices::disk::NR_SECTORS},
};

/// The bit of the interrupt status that tells of a change.
const CHANGED: u8 = 2;

/// A number of a configuration that the host changes.
struct Number {
    kind: u16,
    feature: u64,
    read: fn(u64) -> u64,
    change: fn(u32) -> Change,
    /// What it is at first, and what it becomes.
    values: [u32; 2],
}

/// Sectors of a disk, read by halves as drivers do.
const CAPACITY: Number = Number {
    kind: kind::BLOCK,
    feature: 0,
    read: |at| u64::from(mmio::read_u32(at)) | u64::from(mmio::read_u32(at + 4)) << 32,
    change: Change::Capacity,
    values: [NR_SECTORS as u32, 3 * NR_SECTORS as u32],
};

/// VIRTIO_NET_S_LINK_UP, with VIRTIO_NET_F_STATUS.
const LINK: Number = Number {
    kind: kind::NETWORK,
    feature: 1 << 16,
    read: |at| u64::from(mmio::read_u16(at + 6) & 1),
    change: Change::Link,
    values: [1, 0],
};

/// Pages that a balloon is to have.
const BALLOON: Number = Number {
    kind: kind::BALLOON,
    feature: 0,
    read: |at| mmio::read_u32(at).into(),
    change: Change::Balloon,
    values: [0, 0x0001_0203],
};

/// Columns and rows of a console, with VIRTIO_CONSOLE_F_SIZE.
const CONSOLE: Number = Number {
    kind: kind::CONSOLE,
    feature: 1 << 0,
    read: |at| mmio::read_u32(at).into(),
    change: Change::Console,
    values: [0, 25 << 16 | 80],
};

impl Number {
    fn check(&self) {
        each_transport_of(self.kind, |row, transport| {
            let device = Device::started(transport, Layout::Split, self.feature);
            let (Some(_), Some(at)) = (device, transport.config()) else {
                return check!("features are accepted", [TRANSPORTS; row], false);
            };
            let [first, second] = self.values;
            check_eq!("at first", [TRANSPORTS; row], (self.read)(at), u64::from(first));
            check_eq!("no interrupt", [TRANSPORTS; row], transport.interrupt_status(), 0);
            for (before, after) in [(first, second), (second, first)] {
                self.check_change(row, transport, at, (before, after));
            }
            // What comes for the device of the next transport is not told here.
            let _ = transport.reset();
        });
    }

    fn check_change(&self, row: u64, transport: Transport, at: u64, (before, after): (u32, u32)) {
        let generation = transport.generation();
        check!("the host changes it", [TRANSPORTS; row], (self.change)(after).ask());
        let mut is_early = false;
        let is_another = Deadline::after(PATIENCE_MICROS).wait(|| {
            let value = (self.read)(at);
            let is_another = transport.generation() != generation;
            is_early |= !is_another && value != u64::from(before);
            is_another
        });
        check!("another generation", [TRANSPORTS; row], is_another);
        check!("no other number in the generation of before", [TRANSPORTS; row], !is_early);
        check_eq!("the number", [TRANSPORTS; row], (self.read)(at), u64::from(after));
        let mut status = 0;
        Deadline::after(PATIENCE_MICROS).wait(|| {
            status |= transport.interrupt_status();
            status != 0
        });
        check_eq!("interrupt status", [TRANSPORTS; row], status, CHANGED);
        transport.acknowledge(status);
        check_eq!("acknowledged", [TRANSPORTS; row], transport.interrupt_status(), 0);
    }
}

/// A disk that gets another size tells it, with another generation and an interrupt.
#[case(feature = VirtioConfiguration, spec = [virtio("Device Requirements: Device Configuration Space"),
       virtio("Device configuration layout")], needs = Needs::CONFIG_CHANGES, devices = Devices::BLOCK)]
fn capacity_changes_with_the_generation() {
    CAPACITY.check();
}

/// A cable that is pulled out and plugged in is told, with another generation and an interrupt.
#[case(feature = VirtioConfiguration, spec = [virtio("Device Requirements: Device Configuration Space"),
       virtio("Device configuration layout")], needs = Needs::CONFIG_CHANGES, devices = Devices::NETWORK)]
fn link_status_changes_with_the_generation() {
    LINK.check();
}

/// Another number of pages that a balloon is to have is told, with another generation and an interrupt.
#[case(feature = VirtioConfiguration, spec = [virtio("Device Requirements: Device Configuration Space"),
       virtio("Device configuration layout")], needs = Needs::CONFIG_CHANGES, devices = Devices::BALLOON)]
fn balloon_changes_with_the_generation() {
    BALLOON.check();
}

/// Another size of a console is told, with another generation and an interrupt.
#[case(feature = VirtioConfiguration, spec = [virtio("Device Requirements: Device Configuration Space"),
       virtio("Device configuration layout")], needs = Needs::CONFIG_CHANGES, devices = Devices::CONSOLE)]
fn console_size_changes_with_the_generation() {
    CONSOLE.check();
}

/// With MSI-X a change interrupts by the vector of the configuration alone, once for each, and not at all without one.
#[case(feature = VirtioNotifications, spec = [virtio("MSI-X Vector Configuration"),
       virtio("Notification of Device Configuration Changes")],
       needs = Needs::VIRTIO_PCI | Needs::LOCAL_APIC | Needs::CONFIG_CHANGES, devices = Devices::BLOCK, irqchip = LocalApic)]
fn configuration_changes_by_its_vector() {
    const CONFIG: u8 = 0x66;
    const QUEUE: u8 = 0x67;
    let apic = LocalApic::enabled();
    let Some(Transport::Pci(pci)) = Transport::find_pci(kind::BLOCK) else { return check!("a device", false) };
    let Some(msix) = MsiX::of(pci.function) else { return check!("MSI-X", false) };
    let transport = Transport::Pci(pci);
    msix.set_control(control::ENABLE);
    let Some(mut device) = Device::prepared(transport, Layout::Split, 0, super::SIZE) else {
        return check!("features are accepted", false);
    };
    let _listening = Listening::to(CONFIG..=QUEUE, End::LocalApic);
    for (entry, vector) in [(0, CONFIG), (1, QUEUE)] {
        msix.set_message(entry, Message::fixed(apic.id() as u8, vector));
        msix.mask(entry, false);
    }
    mmio::write_u16(pci.common + common::CONFIG_VECTOR, 0);
    transport.select_queue(0);
    mmio::write_u16(pci.common + common::QUEUE_VECTOR, 1);
    transport.start();
    for turn in [2, 3, 1] {
        interrupts::clear();
        check!("the host changes it", [&[]; turn], Change::Capacity(turn * NR_SECTORS as u32).ask());
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(CONFIG) != 0);
        check!("it comes", [&[]; turn], came);
        check!("once", [&[]; turn], !interrupts::wait_for_more());
        check_count!("interrupts", [&[]; turn], interrupts::total(), 1);
        check_eq!(
            "capacity",
            [&[]; turn],
            (CAPACITY.read)(transport.config().unwrap_or(0)),
            u64::from(turn) * NR_SECTORS
        );
    }
    interrupts::clear();
    // A request without a type that there is: it comes back all the same.
    check!("a buffer", device.request(&[Element::read(buffer(0), 16), Element::written(buffer(1), 1)]).is_some());
    check!("its vector", interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(QUEUE) != 0));
    check_count!("the configuration's", interrupts::count(CONFIG), 0);
    mmio::write_u16(pci.common + common::CONFIG_VECTOR, rt::virtio::NO_VECTOR);
    interrupts::clear();
    let generation = transport.generation();
    check!("the host changes it", Change::Capacity(NR_SECTORS as u32 + 8).ask());
    check!("another generation", Deadline::after(PATIENCE_MICROS).wait(|| transport.generation() != generation));
    check!("no interrupt without a vector", !interrupts::wait_for_more());
}
