//! The other end: a program that asks.

use serde_json::{Value, json};
use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a VM cannot be asked, or what it answers instead.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("failed to reach the control socket {} (run --qmp)", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket takes no time limit.
    #[error("cannot use the control socket")]
    Limit(#[source] io::Error),
    /// Who listens there greets otherwise.
    #[error("{} is no control socket: it does not greet as QMP does", socket.display())]
    Greeting {
        /// The socket.
        socket: PathBuf,
    },
    /// The answer did not come, or not in time.
    #[error("nothing came from the control socket")]
    Read(#[source] io::Error),
    /// The VM has ended.
    #[error("the control socket was closed")]
    Closed,
    /// The answer is not JSON.
    #[error("what came from the control socket is no JSON")]
    NoJson(#[source] serde_json::Error),
    /// The command cannot be sent.
    #[error("failed to send {command}")]
    Send {
        /// The command.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// The command failed.
    #[error("{command}: {description}")]
    Refused {
        /// The command.
        command: String,
        /// What the VM says of it.
        description: String,
    },
}

/// A connection to a control socket, which is ready for commands.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects and negotiates. Each answer may take a minute.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect(socket: &Path) -> Result<Self, ClientError> {
        let stream =
            UnixStream::connect(socket).map_err(|source| ClientError::Connect { socket: socket.to_owned(), source })?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(ClientError::Limit)?;
        let mut client = Self { stream: BufReader::new(stream) };
        if !client.next()?["QMP"].is_object() {
            return Err(ClientError::Greeting { socket: socket.to_owned() });
        }
        client.execute("qmp_capabilities", json!({}))?;
        Ok(client)
    }

    fn next(&mut self) -> Result<Value, ClientError> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).map_err(ClientError::Read)? {
            0 => Err(ClientError::Closed),
            _ => line.parse().map_err(ClientError::NoJson),
        }
    }

    /// What a command returns; events that come before it are left out.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, ClientError> {
        let message = json!({ "execute": command, "arguments": arguments });
        let failed = |source| ClientError::Send { command: command.to_owned(), source };
        self.stream.get_mut().write_all(format!("{message}\n").as_bytes()).map_err(failed)?;
        loop {
            let answer = self.next()?;
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            if let Some(error) = answer.get("error") {
                let description = error["desc"].as_str().unwrap_or("an error").to_owned();
                return Err(ClientError::Refused { command: command.to_owned(), description });
            }
            // Anything else is an event.
        }
    }
}
