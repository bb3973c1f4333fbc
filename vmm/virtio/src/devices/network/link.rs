//! What a network device is plugged into.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixDatagram,
    },
};
use vm_state::{DeviceStateError, value};

/// A link that carries Ethernet frames, without a checksum at their end. It never blocks.
pub trait Link: Send {
    /// Reads a frame, as far as it has room, and gives its size in bytes.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if there is none now, and others if there will be none.
    fn read_frame(&mut self, frame: &mut [u8]) -> io::Result<usize>;

    /// Writes a frame.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if there is no room now, and others if the frame is lost.
    fn write_frame(&mut self, frame: &[u8]) -> io::Result<()>;

    /// Descriptors by which it tells that it has frames or room. Without any, frames come only as answers to frames.
    fn descriptors(&self) -> Vec<RawFd>;

    /// What is kept of it in a saved VM, beside frames.
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes it, as it was made, to what [`Self::save`] gave.
    ///
    /// # Errors
    /// If that is not the state of such a link.
    fn restore(&mut self, state: &[u8]) -> Result<(), DeviceStateError> {
        value::nothing(state)
    }
}

/// A descriptor of which a read or a write is a frame: a tap without header of packets, or a socket that keeps messages apart.
pub struct FrameFile(File);

impl FrameFile {
    /// `file` must be non-blocking. A tap must be made with IFF_TAP and IFF_NO_PI, and without IFF_VNET_HDR.
    pub fn new(file: File) -> Self {
        Self(file)
    }
}

impl Link for FrameFile {
    fn read_frame(&mut self, frame: &mut [u8]) -> io::Result<usize> {
        self.0.read(frame)
    }

    fn write_frame(&mut self, frame: &[u8]) -> io::Result<()> {
        match self.0.write(frame)? {
            size if size == frame.len() => Ok(()),
            _ => Err(ErrorKind::WriteZero.into()),
        }
    }

    fn descriptors(&self) -> Vec<RawFd> {
        vec![self.0.as_raw_fd()]
    }
}

/// A socket to another process, or to another device.
pub struct FrameSocket(UnixDatagram);

impl FrameSocket {
    /// `socket` must be connected.
    ///
    /// # Errors
    /// If it cannot be made non-blocking.
    pub fn new(socket: UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    /// If there are no more descriptors.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixDatagram::pair()?;
        Ok((Self::new(one)?, Self::new(other)?))
    }
}

impl Link for FrameSocket {
    fn read_frame(&mut self, frame: &mut [u8]) -> io::Result<usize> {
        self.0.recv(frame)
    }

    fn write_frame(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.send(frame).map(|_| ())
    }

    fn descriptors(&self) -> Vec<RawFd> {
        vec![self.0.as_raw_fd()]
    }
}
