//! The host's end: Unix sockets at a path, by the protocol that Firecracker documents.

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::{
    io,
    os::{
        fd::AsRawFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// A socket by which programs of the host reach ports of the guest, and the path before those by which the guest reaches them.
pub(super) struct Host {
    path: PathBuf,
    pub(super) listener: UnixListener,
}

impl Host {
    /// Binds the socket, which goes with this value.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self { path: path.to_owned(), listener })
    }

    /// Connects to who listens for a port of the host. A queue that is full refuses: nothing here waits.
    pub(super) fn connect(&self, port: u32) -> io::Result<UnixStream> {
        let mut path = self.path.clone().into_os_string();
        path.push(format!("_{port}"));
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let descriptor = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(descriptor.as_raw_fd(), &UnixAddr::new(Path::new(&path))?)?;
        Ok(UnixStream::from(descriptor))
    }

    /// The next program of the host that wants a port of the guest.
    pub(super) fn accept(&self) -> Option<UnixStream> {
        let (stream, _) = self.listener.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(stream)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // If somebody removed it before, there is nothing to do.
        let _ = std::fs::remove_file(&self.path);
    }
}
