//! What the machine is.

use super::{Answer, Commands, arguments::Arguments, commands};
use crate::{
    choices::DiskChoice,
    devices::{Kind, Spec},
};
use pci::{Bar, BarKind, Slot};
use qmp::{Value, json};
use virtio::disk::Format;
use vmm::devices::PciSlots;

/// Offsets in configuration space (PCI Local Bus Specification § 6.1).
mod offset {
    pub(super) const IDENTITY: u8 = 0;
    pub(super) const CLASS: u8 = 8;
    pub(super) const SUBSYSTEM: u8 = 0x2c;
    pub(super) const INTERRUPT: u8 = 0x3c;
}

/// `query-version`.
pub(super) fn version(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(super::version().to_json())
}

/// `query-commands`.
pub(super) fn command_names(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(commands::names())
}

/// `query-kvm`.
pub(super) fn kvm(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(json!({ "enabled": true, "present": true }))
}

/// `query-name`: it has none.
pub(super) fn name(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(json!({}))
}

/// `query-memory-size-summary`.
pub(super) fn memory(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(json!({ "base-memory": commands.facts.memory_bytes, "plugged-memory": 0 }))
}

/// A disk that is there: its image, under the name of its device.
fn node(device: &str, disk: &DiskChoice) -> Value {
    let format = match disk.options.format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
        Format::Auto => "auto",
    };
    let file = disk.path.display().to_string();
    json!({
        "file": file, "drv": format, "ro": disk.options.read_only, "node-name": device, "encrypted": false,
        "image": { "filename": file, "format": format },
    })
}

/// What there is of each disk, by its device.
fn disks(commands: &Commands, tell: fn(&str, &DiskChoice) -> Value) -> Value {
    let of = |Spec { id, kind, .. }: Spec| match kind {
        Kind::Disk(choice) => vec![tell(&id, &choice)],
        Kind::Scsi(disks) => {
            disks.iter().enumerate().map(|(target, choice)| tell(&format!("{id}-{target}"), choice)).collect()
        }
        _ => Vec::new(),
    };
    commands.inventory.specs().into_iter().flat_map(of).collect()
}

/// `query-named-block-nodes`.
pub(super) fn block_nodes(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(disks(commands, node))
}

/// `query-block`.
pub(super) fn block(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(disks(commands, |device, disk| {
        json!({
            "device": device, "locked": false, "removable": false, "type": "unknown", "inserted": node(device, disk),
        })
    }))
}

/// What stands behind a function's base address registers. QEMU tells -1 where nothing is mapped.
fn regions(slots: &PciSlots, slot: Slot) -> Value {
    let region = |(index, bar, address): (usize, Bar, Option<u64>)| {
        let address = address.map_or(json!(-1), |address| json!(address));
        match bar.kind {
            BarKind::Io => json!({ "bar": index, "type": "io", "address": address, "size": bar.size_bytes }),
            kind => json!({
                "bar": index, "type": "memory", "address": address, "size": bar.size_bytes,
                "prefetch": bar.prefetchable, "mem_type_64": kind == BarKind::Memory64,
            }),
        }
    };
    slots.regions(slot).into_iter().map(region).collect()
}

/// `query-pci`: as the guest finds the functions.
pub(super) fn pci(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    let Some(slots) = commands.running()?.slots else { return Ok(json!([])) };
    let specs = commands.inventory.specs();
    let function = |slot: Slot| {
        let read = |offset| slots.config(slot, offset);
        let identity = read(offset::IDENTITY);
        if identity == u32::MAX {
            return None;
        }
        let (subsystem, interrupt) = (read(offset::SUBSYSTEM), read(offset::INTERRUPT));
        let id = specs.iter().find(|spec| spec.slot == slot).map_or("", |spec| &spec.id);
        Some(json!({
            "bus": 0, "slot": slot.device(), "function": 0, "qdev_id": id,
            "class_info": { "class": read(offset::CLASS) >> 16 },
            "id": {
                "vendor": identity & 0xffff, "device": identity >> 16,
                "subsystem-vendor": subsystem & 0xffff, "subsystem": subsystem >> 16,
            },
            "irq": interrupt & 0xff, "irq_pin": interrupt >> 8 & 0xff, "regions": regions(&slots, slot),
        }))
    };
    let devices: Vec<Value> = (0..).map_while(Slot::new).filter_map(function).collect();
    Ok(json!([{ "bus": 0, "devices": devices }]))
}
