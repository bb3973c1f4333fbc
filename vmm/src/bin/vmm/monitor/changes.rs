//! Devices whose configuration changes while the guest runs, which their drivers are told.

use super::{Answer, Commands, arguments::Arguments};
use crate::devices::{Handles, Kind};
use qmp::{Error, ErrorClass, json};

/// What is in this program's hands of a device, if it is of the right kind.
fn find<T>(commands: &Commands, id: &str, look: impl FnOnce(&Handles) -> Option<T>) -> Result<Option<T>, Error> {
    let id = id.strip_prefix("/machine/peripheral/").unwrap_or(id);
    let missing = || Error::new(ErrorClass::DeviceNotFound, format!("there is no device '{id}'"));
    let spec = commands.inventory.find(id).ok_or_else(missing)?;
    commands.running()?;
    Ok(commands.inventory.with_handles_of(spec.slot, look))
}

/// `block_resize`: as query-block tells them, a disk and its node have the name of the device.
pub(super) fn resize_disk(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let names = (arguments.string("device")?, arguments.string("node-name")?);
    let size_bytes = arguments.needed_number("size")?;
    arguments.end()?;
    let id = match names {
        (Some(name), None) | (None, Some(name)) => name,
        (Some(device), Some(node)) if device == node => device,
        (Some(_), Some(_)) => return Err(Error::generic("'device' and 'node-name' name different disks")),
        (None, None) => return Err(Error::generic("'device' or 'node-name' has to name a disk")),
    };
    let no_disk = || Error::generic(format!("'{id}' is no disk"));
    let result = match scsi_host(commands, &id) {
        Some((host, target)) => {
            let bus = find(commands, &host, |handles| handles.bus.clone())?;
            bus.ok_or_else(no_disk)?.resize(target, size_bytes).map_err(anyhow::Error::new)
        }
        None => {
            let disk = find(commands, &id, |handles| handles.disk.clone())?;
            disk.ok_or_else(no_disk)?.resize(size_bytes).map_err(anyhow::Error::new)
        }
    };
    result.map_err(|error| Error::generic(format!("'{id}': {error:#}")))?;
    Ok(json!({}))
}

/// The SCSI host and the target of a disk there: their name is that of the host with the number of the target.
fn scsi_host(commands: &Commands, id: &str) -> Option<(String, u8)> {
    let (host, target) = id.rsplit_once('-')?;
    let spec = commands.inventory.find(host)?;
    matches!(spec.kind, Kind::Scsi(_)).then_some(())?;
    Some((spec.id, target.parse().ok()?))
}

/// `announce-self`: has the drivers of network devices tell the network where they are, once. What it is asked for beside that, such as
/// how often, is the drivers' own.
pub(super) fn announce(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    for name in ["initial", "max", "rounds", "step"] {
        arguments.needed_number(name)?;
    }
    let id = arguments.string("id")?;
    arguments.end()?;
    let networks = commands.inventory.specs().into_iter().filter(|spec| matches!(spec.kind, Kind::Network(..)));
    let ids: Vec<_> = match id {
        Some(id) => vec![id],
        None => networks.map(|spec| spec.id).collect(),
    };
    for id in ids {
        let announcement = find(commands, &id, |handles| handles.announcement.clone())?;
        announcement.ok_or_else(|| Error::generic(format!("'{id}' is no network device")))?.ask();
    }
    Ok(json!({}))
}

/// `set_link`: plugs the cable of a network device in, or pulls it out.
pub(super) fn set_link(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let name = arguments.needed_string("name")?;
    let is_up = arguments.needed_flag("up")?;
    arguments.end()?;
    let link = find(commands, &name, |handles| handles.link.clone())?;
    link.ok_or_else(|| Error::generic(format!("'{name}' is no network device")))?.set_up(is_up);
    Ok(json!({}))
}
