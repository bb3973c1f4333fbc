//! The peer of the socket device.

use case::devices::socket;
use std::{
    error::Error,
    io::{ErrorKind, Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::{UnixListener, UnixStream},
    },
};
use tempfile::TempDir;
use virtio::{DeviceKind, DeviceStateError, Io, Memory, RingError, VirtioDevice, devices::Socket};

/// A socket device with a peer that gives back what it gets, in the thread of the device: whatever the driver does has been
/// answered when the device is done with it.
pub(super) struct EchoedSocket {
    socket: Socket,
    listener: UnixListener,
    peers: Vec<Peer>,
    /// Where the sockets are; they go with it.
    _folder: TempDir,
}

struct Peer {
    stream: UnixStream,
    /// What it got and could not give back yet.
    owed: Vec<u8>,
    is_over: bool,
}

impl EchoedSocket {
    /// Bytes that a peer holds at most; more stay with the guest, whose credit ends then.
    const OWED_MAX: usize = 1 << 16;

    pub(super) fn new() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("socket");
        let mut name = path.clone().into_os_string();
        name.push(format!("_{}", socket::ECHO_PORT));
        let listener = UnixListener::bind(name)?;
        listener.set_nonblocking(true)?;
        Ok(Self { socket: Socket::new(socket::CID, &path)?, listener, peers: Vec::new(), _folder: folder })
    }

    /// Lets the peers do what they can; whether they did something.
    fn echo(&mut self) -> bool {
        let mut any = false;
        while let Ok((stream, _)) = self.listener.accept() {
            any = true;
            if stream.set_nonblocking(true).is_ok() {
                self.peers.push(Peer { stream, owed: Vec::new(), is_over: false });
            }
        }
        for peer in &mut self.peers {
            any |= peer.echo();
        }
        self.peers.retain(|peer| !peer.is_over);
        any
    }
}

impl Peer {
    fn echo(&mut self) -> bool {
        let mut any = false;
        loop {
            let mut bytes = [0; 4096];
            let mut moved = false;
            if self.owed.len() < EchoedSocket::OWED_MAX {
                match self.stream.read(&mut bytes) {
                    Ok(size @ 1..) => {
                        self.owed.extend(&bytes[..size]);
                        moved = true;
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    // What it still owes goes first.
                    Ok(0) if !self.owed.is_empty() => {}
                    Ok(_) | Err(_) => {
                        self.is_over = true;
                        return true;
                    }
                }
            }
            if let Ok(size @ 1..) = self.stream.write(&self.owed) {
                self.owed.drain(..size);
                moved = true;
            }
            if !moved {
                return any;
            }
            any = true;
        }
    }
}

impl VirtioDevice for EchoedSocket {
    fn kind(&self) -> DeviceKind {
        self.socket.kind()
    }

    fn queue_sizes(&self) -> &[u16] {
        self.socket.queue_sizes()
    }

    fn features(&self) -> u64 {
        self.socket.features()
    }

    fn accept(&mut self, features: u64) -> bool {
        self.socket.accept(features)
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        self.socket.read_config(offset, data);
    }

    fn write_config(&mut self, offset: usize, data: &[u8], io: &mut Io<'_>) {
        self.socket.write_config(offset, data, io);
    }

    fn reset(&mut self) {
        self.socket.reset();
        self.echo();
    }

    fn reset_queue(&mut self, queue: usize) {
        self.socket.reset_queue(queue);
    }

    fn start(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.socket.start(io)
    }

    fn notified(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        self.socket.notified(queue, io)?;
        self.answer(io)
    }

    fn wake_ups(&self) -> Vec<RawFd> {
        let mut descriptors = self.socket.wake_ups();
        descriptors.push(self.listener.as_raw_fd());
        descriptors
    }

    fn woken(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.socket.woken(io)?;
        self.answer(io)
    }

    // Peers go with the connections, none of which outlives a saved VM.
    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        self.socket.save()
    }

    fn restore(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        self.socket.restore(state, memory)
    }
}

impl EchoedSocket {
    /// Peers answer, and the device passes that on, until nobody has anything to say; a driver that fills every buffer again at
    /// once must not keep it here for ever.
    fn answer(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        const ROUNDS_MAX: usize = 16;
        for _ in 0..ROUNDS_MAX {
            if !self.echo() {
                break;
            }
            self.socket.woken(io)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoing_peer_gives_back_what_it_gets_and_then_ends() {
        let mut echoed = EchoedSocket::new().unwrap();
        let address = echoed.listener.local_addr().unwrap();
        let mut stream = UnixStream::connect_addr(&address).unwrap();
        stream.write_all(b"as it is").unwrap();
        assert!(echoed.echo());
        assert!(!echoed.echo());
        let mut bytes = [0; 16];
        assert_eq!(stream.read(&mut bytes).unwrap(), 8);
        assert_eq!(&bytes[..8], b"as it is");
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(echoed.echo());
        assert_eq!(stream.read(&mut bytes).unwrap(), 0);
        assert!(echoed.peers.is_empty());
    }
}
