//! What is asked of another `vmm` by its control socket: `vmm save` and `vmm migrate`.

use crate::{choices::MigrationUri, tell};
use qmp::{Client, json};
use std::{path::Path, thread, time::Duration};

/// How often it is asked how far the VM has gone.
const PERIOD: Duration = Duration::from_millis(50);

/// Moves the VM behind a control socket, and ends that `vmm` once it is elsewhere.
pub(crate) fn migrate(socket: &Path, uri: &MigrationUri) -> anyhow::Result<u8> {
    let mut client = Client::connect(socket)?;
    client.execute("migrate", json!({ "uri": uri.to_string() }))?;
    loop {
        let answer = client.execute("query-migrate", json!({}))?;
        match answer["status"].as_str() {
            Some("completed") => break,
            Some("failed") => {
                let why = answer["error-desc"].as_str().unwrap_or("nobody knows why");
                tell(&format!("vmm: the VM goes on where it is: {why}"));
                return Ok(1);
            }
            _ => thread::sleep(PERIOD),
        }
    }
    client.execute("quit", json!({}))?;
    Ok(0)
}
