//! Devices that come, go and are looked at.

use super::{Answer, Commands, arguments::Arguments, cpus};
use crate::{
    choices::SocketChoice,
    devices::{self, Kind},
    whole_file::write_whole,
};
use pci::Slot;
use qmp::{Error, ErrorClass, json};
use virtio::devices::{BalloonControl, PAGE_BYTES};
use vmm::devices::{HotPlugError, PciSlots};

fn generic(error: &HotPlugError) -> Error {
    Error::generic(error.to_string())
}

fn slots(commands: &Commands) -> Result<PciSlots, Error> {
    let none = || Error::generic("the machine has no bus with hot plug: --machine pc has one");
    commands.running()?.slots.ok_or_else(none)
}

/// `device_add`.
pub(super) fn add(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let driver = arguments.needed_string("driver")?;
    let id = arguments.string("id")?;
    if driver == cpus::DRIVER {
        return cpus::add(commands, id, arguments);
    }
    match arguments.string("bus")?.as_deref() {
        None | Some("pci.0" | "pcie.0") => {}
        Some(other) => return Err(Error::generic(format!("there is no bus '{other}': pci.0 is the only one"))),
    }
    let slot = arguments.string("addr")?.map(|address| slot_of(&address)).transpose()?;
    let kind = kind(commands, &driver, &mut arguments)?;
    arguments.end()?;
    let slots = slots(commands)?;
    let id = commands.inventory.name_for(id).map_err(Error::generic)?;
    let spec = commands.inventory.add(&id, slot, kind).map_err(Error::generic)?;
    let memory = commands.running()?.memory;
    let plugged = devices::make(&spec, &memory).map_err(|error| Error::generic(format!("{error:#}")));
    let plugged = plugged.and_then(|(device, handles)| {
        commands.inventory.keep(spec.slot, handles);
        slots.plug(spec.slot, device).map_err(|error| generic(&error))
    });
    if let Err(error) = plugged {
        commands.inventory.forget(spec.slot);
        return Err(error);
    }
    Ok(json!({}))
}

/// What a driver's name and its own arguments ask for.
fn kind(commands: &Commands, driver: &str, arguments: &mut Arguments) -> Result<Kind, Error> {
    Ok(match driver {
        "virtio-blk-pci" => Kind::Disk(commands.backends.disk(&arguments.needed_string("drive")?)?),
        "virtio-net-pci" => {
            let network = commands.backends.network(&arguments.needed_string("netdev")?)?;
            let nr_networks =
                commands.inventory.specs().iter().filter(|spec| matches!(spec.kind, Kind::Network(..))).count();
            let mac = match arguments.string("mac")? {
                Some(text) => address(&text)?,
                None => devices::address_of(nr_networks as u8),
            };
            Kind::Network(network, mac)
        }
        "virtio-rng-pci" => Kind::Random,
        "virtio-balloon-pci" => Kind::Balloon,
        "virtio-gpu-pci" => Kind::Screen,
        "vhost-vsock-pci" => {
            let cid = arguments.needed_number("guest-cid")?;
            Kind::Socket(SocketChoice { cid, path: arguments.needed_string("path")?.into() })
        }
        other => {
            return Err(Error::generic(format!(
                "there is no driver '{other}': virtio-blk-pci, -net-pci, -rng-pci, -balloon-pci, -gpu-pci, vhost-vsock-pci or host-x86_64-cpu"
            )));
        }
    })
}

/// The slot of `SLOT[.FUNCTION]` in hexadecimal digits.
fn slot_of(address: &str) -> Result<Slot, Error> {
    let wrong = || Error::generic(format!("'{address}' is no address on the bus: 1 to 1f, and .0 behind it"));
    let slot = address.strip_suffix(".0").unwrap_or(address);
    let slot = slot.strip_prefix("0x").unwrap_or(slot);
    let slot = u8::from_str_radix(slot, 16).ok().and_then(Slot::new);
    slot.filter(|slot| slot.device() != 0).ok_or_else(wrong)
}

/// An Ethernet address of one station.
fn address(text: &str) -> Result<[u8; 6], Error> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    let bytes = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok()).filter(|bytes| bytes[0] & 1 == 0);
    bytes.ok_or_else(|| Error::generic(format!("'{text}' is no address of a network device: 52:54:00:12:34:56")))
}

/// `device_del`: the event comes when the guest has ejected it.
pub(super) fn remove(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let id = arguments.needed_string("id")?;
    arguments.end()?;
    if let Some(index) = cpus::find(commands, &id) {
        return cpus::remove(commands, index);
    }
    let id = id.strip_prefix("/machine/peripheral/").unwrap_or(&id);
    let missing = || Error::new(ErrorClass::DeviceNotFound, format!("there is no device '{id}'"));
    let spec = commands.inventory.find(id).ok_or_else(missing)?;
    let slots = slots(commands)?;
    commands.inventory.set_leaving(spec.slot);
    match slots.request_removal(spec.slot) {
        Ok(()) => Ok(json!({})),
        Err(error) => Err(generic(&error)),
    }
}

fn find_balloon(commands: &Commands) -> Result<BalloonControl, Error> {
    let balloon = commands.inventory.with_handles(|handles| handles.balloon.clone());
    balloon.ok_or_else(|| Error::new(ErrorClass::DeviceNotActive, "there is no balloon: --balloon adds one"))
}

/// `balloon`: how much memory the guest is to keep.
pub(super) fn balloon(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let value = arguments.needed_number("value")?;
    arguments.end()?;
    let balloon = find_balloon(commands)?;
    let size = commands.facts.memory_bytes;
    if value == 0 || value > size {
        return Err(Error::generic(format!("argument 'value' must be from 1 to {size}, the size of memory in bytes")));
    }
    // Memory has less than 2^32 pages.
    balloon.set_target(((size - value) / PAGE_BYTES) as u32);
    Ok(json!({}))
}

/// `query-balloon`.
pub(super) fn query_balloon(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    let given = u64::from(find_balloon(commands)?.actual()) * PAGE_BYTES;
    Ok(json!({ "actual": commands.facts.memory_bytes.saturating_sub(given) }))
}

/// `screendump`: writes what is shown as a portable pixmap.
pub(super) fn screendump(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let path = arguments.needed_string("filename")?;
    match arguments.string("format")?.as_deref() {
        None | Some("ppm") => {}
        Some(other) => return Err(Error::generic(format!("there is no format '{other}': ppm is the only one"))),
    }
    arguments.end()?;
    let screen = commands.inventory.with_handles(|handles| handles.screen.clone());
    let screen = screen.ok_or_else(|| Error::generic("there is no screen: --gpu adds one"))?;
    if screen.size() == (0, 0) {
        return Err(Error::generic("nothing is shown"));
    }
    let written = write_whole(path.as_ref(), |file| screen.write_ppm(file));
    written.map_err(|error| Error::generic(format!("cannot write {path}: {error}")))?;
    Ok(json!({}))
}
