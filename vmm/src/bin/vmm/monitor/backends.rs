//! What devices that are added later stand on: disks and networks, by name.

use super::{Answer, Commands, arguments::Arguments};
use crate::choices::{DiskBus, DiskChoice, NetworkChoice};
use qmp::{Error, json};
use std::collections::BTreeMap;
use virtio::disk::{self, DiskOptions, Format};

/// Names that are kept at most.
const NR_NAMES_MAX: usize = 256;

/// Those that were added and are not taken by a device. Nothing of them is open.
#[derive(Default)]
pub(super) struct Backends {
    disks: BTreeMap<String, DiskChoice>,
    networks: BTreeMap<String, NetworkChoice>,
}

impl Backends {
    pub(super) fn disk(&self, name: &str) -> Result<DiskChoice, Error> {
        let missing = || Error::generic(format!("there is no disk '{name}': blockdev-add makes one"));
        self.disks.get(name).cloned().ok_or_else(missing)
    }

    pub(super) fn network(&self, name: &str) -> Result<NetworkChoice, Error> {
        let missing = || Error::generic(format!("there is no network '{name}': netdev_add makes one"));
        self.networks.get(name).cloned().ok_or_else(missing)
    }
}

fn insert<T>(map: &mut BTreeMap<String, T>, name: String, value: T) -> Answer {
    if map.contains_key(&name) {
        return Err(Error::generic(format!("there is '{name}' already")));
    }
    if map.len() == NR_NAMES_MAX {
        return Err(Error::generic(format!("there are {NR_NAMES_MAX} already")));
    }
    map.insert(name, value);
    Ok(json!({}))
}

fn remove<T>(map: &mut BTreeMap<String, T>, name: &str) -> Answer {
    match map.remove(name) {
        Some(_) => Ok(json!({})),
        None => Err(Error::generic(format!("there is no '{name}'"))),
    }
}

/// `blockdev-add`: a format over a file. That it can be opened is seen at once; it is opened for good with its device.
pub(super) fn add_disk(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let format = match arguments.needed_string("driver")?.as_str() {
        "raw" => Format::Raw,
        "qcow2" => Format::Qcow2,
        other => return Err(Error::generic(format!("there is no format '{other}': raw or qcow2"))),
    };
    let name = arguments.needed_string("node-name")?;
    let read_only = arguments.flag("read-only")?;
    let mut file = arguments.needed_object("file")?;
    match file.string("driver")?.as_deref() {
        None | Some("file" | "host_device") => {}
        Some(other) => return Err(Error::generic(format!("there is no protocol '{other}': file or host_device"))),
    }
    let path = file.needed_string("filename")?;
    file.end()?;
    arguments.end()?;
    let options = DiskOptions { format, read_only, ..DiskOptions::default() };
    disk::open(path.as_ref(), options).map_err(|error| Error::generic(format!("{:#}", anyhow::Error::new(error))))?;
    insert(&mut commands.backends.disks, name, DiskChoice { path: path.into(), options, bus: DiskBus::Virtio })
}

/// `blockdev-del`.
pub(super) fn remove_disk(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let name = arguments.needed_string("node-name")?;
    arguments.end()?;
    remove(&mut commands.backends.disks, &name)
}

/// `netdev_add`.
pub(super) fn add_network(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let name = arguments.needed_string("id")?;
    let network = match arguments.needed_string("type")?.as_str() {
        "user" => NetworkChoice::User,
        "tap" => NetworkChoice::Tap(arguments.needed_string("ifname")?),
        other => return Err(Error::generic(format!("there is no network of type '{other}': user or tap"))),
    };
    // Scripts that set a tap up are not run.
    for script in ["script", "downscript"] {
        if arguments.string(script)?.is_some_and(|script| script != "no") {
            return Err(Error::generic(format!("'{script}' can only be \"no\"")));
        }
    }
    arguments.end()?;
    insert(&mut commands.backends.networks, name, network)
}

/// `netdev_del`.
pub(super) fn remove_network(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let name = arguments.needed_string("id")?;
    arguments.end()?;
    remove(&mut commands.backends.networks, &name)
}
