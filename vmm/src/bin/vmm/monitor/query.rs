//! What the machine is.

use super::{Answer, COMMANDS, Commands, arguments::Arguments};
use crate::{
    choices::DiskChoice,
    devices::{Kind, Spec},
};
use pci::Slot;
use qmp::{Value, json};
use std::collections::BTreeMap;
use virtio::disk::Format;

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
pub(super) fn commands(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    let names = COMMANDS.iter().map(|(name, _)| *name).chain(["qmp_capabilities"]);
    Ok(names.map(|name| json!({ "name": name })).collect())
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

/// Where a vCPU stands: a socket each.
fn place(index: u8) -> Value {
    json!({ "socket-id": index, "core-id": 0, "thread-id": 0 })
}

fn path(index: u8) -> String {
    format!("/machine/unattached/device[{index}]")
}

/// `query-cpus-fast`.
pub(super) fn cpus(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    let threads: BTreeMap<u8, i32> = commands.running()?.vm.vcpu_threads().into_iter().collect();
    let cpu = |index: u8| {
        // One that is about to start has no number yet.
        let thread = threads.get(&index).copied().unwrap_or(0);
        json!({
            "cpu-index": index, "qom-path": path(index), "thread-id": thread, "target": "x86_64", "props": place(index),
        })
    };
    Ok((0..commands.facts.nr_vcpus).map(cpu).collect())
}

/// `query-hotpluggable-cpus`: those that there are; none can come.
pub(super) fn hotpluggable_cpus(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    let cpu =
        |index| json!({ "type": "host-x86_64-cpu", "vcpus-count": 1, "props": place(index), "qom-path": path(index) });
    Ok((0..commands.facts.nr_vcpus).map(cpu).collect())
}

fn disk(device: &str, disk: &DiskChoice) -> Value {
    let format = match disk.options.format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
        Format::Auto => "auto",
    };
    let file = disk.path.display().to_string();
    json!({
        "device": device, "locked": false, "removable": false, "type": "unknown",
        "inserted": {
            "file": file, "drv": format, "ro": disk.options.read_only, "node-name": device, "encrypted": false,
            "image": { "filename": file, "format": format },
        },
    })
}

/// `query-block`.
pub(super) fn block(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    let of = |Spec { id, kind, .. }: Spec| match kind {
        Kind::Disk(choice) => vec![disk(&id, &choice)],
        Kind::Scsi(disks) => {
            disks.iter().enumerate().map(|(target, choice)| disk(&format!("{id}-{target}"), choice)).collect()
        }
        _ => Vec::new(),
    };
    Ok(commands.inventory.specs().into_iter().flat_map(of).collect())
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
            "irq": interrupt & 0xff, "irq_pin": interrupt >> 8 & 0xff, "regions": [],
        }))
    };
    let devices: Vec<Value> = (0..).map_while(Slot::new).filter_map(function).collect();
    Ok(json!([{ "bus": 0, "devices": devices }]))
}
