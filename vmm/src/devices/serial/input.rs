//! Where a serial port's input comes from: a descriptor that is read without waiting, whatever mode it is in.
//!
//! It is not made nonblocking: that is a property of what is open and not of the descriptor, and a shell would find its terminal so.

#![expect(unsafe_code, reason = "whether a descriptor can be read is found out by a system call")]
// UNSAFETY: `poll` of a descriptor that is ours.

use crate::stop::StopReason;
use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
};

/// The command behind the escape that ends the run.
const END: u8 = b'x';

/// The input.
pub(super) struct Input {
    file: File,
    escape: Option<u8>,
    /// Whether the last byte was the escape.
    is_escaped: bool,
    /// Whether there may be more than the UART had room for.
    waits: bool,
    has_ended: bool,
}

impl Input {
    pub(super) fn new(descriptor: OwnedFd, escape: Option<u8>) -> Self {
        Self { file: File::from(descriptor), escape, is_escaped: false, waits: false, has_ended: false }
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Whether there may be more than there was room for.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// What there is for the guest, at most so many bytes; nothing if there is nothing, or no room.
    pub(super) fn take(&mut self, room: usize) -> Result<Vec<u8>, StopReason> {
        let failed = |error: io::Error| StopReason::DeviceStopped(format!("reading the serial port's input: {error}"));
        self.waits = room == 0;
        while room != 0 && !self.has_ended && self.is_readable().map_err(failed)? {
            let mut bytes = vec![0; room];
            match self.file.read(&mut bytes) {
                Ok(0) => self.has_ended = true,
                Ok(size) => {
                    bytes.truncate(size);
                    let bytes = self.without_commands(&bytes)?;
                    // Of commands alone nothing is left, and there may be more.
                    if !bytes.is_empty() {
                        return Ok(bytes);
                    }
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                // What Linux says of a terminal whose other end is gone.
                Err(error) if error.raw_os_error() == Some(libc::EIO) => self.has_ended = true,
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(Vec::new())
    }

    fn without_commands(&mut self, bytes: &[u8]) -> Result<Vec<u8>, StopReason> {
        let Some(escape) = self.escape else { return Ok(bytes.to_vec()) };
        let mut rest = Vec::new();
        for &byte in bytes {
            match (std::mem::take(&mut self.is_escaped), byte) {
                (true, END) => return Err(StopReason::Requested),
                (true, byte) if byte == escape => rest.push(byte),
                // There are no other commands.
                (true, _) => {}
                (false, byte) if byte == escape => self.is_escaped = true,
                (false, byte) => rest.push(byte),
            }
        }
        Ok(rest)
    }

    /// Whether a read comes back at once.
    fn is_readable(&self) -> io::Result<bool> {
        let mut polled = libc::pollfd { fd: self.file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one structure that lives across the call.
        match unsafe { libc::poll(&raw mut polled, 1, 0) } {
            nr if nr >= 0 => Ok(nr > 0),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
                error => Err(error),
            },
        }
    }
}
