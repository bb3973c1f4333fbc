//! PCI and virtio devices for the cases that need them, on our VMM.

mod backends;
mod changes;
mod echoed_socket;

pub(super) use backends::disk_bytes;

use crate::catalog::Case;
use case::{Devices, Needs, image::board};
use changes::Changes;
use std::error::Error;
use vmm::{
    VmConfig,
    devices::{PciHost, VirtioMmio},
};

/// What comes with these devices.
pub(super) const OFFERED: Needs =
    Needs::PCI.union(Needs::VIRTIO_PCI).union(Needs::VIRTIO_MMIO).union(Needs::CONFIG_CHANGES);

const _: () = assert!(
    board::PCI_MAPPED == vmm::layout::pci::MAPPED_CONFIG
        && board::PCI_MEMORY == vmm::layout::pci::MEMORY_WINDOW
        && board::PCI_HIGH_MEMORY == vmm::layout::pci::HIGH_WINDOW
);

/// Which virtio devices a board can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtioDevices {
    /// Over PCI, as many at once as a case wants.
    pub pci: Devices,
    /// Over MMIO, one at once.
    pub mmio: Devices,
}

impl VirtioDevices {
    /// None.
    pub const NONE: Self = Self { pci: Devices::empty(), mmio: Devices::empty() };
    /// Those of our VMM: all, over both transports.
    pub(super) const OURS: Self = Self { pci: Devices::all(), mmio: Devices::all() };

    /// Whatever one of the two boards has.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { pci: self.pci.union(other.pci), mmio: self.mmio.union(other.mmio) }
    }

    /// Those that a case wants, and a board with these does not have on the transport that the case needs.
    pub fn missing(self, case: &Case) -> Devices {
        let asked = Asked::new(case.needs, case.devices);
        let not_over_mmio = if asked.by_mmio { asked.more_than_one() } else { Devices::empty() };
        let offered = match (asked.by_pci, asked.by_mmio) {
            (true, true) => self.pci.intersection(self.mmio),
            (true, false) => self.pci,
            (false, true) => self.mmio,
            (false, false) => self.pci.union(if asked.is_one() { self.mmio } else { Devices::empty() }),
        };
        case.devices.difference(offered).union(not_over_mmio)
    }

    /// What a report tells of them: each with its transport.
    pub fn titles(self) -> impl Iterator<Item = String> {
        let over = |devices: Devices, transport| devices.titles().map(move |title| format!("{title} over {transport}"));
        over(self.pci, "PCI").chain(over(self.mmio, "MMIO"))
    }
}

/// What a case asks for, and by which transports it must be there.
#[derive(Clone, Copy, Debug)]
struct Asked {
    devices: Devices,
    by_pci: bool,
    by_mmio: bool,
}

impl Asked {
    fn new(needs: Needs, devices: Devices) -> Self {
        Self { devices, by_pci: needs.contains(Needs::VIRTIO_PCI), by_mmio: needs.contains(Needs::VIRTIO_MMIO) }
    }

    fn is_one(self) -> bool {
        self.devices.iter().count() == 1
    }

    /// All, unless it is one or none.
    fn more_than_one(self) -> Devices {
        if self.devices.iter().count() > 1 { self.devices } else { Devices::empty() }
    }

    /// What is put on the bus. A case of PCI alone finds an entropy device: one function that has what functions can have.
    fn over_pci(self, needs: Needs) -> Devices {
        match self.devices.is_empty() {
            true if needs.intersects(Needs::PCI | Needs::VIRTIO_PCI) => Devices::ENTROPY,
            _ if self.by_mmio && !self.by_pci => Devices::empty(),
            _ => self.devices,
        }
    }

    /// What has registers in memory.
    fn over_mmio(self) -> Option<Devices> {
        match self.devices.is_empty() {
            true => self.by_mmio.then_some(Devices::ENTROPY),
            false => (self.is_one() && (self.by_mmio || !self.by_pci)).then_some(self.devices),
        }
    }
}

/// What QEMU's and our boards have over PCI for a case with these needs.
pub(super) fn over_pci(needs: Needs, devices: Devices) -> Devices {
    Asked::new(needs, devices).over_pci(needs)
}

/// A device cannot be made, because the host lacks something.
#[derive(Debug, thiserror::Error)]
#[error("failed to make a {device}")]
pub struct DeviceError {
    /// Title of the device.
    device: &'static str,
    /// Why.
    source: Box<dyn Error + Send + Sync>,
}

