//! What the DSDT tells of slots whose functions come and go.
//!
//! Sources: ACPI specification 6.5, § "_EJx (Eject)", § "Device Object Notifications" and § "General-Purpose Event Handling"; QEMU,
//! "docs/specs/acpi_pci_hotplug.rst", for the registers.

use super::{
    acpi::bytes_of,
    event::{DEVICE_CHECK, EJECT_REQUEST, Raw, four},
};
use crate::layout::pci;
use ::pci::{HOT_PLUG_BYTES, Slot};
use acpi_tables::aml::{
    And, Arg, Device, Field, FieldAccessType, FieldEntry, FieldLockRule, FieldUpdateRule, If, Local, Method,
    MethodCall, Name, Notify, OpRegion, OpRegionSpace, Path, Store,
};

/// The slots, within the host bridge PCI0.
pub(super) fn slots() -> Vec<u8> {
    let (port, size) = (pci::HOT_PLUG, HOT_PLUG_BYTES);
    let mut body = bytes_of(&OpRegion::new("HPCR".into(), OpRegionSpace::SystemIO, &port, &size));
    body.extend(bytes_of(&Field::new(
        "HPCR".into(),
        FieldAccessType::DWord,
        FieldLockRule::NoLock,
        FieldUpdateRule::WriteAsZeroes,
        ["PCIU", "PCID", "B0EJ"].map(|name| FieldEntry::Named(four(name), 32)).to_vec(),
    )));
    let eject = Path::new("B0EJ");
    let devices = (1..Slot::COUNT as u32).flat_map(|slot| {
        let (address, bit) = (slot << 16, 1_u32 << slot);
        let (address, number) = (Name::new("_ADR".into(), &address), Name::new("_SUN".into(), &slot));
        let store = Store::new(&eject, &bit);
        let method = Method::new("_EJ0".into(), 1, true, vec![&store]);
        bytes_of(&Device::new(slot_name(slot).as_str().into(), vec![&address, &number, &method]))
    });
    body.extend(devices);
    // Notifies each slot of the bits in its first argument of its second.
    let told: Vec<u8> = (1..Slot::COUNT as u32)
        .flat_map(|slot| {
            let (bit, name) = (1_u32 << slot, Path::new(&slot_name(slot)));
            let notify = Notify::new(&name, &Arg(1));
            bytes_of(&If::new(&And::new(&acpi_tables::aml::ZERO, &Arg(0), &bit), vec![&notify]))
        })
        .collect();
    body.extend(bytes_of(&Method::new("TELL".into(), 2, true, vec![&Raw(told)])));
    body
}

/// What the handler of the event does.
pub(super) fn told() -> Vec<u8> {
    let (up, down) = (Path::new("\\_SB_.PCI0.PCIU"), Path::new("\\_SB_.PCI0.PCID"));
    let of = |slots: &Path, value: u8| {
        let (load, tell) = (
            bytes_of(&Store::new(&Local(0), slots)),
            bytes_of(&MethodCall::new("\\_SB_.PCI0.TELL".into(), vec![&Local(0), &value])),
        );
        [load, tell].concat()
    };
    [of(&up, DEVICE_CHECK), of(&down, EJECT_REQUEST)].concat()
}

fn slot_name(slot: u32) -> String {
    format!("S{slot:02X}_")
}
