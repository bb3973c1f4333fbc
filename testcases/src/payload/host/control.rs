//! The control socket of the VMM, from a client's side.
//!
//! Source: QEMU, "QEMU Machine Protocol Specification".

use serde_json::{Value, json};
use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How the processor is called.
const PROCESSOR: &str = "second";

pub(super) struct Control(BufReader<UnixStream>);

impl Control {
    pub(super) fn connect(path: &str) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut control = Self(BufReader::new(stream));
        control.next()?;
        control.execute("qmp_capabilities", json!({}))?;
        Ok(control)
    }

    pub(super) fn add_processor(&mut self) -> io::Result<()> {
        let place =
            json!({ "driver": "host-x86_64-cpu", "id": PROCESSOR, "socket-id": 1, "core-id": 0, "thread-id": 0 });
        self.execute("device_add", place)
    }

    pub(super) fn remove_processor(&mut self) -> io::Result<()> {
        self.execute("device_del", json!({ "id": PROCESSOR }))
    }

    fn next(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Waits for the answer; events that come before are of no interest.
    fn execute(&mut self, command: &str, arguments: Value) -> io::Result<()> {
        let message = json!({ "execute": command, "arguments": arguments });
        writeln!(self.0.get_mut(), "{message}")?;
        loop {
            let answer = self.next()?;
            if answer.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = answer.get("error") {
                return Err(io::Error::other(format!("{command}: {error}")));
            }
        }
    }
}