/// Adds the devices that a case needs: a virtual machine is dearer with each.
///
/// # Errors
/// [`DeviceError`].
pub(super) fn with_devices(needs: Needs, devices: Devices, mut config: VmConfig) -> Result<VmConfig, DeviceError> {
    let asked = Asked::new(needs, devices);
    let over_pci = asked.over_pci(needs);
    let mut changes = needs.contains(Needs::CONFIG_CHANGES).then(Changes::default);
    let mut host = (!over_pci.is_empty() || needs.intersects(Needs::PCI | Needs::VIRTIO_PCI)).then(PciHost::new);
    for device in over_pci.iter() {
        let device = backends::device(device, changes.as_mut())?;
        host = host.map(|host| host.with(None, device));
    }
    let device = asked.over_mmio().map(|device| backends::device(device, changes.as_mut())).transpose()?;
    // It comes first: a saved device is restored into one that has what the host has plugged into it.
    if let Some(changes) = changes {
        config = config.with(changes);
    }
    if let Some(host) = host {
        config = config.with(host);
    }
    if let Some(device) = device {
        config = config.with(VirtioMmio::new(board::VIRTIO_MMIO, board::VIRTIO_MMIO_LINE.into(), device));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::catalog::synthetic::Source;

    const PCI: Needs = Needs::VIRTIO_PCI;
    const MMIO: Needs = Needs::VIRTIO_MMIO;

    fn missing(offered: VirtioDevices, needs: Needs, devices: Devices) -> Devices {
        let catalog = Catalog::parse(Source::new().build().bytes).unwrap();
        let case = catalog.cases()[0].clone();
        offered.missing(&Case { needs, devices, ..case })
    }

    #[test]
    fn every_kind_of_device_can_be_made() {
        for device in Devices::all().iter() {
            assert!(backends::device(device, None).is_ok(), "{device:?}");
        }
    }

    #[test]
    fn each_kind_has_a_title_of_its_own() {
        let titles: std::collections::BTreeSet<_> = Devices::all().titles().collect();
        assert_eq!(titles.len(), Devices::all().iter().count());
        assert!(!titles.contains("virtio device"));
    }

    #[test]
    fn a_device_must_be_there_by_the_transport_that_is_needed() {
        let offered = VirtioDevices { pci: Devices::BLOCK | Devices::SCSI, mmio: Devices::BLOCK | Devices::ENTROPY };
        let none = Devices::empty();
        for (needs, devices, expected) in [
            (Needs::empty(), Devices::BLOCK, none),
            (Needs::empty(), Devices::ENTROPY, none),
            (Needs::empty(), Devices::GPU, Devices::GPU),
            (Needs::empty(), Devices::BLOCK | Devices::SCSI, none),
            (Needs::empty(), Devices::BLOCK | Devices::ENTROPY, Devices::ENTROPY),
            (PCI, Devices::ENTROPY, Devices::ENTROPY),
            (PCI, Devices::SCSI, none),
            (MMIO, Devices::SCSI, Devices::SCSI),
            (MMIO, Devices::ENTROPY, none),
            (PCI | MMIO, Devices::ENTROPY, Devices::ENTROPY),
            (PCI | MMIO, Devices::BLOCK, none),
            // One at once.
            (MMIO, Devices::BLOCK | Devices::ENTROPY, Devices::BLOCK | Devices::ENTROPY),
            (PCI | MMIO, none, none),
        ] {
            assert_eq!(missing(offered, needs, devices), expected, "{needs:?} {devices:?}");
        }
        assert_eq!(missing(VirtioDevices::NONE, Needs::empty(), Devices::all()), Devices::all());
    }

    #[test]
    fn only_what_is_asked_for_is_plugged() {
        let plugged = |needs, devices| {
            let asked = Asked::new(needs, devices);
            (asked.over_pci(needs), asked.over_mmio())
        };
        let (none, block) = (Devices::empty(), Devices::BLOCK);
        let two = Devices::BLOCK | Devices::SCSI;
        assert_eq!(plugged(Needs::empty(), none), (none, None));
        assert_eq!(plugged(Needs::PCI, none), (Devices::ENTROPY, None));
        assert_eq!(plugged(PCI, none), (Devices::ENTROPY, None));
        assert_eq!(plugged(MMIO, none), (none, Some(Devices::ENTROPY)));
        assert_eq!(plugged(Needs::empty(), block), (block, Some(block)));
        assert_eq!(plugged(PCI, block), (block, None));
        assert_eq!(plugged(MMIO, block), (none, Some(block)));
        assert_eq!(plugged(PCI | MMIO, block), (block, Some(block)));
        assert_eq!(plugged(Needs::empty(), two), (two, None));
    }

    #[test]
    fn titles_name_the_transport() {
        let offered = VirtioDevices { pci: Devices::GPU, mmio: Devices::ENTROPY };
        let titles: Vec<_> = offered.titles().collect();
        assert_eq!(titles, ["virtio GPU over PCI", "virtio entropy device over MMIO"]);
    }
}
