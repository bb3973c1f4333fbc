//! Moving the VM elsewhere.

use super::{Answer, Commands, arguments::Arguments};
use crate::migration::Status;
use qmp::{Error, json};

/// `migrate`: begins; `query-migrate` tells how it goes on.
pub(super) fn migrate(commands: &mut Commands, mut arguments: Arguments) -> Answer {
    let uri = arguments.needed_string("uri")?.parse().map_err(Error::generic)?;
    arguments.end()?;
    commands.running()?;
    match commands.inventory.migrations().ask(uri) {
        true => Ok(json!({})),
        false => Err(Error::generic("there is a migration already, under way or completed")),
    }
}

/// `query-migrate`.
pub(super) fn query(commands: &mut Commands, arguments: Arguments) -> Answer {
    arguments.end()?;
    let (status, nr_bytes) = commands.inventory.migrations().status();
    let ram = json!({ "transferred": nr_bytes, "total": commands.facts.memory_bytes });
    Ok(match status {
        Status::None => json!({}),
        Status::Active => json!({ "status": "active", "ram": ram }),
        Status::Completed => json!({ "status": "completed", "ram": ram }),
        Status::Failed(why) => json!({ "status": "failed", "error-desc": why }),
    })
}
