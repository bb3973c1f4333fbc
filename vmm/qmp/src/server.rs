//! The socket: one client at a time, others wait for their turn.

use crate::{
    events::Events,
    session::{Handler, Session, Version},
};
use nix::sys::{
    socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr},
    stat::{Mode, fchmod},
};
use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

/// How long a client may keep its socket full before it is let go.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 4096;
/// Only its owner may use the socket.
const MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Another program listens there.
    #[error("another program listens at {}", .path.display())]
    Busy {
        /// The path.
        path: PathBuf,
    },
    /// A program that is gone left it there.
    #[error("{} is left over from a program that is gone: remove it", .path.display())]
    Stale {
        /// The path.
        path: PathBuf,
    },
    /// There is something else.
    #[error("{} exists and is no socket", .path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// Another failure.
    #[error("cannot listen at {}", .path.display())]
    Listen {
        /// The path.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
}

/// A socket that listens; its file is removed with this value.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    events: Events,
    file: SocketFile,
}

/// The name of a socket, and which file it was when it was made.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another program may have put its own there.
        if self.identity.is_some() && self.identity == identity(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Server {
    /// Listens at `path`, for the owner alone.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn bind(path: &Path) -> Result<Self, ServerError> {
        let failed = |source: io::Error| ServerError::Listen { path: path.to_owned(), source };
        let events = Events::new().map_err(failed)?;
        let listener = listen(path).map_err(|errno| match errno {
            nix::Error::EADDRINUSE => occupied(path),
            errno => failed(errno.into()),
        })?;
        let file = SocketFile { path: path.to_owned(), identity: identity(path) };
        Ok(Self { listener, events, file })
    }

    /// Where events are put, and by which the server is ended.
    pub fn events(&self) -> Events {
        self.events.clone()
    }

    /// Serves clients until [`Events::end`] is called.
    ///
    /// # Errors
    /// If the host cannot wait for clients.
    pub fn serve(self, version: &Version, handler: &mut dyn Handler) -> io::Result<()> {
        let Self { listener, events, file } = self;
        let epoll = Epoll::new()?;
        let wanted = |key| EpollEvent::new(EventSet::IN, key);
        epoll.ctl(ControlOperation::Add, events.as_raw_fd(), wanted(0))?;
        epoll.ctl(ControlOperation::Add, listener.as_raw_fd(), wanted(1))?;
        let mut client: Option<Client> = None;
        let mut ready = [EpollEvent::default(); 4];
        loop {
            let nr = match epoll.wait(-1, &mut ready) {
                Ok(nr) => nr,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let had_client = client.is_some();
            for event in &ready[..nr] {
                let result = match (event.data(), &mut client) {
                    (1, None) => {
                        client = accept(&listener, version);
                        Ok(())
                    }
                    (2, Some(client)) => client.take(handler, &events),
                    _ => Ok(()),
                };
                if result.is_err() {
                    client = None;
                }
            }
            // Before the events are taken, so that none that came before the end is lost.
            let has_ended = events.has_ended();
            let told = events.take();
            if let Some(connected) = &mut client
                && connected.session.is_negotiated()
                && connected.stream.write_all(&told).is_err()
            {
                client = None;
            }
            if has_ended {
                drop(file);
                return Ok(());
            }
            match (had_client, &client) {
                (false, Some(client)) => {
                    epoll.ctl(ControlOperation::Delete, listener.as_raw_fd(), wanted(1))?;
                    epoll.ctl(ControlOperation::Add, client.stream.as_raw_fd(), wanted(2))?;
                }
                // The client's descriptor left by being closed.
                (true, None) => epoll.ctl(ControlOperation::Add, listener.as_raw_fd(), wanted(1))?,
                _ => {}
            }
        }
    }
}

/// What stands at a path that cannot be bound.
fn occupied(path: &Path) -> ServerError {
    let path_of = || path.to_owned();
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        return ServerError::Exists { path: path_of() };
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => ServerError::Stale { path: path_of() },
        _ => ServerError::Busy { path: path_of() },
    }
}

fn listen(path: &Path) -> nix::Result<UnixListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket: OwnedFd = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // The file gets the mode of the socket (Linux, "net/unix/af_unix.c", unix_bind_bsd), so that nobody can come in between.
    fchmod(&socket, MODE)?;
    socket::bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    socket::listen(&socket, Backlog::new(4)?)?;
    Ok(socket.into())
}

fn accept(listener: &UnixListener, version: &Version) -> Option<Client> {
    // A client that is gone already, or no more descriptors: the next one may have more luck.
    let (mut stream, _) = listener.accept().ok()?;
    stream.set_nonblocking(false).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(&Session::greeting(version)).ok()?;
    Some(Client { stream, session: Session::default() })
}

struct Client {
    stream: UnixStream,
    session: Session,
}

impl Client {
    /// Takes what can be read.
    fn take(&mut self, handler: &mut dyn Handler, events: &Events) -> io::Result<()> {
        let mut chunk = [0; CHUNK_BYTES];
        match self.stream.read(&mut chunk)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            size => {
                let hears_events = self.session.is_negotiated();
                let answers = self.session.take(&chunk[..size], handler);
                // As QEMU does: what a command made happen is told before its answer.
                if hears_events {
                    self.stream.write_all(&events.take())?;
                }
                self.stream.write_all(&answers)
            }
        }
    }
}

#[cfg(test)]
mod tests;
