//! Whether the VM runs.

use super::{Answer, Commands, arguments::Arguments};
use crate::{inventory::Ending, migration::Status};
use qmp::{Error, Value, json};

/// `query-status`.
pub(super) fn query(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    if commands.inventory.migrations().status().0 == Status::Completed {
        return Ok(json!({ "running": false, "status": "postmigrate" }));
    }
    Ok(match commands.inventory.running() {
        Some(running) if running.vm.is_paused() => json!({ "running": false, "status": "paused" }),
        Some(_) if commands.inventory.ending().is_none() => json!({ "running": true, "status": "running" }),
        Some(_) => json!({ "running": false, "status": "shutdown" }),
        None => json!({ "running": false, "status": "prelaunch" }),
    })
}

/// `stop`: when the answer comes, no vCPU is in the guest. Clocks go on, all of them: a guest that compares them finds no difference.
pub(super) fn stop(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    if commands.running()?.vm.pause() {
        commands.events.send("STOP", Value::Null);
    }
    Ok(json!({}))
}

/// `cont`.
pub(super) fn resume(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    if commands.running()?.vm.resume() {
        commands.events.send("RESUME", Value::Null);
    }
    Ok(json!({}))
}

/// `quit`; the event comes when the VM has ended.
pub(super) fn quit(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    commands.inventory.end(Ending::Quit);
    Ok(json!({}))
}

/// `system_reset`: the machine is made anew, with the devices that it has now. The event comes then.
pub(super) fn reset(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    commands.running()?;
    if commands.inventory.ending().is_none() {
        commands.inventory.end(Ending::Reset);
    }
    Ok(json!({}))
}

/// `system_powerdown`: presses the power button.
pub(super) fn power_down(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    commands.running()?.vm.press_power_button().map_err(|error| Error::generic(error.to_string()))?;
    commands.events.send("POWERDOWN", Value::Null);
    Ok(json!({}))
}
