//! What stands at the other end of a port.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::{UnixListener, UnixStream},
    },
};

/// A stream of bytes to the host, in both directions or one. Nothing of it blocks.
pub struct Channel(Kind);

enum Kind {
    /// Connected as long as it exists.
    Fixed { input: Option<Box<dyn Read + Send>>, output: Option<Box<dyn Write + Send>>, descriptors: Vec<RawFd> },
    /// A socket for one peer after the other.
    Listener { listener: UnixListener, peer: Option<UnixStream> },
}

/// What became of bytes for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// So many were taken.
    Taken(usize),
    /// None can be taken now.
    Full,
}

impl Channel {
    /// What is read from `input` goes to the guest, and what comes from it to `output`: both must be non-blocking.
    pub fn new(input: impl Read + AsRawFd + Send + 'static, output: impl Write + AsRawFd + Send + 'static) -> Self {
        let descriptors = vec![input.as_raw_fd(), output.as_raw_fd()];
        Self(Kind::Fixed { input: Some(Box::new(input)), output: Some(Box::new(output)), descriptors })
    }

    /// Nothing goes to the guest, and what comes from it to `output`, which always has room.
    pub fn output(output: impl Write + Send + 'static) -> Self {
        Self(Kind::Fixed { input: None, output: Some(Box::new(output)), descriptors: Vec::new() })
    }

    /// Whoever holds the other end of a socket.
    ///
    /// # Errors
    /// If it cannot be made non-blocking or duplicated.
    pub fn stream(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self::new(stream.try_clone()?, stream))
    }

    /// Whoever connects to a socket, one after the other: the guest is told when the host's end is open.
    ///
    /// # Errors
    /// If it cannot be made non-blocking.
    pub fn listen(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(Kind::Listener { listener, peer: None }))
    }

    /// Descriptors that can become ready.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        match &self.0 {
            Kind::Fixed { descriptors, .. } => descriptors.clone(),
            Kind::Listener { listener, .. } => vec![listener.as_raw_fd()],
        }
    }

    /// Whether somebody is there.
    pub(super) fn is_connected(&self) -> bool {
        match &self.0 {
            Kind::Fixed { input, output, .. } => input.is_some() || output.is_some(),
            Kind::Listener { peer, .. } => peer.is_some(),
        }
    }

    /// Takes the next peer if there is none; gives its descriptor. Others wait in the socket's own, bounded queue.
    pub(super) fn accept(&mut self) -> Option<RawFd> {
        let Kind::Listener { listener, peer: peer @ None } = &mut self.0 else { return None };
        let (stream, _) = listener.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        let descriptor = stream.as_raw_fd();
        *peer = Some(stream);
        Some(descriptor)
    }

    /// Reads; none if there is nothing now, or no more. An input that ended, or failed, is closed.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let result = match &mut self.0 {
            Kind::Fixed { input, .. } => input.as_mut()?.read(bytes),
            Kind::Listener { peer, .. } => peer.as_mut()?.read(bytes),
        };
        match result {
            Ok(size @ 1..) => Some(size),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            Ok(0) | Err(_) => {
                match &mut self.0 {
                    Kind::Fixed { input, .. } => *input = None,
                    Kind::Listener { peer, .. } => *peer = None,
                }
                None
            }
        }
    }

    /// Writes. What nobody takes is lost, as on a line without a plug: a guest must not hang because its reader left.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Output {
        let result = match &mut self.0 {
            Kind::Fixed { output: Some(output), .. } => output.write(bytes),
            Kind::Listener { peer: Some(peer), .. } => peer.write(bytes),
            _ => return Output::Taken(bytes.len()),
        };
        match result {
            Ok(size @ 1..) => Output::Taken(size),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => Output::Full,
            Err(error) if error.kind() == ErrorKind::Interrupted => Output::Taken(0),
            Ok(0) | Err(_) => {
                match &mut self.0 {
                    Kind::Fixed { output, .. } => *output = None,
                    Kind::Listener { peer, .. } => *peer = None,
                }
                Output::Taken(bytes.len())
            }
        }
    }

    /// Lets out what an output holds back.
    pub(super) fn flush(&mut self) {
        if let Kind::Fixed { output: Some(output), .. } = &mut self.0 {
            // What fails now fails the next time it is written to.
            let _ = output.flush();
        }
    }
}
