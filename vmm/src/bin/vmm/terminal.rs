//! The serial port's input: standard input, as it is or as a terminal that passes every key on.

use crate::tell;
use anyhow::{Context as _, bail};
use std::{
    fs::File,
    io::{self, IsTerminal as _, Stdin},
    os::fd::{AsFd as _, OwnedFd},
    os::unix::fs::FileTypeExt as _,
};
use vmm_sys_util::terminal::Terminal as _;

/// What comes before a command of the person at the terminal: Ctrl-A.
const ESCAPE: u8 = 1;

/// What the serial port is connected to besides standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SerialChoice {
    /// Standard input, too.
    Stdio,
    /// Nothing: the guest only writes.
    Output,
}

/// A terminal whose keys all go to the guest; it is as before when this is dropped.
#[derive(Debug)]
pub(crate) struct RawTerminal(Stdin);

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // It worked before; there is nobody else to be told.
        let _ = self.0.lock().set_canon_mode();
    }
}

/// The input, and the terminal that it is if it is one.
pub(crate) struct SerialInput {
    pub(crate) descriptor: OwnedFd,
    pub(crate) escape: Option<u8>,
    /// Kept for what it does in the end.
    _terminal: Option<RawTerminal>,
}

/// Opens what was asked for: without a choice standard input if it is a terminal and standard output too.
///
/// # Errors
/// If standard input cannot be waited for, or its terminal not be changed.
pub(crate) fn open(choice: Option<SerialChoice>) -> anyhow::Result<Option<SerialInput>> {
    let stdin = io::stdin();
    let is_terminal = stdin.is_terminal();
    let by_default = if is_terminal && io::stdout().is_terminal() { SerialChoice::Stdio } else { SerialChoice::Output };
    if choice.unwrap_or(by_default) == SerialChoice::Output {
        return Ok(None);
    }
    let descriptor = stdin.as_fd().try_clone_to_owned().context("cannot use standard input for --serial stdio")?;
    if !is_terminal {
        let kind = File::from(descriptor.try_clone()?).metadata().context("cannot use standard input")?.file_type();
        if !kind.is_fifo() && !kind.is_socket() {
            bail!("--serial stdio reads a terminal, a pipe or a socket: type cat FILE | vmm run …");
        }
        return Ok(Some(SerialInput { descriptor, escape: None, _terminal: None }));
    }
    stdin.lock().set_raw_mode().context("failed to let the terminal pass every key on")?;
    let terminal = Some(RawTerminal(stdin));
    tell("vmm: the terminal is the guest's serial port: Ctrl-A x ends the run\r");
    Ok(Some(SerialInput { descriptor, escape: Some(ESCAPE), _terminal: terminal }))
}
