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
    let of_scsi = |spec: &crate::devices::Spec| {
        matches!(spec.kind, Kind::Scsi(_)) && id.strip_prefix(&spec.id).is_some_and(|rest| rest.starts_with('-'))
    };
    if commands.inventory.specs().iter().any(of_scsi) {
        return Err(Error::generic(format!("'{id}' is at a SCSI host, whose disks keep their size")));
    }
    let disk = find(commands, &id, |handles| handles.disk.clone())?;
    let disk = disk.ok_or_else(|| Error::generic(format!("'{id}' is no disk")))?;
    disk.resize(size_bytes).map_err(|error| Error::generic(format!("'{id}': {:#}", anyhow::Error::new(error))))?;
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
