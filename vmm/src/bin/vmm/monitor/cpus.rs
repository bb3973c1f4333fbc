//! Processors that come, go and are looked at.

use super::{Answer, Commands, arguments::Arguments};
use qmp::{Error, Value, json};
use std::collections::BTreeMap;
use vmm::{SpareError, chain::chain};

/// What QEMU calls the type of a processor like the host's.
pub(super) const DRIVER: &str = "host-x86_64-cpu";

/// Where a vCPU stands: a socket each.
fn place(index: u8) -> Value {
    json!({ "socket-id": index, "core-id": 0, "thread-id": 0 })
}

fn generic(error: &SpareError) -> Error {
    match error {
        SpareError::None => Error::generic(format!("{error}: --cpus N,max=M has some")),
        error => Error::generic(chain(error)),
    }
}

/// All that are there now, by their paths.
fn paths(commands: &Commands) -> BTreeMap<u8, String> {
    let first = (0..commands.facts.nr_vcpus).map(|index| (index, format!("/machine/unattached/device[{index}]")));
    let later = commands.inventory.cpus().into_iter().map(|(index, id)| (index, format!("/machine/peripheral/{id}")));
    first.chain(later).collect()
}

/// `query-cpus-fast`.
pub(super) fn query(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    let threads: BTreeMap<u8, i32> = commands.running()?.vm.vcpu_threads().into_iter().collect();
    let cpu = |(index, path): (u8, String)| {
        // One that is about to start has no number yet.
        let thread = threads.get(&index).copied().unwrap_or(0);
        json!({
            "cpu-index": index, "qom-path": path, "thread-id": thread, "target": "x86_64", "props": place(index),
        })
    };
    Ok(paths(commands).into_iter().map(cpu).collect())
}

/// `query-cpu-definitions`: processors are like the host's, as KVM lets them be, and so only as good for migration as the hosts are
/// alike.
pub(super) fn definitions(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(json!([{
        "name": "host", "typename": DRIVER, "static": false, "migration-safe": false, "unavailable-features": [],
        "deprecated": false,
    }]))
}

/// `query-hotpluggable-cpus`: those without a path can come.
pub(super) fn query_hotpluggable(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    let paths = paths(commands);
    let cpu = |index: u8| {
        let mut cpu = json!({ "type": DRIVER, "vcpus-count": 1, "props": place(index) });
        if let Some(path) = paths.get(&index) {
            cpu["qom-path"] = path.as_str().into();
        }
        cpu
    };
    Ok((0..commands.facts.nr_vcpus_max).map(cpu).collect())
}

/// `device_add` of a processor.
pub(super) fn add(commands: &mut Commands, id: Option<String>, mut arguments: Arguments) -> Answer {
    let socket = arguments.needed_number("socket-id")?;
    for name in ["core-id", "thread-id"] {
        if arguments.number(name)?.is_some_and(|number| number != 0) {
            return Err(Error::generic(format!("argument '{name}' can only be 0: each processor has a socket")));
        }
    }
    arguments.end()?;
    let nr_max = commands.facts.nr_vcpus_max;
    let missing =
        || Error::generic(format!("there is no place for processor {socket}: the machine has {nr_max} at most"));
    let index = u8::try_from(socket).ok().filter(|index| *index < nr_max).ok_or_else(missing)?;
    let vm = commands.running()?.vm;
    let id = commands.inventory.name_for(id).map_err(Error::generic)?;
    if index < commands.facts.nr_vcpus {
        return Err(Error::generic(format!("processor {index} is there already")));
    }
    commands.inventory.add_cpu(&id, index).map_err(Error::generic)?;
    match vm.plug_vcpu(index) {
        Ok(()) => Ok(json!({})),
        Err(error) => {
            commands.inventory.forget_cpu(index);
            Err(generic(&error))
        }
    }
}

/// The processor that a name or a path is of.
pub(super) fn find(commands: &Commands, id: &str) -> Option<u8> {
    let is_it = |(_, path): &(u8, String)| path == id || path.strip_prefix("/machine/peripheral/") == Some(id);
    paths(commands).into_iter().find(is_it).map(|(index, _)| index)
}

/// `device_del` of a processor: the event comes when the guest has ejected it.
pub(super) fn remove(commands: &mut Commands, index: u8) -> Answer {
    let vm = commands.running()?.vm;
    if index >= commands.facts.nr_vcpus {
        commands.inventory.set_cpu_leaving(index);
    }
    vm.request_vcpu_removal(index).map(|()| json!({})).map_err(|error| generic(&error))
}
