//! The DSDT: the sleeping state S5, the PCI host bridge, processors that come and go, and virtio devices with memory-mapped registers.
//!
//! Sources: ACPI specification 6.5, § "\\_Sx (System States)", § "_PRT (PCI Routing Table)", § "_CRS (Current Resource Settings)";
//! PCI Firmware Specification 3.3, § "MCFG Table Description", which wants the mapped configuration space reserved by a motherboard
//! resource; Linux, "drivers/virtio/virtio_mmio.c", which knows such devices by LNRO0005.

use super::{Machine, acpi::bytes_of, event, hot_plug, processors};
use crate::{bus::FirmwareDevice, devices::HOT_PLUG_EVENT, layout::pci, spares};
use ::pci::Slot;
use ::platform::pm_timer::SOFT_OFF;
use acpi_tables::{Aml, aml};

/// Pins of a slot, and lines that they lead to in turn.
const NR_PINS: u32 = 4;
/// Ports of the configuration registers.
const NR_CONFIG_PORTS: u8 = 8;

/// What follows the table's header.
pub(super) fn body(machine: &Machine<'_>) -> Vec<u8> {
    let devices = machine.devices;
    let (zero, off) = (aml::ZERO, SOFT_OFF);
    let s5 = aml::Name::new("_S5_".into(), &aml::Package::new(vec![&off, &off, &zero, &zero]));
    let mut body = bytes_of(&s5);
    let mut in_bus = Vec::new();
    for (index, device) in (0_u8..).zip(devices) {
        in_bus.extend(match *device {
            FirmwareDevice::PciHost => pci_host(Vec::new()),
            FirmwareDevice::PciHostWithHotPlug => pci_host(hot_plug::slots()),
            FirmwareDevice::VirtioMmio { address, line } => virtio_mmio(index, address, line),
        });
    }
    if machine.nr_spare > 0 {
        in_bus.extend(processors::devices(machine.nr_vcpus, machine.nr_spare));
    }
    if !in_bus.is_empty() {
        body.extend(aml::Scope::raw("\\_SB_".into(), in_bus));
    }
    if devices.contains(&FirmwareDevice::PciHostWithHotPlug) {
        body.extend(event::handler(HOT_PLUG_EVENT, &hot_plug::told()));
    }
    if machine.nr_spare > 0 {
        body.extend(event::handler(spares::EVENT, &processors::told()));
    }
    body
}

/// A device with these named objects.
fn device(name: &str, objects: &[(&str, &dyn Aml)]) -> Vec<u8> {
    let names: Vec<_> = objects.iter().map(|(name, value)| aml::Name::new((*name).into(), *value)).collect();
    bytes_of(&aml::Device::new(name.into(), names.iter().map(|name| name as &dyn Aml).collect()))
}

