//! What clients ask when they connect, and what a machine of this program has little or nothing of.

use super::{Answer, Commands, arguments::Arguments};
use qmp::json;
use vmm::layout::NR_VCPUS_MAX;

/// A list of what there is none of.
pub(super) fn none(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(json!([]))
}

/// `query-target`.
pub(super) fn target(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(json!({ "arch": "x86_64" }))
}

/// `query-uuid`: it has none, which QEMU tells so.
pub(super) fn uuid(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(json!({ "UUID": "00000000-0000-0000-0000-000000000000" }))
}

/// `query-chardev`: the serial port, and this connection.
pub(super) fn chardev(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(json!([
        { "label": "serial0", "filename": "stdio", "frontend-open": true },
        { "label": "qmp", "filename": "unix", "frontend-open": true },
    ]))
}

/// `query-current-machine`.
pub(super) fn current_machine(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    Ok(json!({ "wakeup-suspend-support": false }))
}

/// `query-machines`: the values of --machine.
pub(super) fn machines(_: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    let machine = |name: &str, is_pc: bool| {
        json!({
            "name": name, "is-default": is_pc, "cpu-max": NR_VCPUS_MAX, "hotpluggable-cpus": is_pc,
            "numa-mem-supported": false, "deprecated": false, "acpi": is_pc,
        })
    };
    Ok(json!([machine("pc", true), machine("bare", false)]))
}
