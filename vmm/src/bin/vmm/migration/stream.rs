//! Ways from one VMM to another.

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    time::Duration,
};

/// How long either side waits for the other to take or to say something.
const PATIENCE: Duration = Duration::from_secs(120);

/// A way to another VMM.
pub(crate) trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// Sockets of both kinds.
trait Patient: Stream + Sized + 'static {
    fn set_timeouts(&self, time: Duration) -> io::Result<()>;

    /// The same, which waits so long and no longer.
    fn patient(self) -> io::Result<Box<dyn Stream>> {
        self.set_timeouts(PATIENCE)?;
        Ok(Box::new(self))
    }
}

impl Patient for UnixStream {
    fn set_timeouts(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time)).and_then(|()| self.set_write_timeout(Some(time)))
    }
}

impl Patient for TcpStream {
    fn set_timeouts(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time)).and_then(|()| self.set_write_timeout(Some(time)))
    }
}

/// The way to who waits at a Unix socket.
pub(super) fn connect_unix(path: &Path) -> io::Result<Box<dyn Stream>> {
    UnixStream::connect(path)?.patient()
}

/// The way to who waits at an address.
pub(super) fn connect_tcp(address: &str) -> io::Result<Box<dyn Stream>> {
    TcpStream::connect(address)?.patient()
}

/// Waits for one at a Unix socket.
pub(super) fn accept_unix(path: &Path) -> io::Result<Box<dyn Stream>> {
    let accepted = UnixListener::bind(path)?.accept();
    // One VM is all that comes, and the file would stand in the way of the next.
    fs::remove_file(path)?;
    accepted?.0.patient()
}

/// Waits for one at an address.
pub(super) fn accept_tcp(address: &str) -> io::Result<Box<dyn Stream>> {
    TcpListener::bind(address)?.accept()?.0.patient()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_has_an_end_to_its_patience() {
        let (unix, _other) = UnixStream::pair().unwrap();
        unix.set_timeouts(PATIENCE).unwrap();
        assert_eq!([unix.read_timeout().unwrap(), unix.write_timeout().unwrap()], [Some(PATIENCE); 2]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        tcp.set_timeouts(PATIENCE).unwrap();
        assert_eq!([tcp.read_timeout().unwrap(), tcp.write_timeout().unwrap()], [Some(PATIENCE); 2]);
    }

    #[test]
    fn a_socket_is_gone_when_somebody_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("way");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| accept_unix(&path).unwrap());
            let mut stream = loop {
                match connect_unix(&path) {
                    Ok(stream) => break stream,
                    Err(_) if waits.is_finished() => panic!("nobody waits"),
                    Err(_) => std::thread::yield_now(),
                }
            };
            stream.write_all(b"x").unwrap();
            let mut byte = [0];
            waits.join().unwrap().read_exact(&mut byte).unwrap();
            assert_eq!(byte, *b"x");
        });
        assert!(!path.exists() && connect_unix(&path).is_err());
    }
}