/// The host bridge with its windows, its lines and `slots`, and what keeps others from the mapped configuration space.
fn pci_host(slots: Vec<u8>) -> Vec<u8> {
    let config = pci::CONFIG_ADDRESS;
    let config_ports = aml::IO::new(config, config, 1, NR_CONFIG_PORTS);
    let buses = aml::AddressSpace::new_bus_number(0_u16, 0);
    let ports = aml::AddressSpace::new_io(pci::IO_WINDOW, pci::IO_WINDOW + (pci::IO_WINDOW_SIZE - 1), None);
    let not_cacheable = aml::AddressSpaceCacheable::NotCacheable;
    // The constants are below 4 GiB, as the next assertion says.
    let (low, low_end) = (pci::MEMORY_WINDOW as u32, (pci::MEMORY_WINDOW + pci::MEMORY_WINDOW_SIZE - 1) as u32);
    let memory = aml::AddressSpace::new_memory(not_cacheable, true, low, low_end, None);
    let (top, top_end) = (pci::TOP_WINDOW as u32, (pci::TOP_WINDOW + pci::TOP_WINDOW_SIZE - 1) as u32);
    let top = aml::AddressSpace::new_memory(not_cacheable, true, top, top_end, None);
    let high_end = pci::HIGH_WINDOW + pci::HIGH_WINDOW_SIZE - 1;
    let high = aml::AddressSpace::new_memory(not_cacheable, true, pci::HIGH_WINDOW, high_end, None);
    let windows = aml::ResourceTemplate::new(vec![&buses, &config_ports, &ports, &memory, &top, &high]);

    let mut routing = aml::PackageBuilder::new();
    for slot in 0..Slot::COUNT as u32 {
        for pin in 0..NR_PINS {
            // All functions of the slot; index 0 of what the link has.
            let (address, link) = (slot << 16 | 0xffff, aml::Path::new(&link_name((slot + pin) % NR_PINS)));
            routing.add_element(&aml::Package::new(vec![&address, &pin, &link, &aml::ZERO]));
        }
    }
    let host = device(
        "PCI0",
        &[
            ("_HID", &aml::EISAName::new("PNP0A08")),
            ("_CID", &aml::EISAName::new("PNP0A03")),
            ("_UID", &aml::ZERO),
            ("_SEG", &aml::ZERO),
            ("_BBN", &aml::ZERO),
            ("_CRS", &windows),
            ("_PRT", &routing),
        ],
    );
    let mapped = aml::Memory32Fixed::new(true, pci::MAPPED_CONFIG as u32, pci::MAPPED_CONFIG_SIZE as u32);
    let reserved = aml::ResourceTemplate::new(vec![&mapped]);
    let board = device("MBRD", &[("_HID", &aml::EISAName::new("PNP0C02")), ("_UID", &aml::ZERO), ("_CRS", &reserved)]);
    let links = (0..NR_PINS).flat_map(link);
    let slots = if slots.is_empty() { slots } else { aml::Scope::raw("PCI0".into(), slots) };
    links.chain(host).chain(slots).chain(board).collect()
}

fn link_name(index: u32) -> String {
    // There are four.
    format!("LNK{}", char::from(b'A' + index as u8))
}

/// A line of the bus as an interrupt link, which cannot be moved. Without one a guest would take it for active-low, as PCI's are,
/// and the I/O APIC's pins here have levels of which the high one asserts.
fn link(index: u32) -> Vec<u8> {
    // A consumer, level-triggered, active-high, shared.
    let interrupt = aml::Interrupt::new(true, false, false, true, pci::FIRST_LINE + index);
    let lines = aml::ResourceTemplate::new(vec![&interrupt]);
    let set = aml::Method::new("_SRS".into(), 1, false, Vec::new());
    let objects =
        [("_HID", &aml::EISAName::new("PNP0C0F") as &dyn Aml), ("_UID", &index), ("_PRS", &lines), ("_CRS", &lines)];
    let names = objects.map(|(name, value)| aml::Name::new(name.into(), value));
    let mut children: Vec<&dyn Aml> = names.iter().map(|name| name as &dyn Aml).collect();
    children.push(&set);
    bytes_of(&aml::Device::new(link_name(index).as_str().into(), children))
}

const _: () = assert!(pci::MEMORY_WINDOW + pci::MEMORY_WINDOW_SIZE <= 1 << 32);
const _: () = assert!(pci::MAPPED_CONFIG + pci::MAPPED_CONFIG_SIZE <= 1 << 32);

/// A virtio device; `index` makes its name.
fn virtio_mmio(index: u8, address: u64, line: u32) -> Vec<u8> {
    let size = virtio::mmio::SIZE_BYTES;
    let end = address.saturating_add(size - 1);
    let not_cacheable = aml::AddressSpaceCacheable::NotCacheable;
    let registers = aml::AddressSpace::new_memory(not_cacheable, true, address, end, None);
    // A consumer, level-triggered, active-high, for itself.
    let interrupt = aml::Interrupt::new(true, false, false, false, line);
    let resources = aml::ResourceTemplate::new(vec![&registers, &interrupt]);
    device(
        &format!("VM{index:02X}"),
        &[("_HID", &"LNRO0005"), ("_UID", &index), ("_CCA", &aml::ONE), ("_CRS", &resources)],
    )
}
