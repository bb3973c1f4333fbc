//! What is asked of another `vmm` by its control socket: `vmm save` and `vmm migrate`.

use crate::{choices::MigrationUri, tell};
use anyhow::{Context, bail};
use qmp::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::Duration,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked how far the VM has gone.
const PERIOD: Duration = Duration::from_millis(50);

/// A connection to a control socket.
struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    fn connect(socket: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("failed to reach the control socket {} (run --qmp)", socket.display()))?;
        stream.set_read_timeout(Some(PATIENCE)).context("cannot use the control socket")?;
        let mut client = Self { stream: BufReader::new(stream) };
        if !client.next()?["QMP"].is_object() {
            bail!("{} is no control socket: it does not greet as QMP does", socket.display());
        }
        client.execute("qmp_capabilities", json!({}))?;
        Ok(client)
    }

    fn next(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).context("nothing came from the control socket")?;
        if length == 0 {
            bail!("the control socket was closed");
        }
        line.parse().context("what came from the control socket is no JSON")
    }

    fn execute(&mut self, command: &str, arguments: Value) -> anyhow::Result<Value> {
        let message = json!({ "execute": command, "arguments": arguments });
        let failed = || format!("failed to send {command}");
        self.stream.get_mut().write_all(format!("{message}\n").as_bytes()).with_context(failed)?;
        loop {
            let answer = self.next()?;
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            if let Some(error) = answer.get("error") {
                bail!("{command}: {}", error["desc"].as_str().unwrap_or("an error"));
            }
            // Anything else is an event.
        }
    }
}

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
