//! Stream sockets between guest and host (§ 5.10 "Socket Device").
//!
//! virtio-vsock's packets are bound to chains of virtio-queue in certain layouts, so headers are read here.

mod connection;
mod host;
mod packet;
mod saved;
mod table;
#[cfg(test)]
mod tests;

use crate::{
    Chain, DeviceKind, Io, Memory, RingError, VirtioDevice,
    readiness::{Readiness, Setting},
};
use host::Host;
use packet::{HEADER_BYTES, Header, Operation, STREAM};
use std::{
    collections::VecDeque,
    io,
    os::fd::{AsRawFd, RawFd},
    path::{Path, PathBuf},
};
use table::{Table, Taken};
use vm_state::DeviceStateError;

/// VIRTIO_VSOCK_F_STREAM.
const STREAMS: u64 = 1 << 0;
/// Queues (§ 5.10.2).
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const EVENT: usize = 2;
/// Descriptors of each queue at most.
const QUEUE_SIZE_MAX: u16 = 256;
/// VIRTIO_VSOCK_EVENT_TRANSPORT_RESET.
const TRANSPORT_RESET: u32 = 0;
/// The host's context identifier (§ 5.10.4).
const HOST_CID: u64 = 2;
/// Data of one packet at most.
const DATA_BYTES_MAX: usize = 1 << 16;
/// Packets that wait for buffers at most. While there are so many, the driver's packets stay in its queue (§ 5.10.6.1).
const NR_REPLIES_MAX: usize = 64;
/// What descriptors are known by; connections have numbers from 0 on.
const LISTENER: u64 = u64::MAX;
const MOVED: u64 = u64::MAX - 1;

/// Sockets of a guest.
pub struct Socket {
    cid: u64,
    readiness: Readiness,
    table: Table,
    replies: VecDeque<Header>,
    /// A buffer of the driver that there was no packet for.
    room: Option<Chain>,
    bytes: Vec<u8>,
    moved: SocketReset,
    owes_reset: bool,
    /// Whether there is a driver.
    is_started: bool,
}

/// Tells a guest that all its connections are gone, such as after it was moved to another host.
#[derive(Clone)]
pub struct SocketReset(Setting);

impl SocketReset {
    /// Ends all connections, and tells the guest.
    pub fn reset(&self) {
        self.0.set(1);
    }
}

/// Why there is no socket device.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Not an identifier of a guest.
    #[error("context identifier {cid}: those of guests are 3 to 4294967294")]
    Cid {
        /// What was asked for.
        cid: u64,
    },
    /// Something has that path already.
    #[error("{path} exists: if no VM uses it, remove it")]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("failed to listen at {path}")]
    Bind {
        /// The path.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
    /// It cannot be waited for.
    #[error("failed to wait for sockets")]
    Wait(#[source] io::Error),
}

impl Socket {
    /// Those of a guest with this context identifier. Programs of the host connect at `path` and say `CONNECT PORT` in a line;
    /// those that listen at `path` with `_` and a port behind it are who the guest connects to. The socket at `path` is removed
    /// with the device.
    ///
    /// # Errors
    /// If the identifier is not a guest's, or there can be no socket at the path.
    pub fn new(cid: u64, path: &Path) -> Result<Self, SocketError> {
        if !(3..u64::from(u32::MAX)).contains(&cid) {
            return Err(SocketError::Cid { cid });
        }
        let host = Host::bind(path).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => SocketError::Exists { path: path.to_owned() },
            _ => SocketError::Bind { path: path.to_owned(), source },
        })?;
        let readiness = Readiness::new().map_err(SocketError::Wait)?;
        let moved = Setting::new(0).map_err(SocketError::Wait)?;
        readiness.add(host.listener.as_raw_fd(), LISTENER).map_err(SocketError::Wait)?;
        readiness.add(moved.as_raw_fd(), MOVED).map_err(SocketError::Wait)?;
        Ok(Self {
            cid,
            readiness,
            table: Table::new(host),
            replies: VecDeque::new(),
            room: None,
            bytes: vec![0; HEADER_BYTES + DATA_BYTES_MAX],
            moved: SocketReset(moved),
            owes_reset: false,
            is_started: false,
        })
    }

    /// By which all connections are ended.
    pub fn resetter(&self) -> SocketReset {
        self.moved.clone()
    }

    /// Takes the driver's packets, as long as there is room for replies.
    fn transmit(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        for _ in 0..QUEUE_SIZE_MAX {
            if self.replies.len() >= NR_REPLIES_MAX {
                return Ok(());
            }
            let Some(chain) = io.pop(TRANSMIT)? else { return Ok(()) };
            self.take_packet(&chain, io);
            io.complete(TRANSMIT, &chain, 0)?;
        }
        io.call_again(TRANSMIT);
        Ok(())
    }

    fn take_packet(&mut self, chain: &Chain, io: &Io<'_>) {
        let mut header = [0; HEADER_BYTES];
        if chain.read(io.memory, 0, &mut header) != HEADER_BYTES {
            return;
        }
        let header = Header::from_bytes(&header);
        // § 5.10.6.2.1: the source must be this guest; whom else should a reply go to?
        if header.source_cid != self.cid {
            return;
        }
        let size = usize::try_from(header.size_bytes).unwrap_or(usize::MAX);
        let is_complete = size <= DATA_BYTES_MAX && {
            let data = &mut self.bytes[..size];
            chain.read(io.memory, HEADER_BYTES as u64, data) == size
        };
        // § 5.10.6.2.1: an unknown type is answered by a reset, too.
        let is_known = header.destination_cid == HOST_CID && header.kind == STREAM;
        let data = is_complete.then(|| &self.bytes[..size]);
        let taken = match is_known {
            true => self.table.take(&header, data, &self.readiness),
            false => Taken::Refused,
        };
        // A reset is not answered by another.
        if taken == Taken::Refused && header.operation != Operation::Reset as u16 {
            self.replies.push_back(header.to_reset());
        }
    }

    /// Gives the driver packets, as long as it has buffers; what has none stays where it is.
    fn receive(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        for _ in 0..QUEUE_SIZE_MAX {
            let chain = match self.room.take() {
                Some(chain) => chain,
                None => match io.pop(RECEIVE)? {
                    Some(chain) => chain,
                    None => return Ok(()),
                },
            };
            let room = usize::try_from(chain.writable_bytes()).unwrap_or(usize::MAX).min(self.bytes.len());
            if room < HEADER_BYTES {
                // Nothing fits into it.
                io.complete(RECEIVE, &chain, 0)?;
                continue;
            }
            let reply = self.replies.pop_front();
            let Some(header) = reply.or_else(|| self.table.next(self.cid, &mut self.bytes[..room])) else {
                self.room = Some(chain);
                return Ok(());
            };
            self.bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
            let end = HEADER_BYTES + header.size_bytes as usize;
            let written = chain.write(io.memory, 0, &self.bytes[..end]);
            io.complete(RECEIVE, &chain, written as u32)?;
        }
        io.call_again(RECEIVE);
        Ok(())
    }

    /// Moves packets in both directions.
    fn transfer(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.transmit(io)?;
        let was_full = self.replies.len() >= NR_REPLIES_MAX;
        self.receive(io)?;
        if was_full && self.replies.len() < NR_REPLIES_MAX {
            io.call_again(TRANSMIT);
        }
        self.tell_reset(io)
    }

    /// § 5.10.6.7.
    fn tell_reset(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        while self.owes_reset
            && let Some(chain) = io.pop(EVENT)?
        {
            let written = chain.write(io.memory, 0, &TRANSPORT_RESET.to_le_bytes());
            self.owes_reset = written < 4;
            io.complete(EVENT, &chain, written as u32)?;
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.table.clear();
        self.replies.clear();
    }
}

impl VirtioDevice for Socket {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Socket
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE_MAX, QUEUE_SIZE_MAX, 16]
    }

    fn features(&self) -> u64 {
        STREAMS
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        // § 5.10.4: the guest's context identifier.
        for (byte, value) in data.iter_mut().zip(self.cid.to_le_bytes().iter().skip(offset)) {
            *byte = *value;
        }
    }

    fn reset(&mut self) {
        self.forget();
        (self.room, self.owes_reset, self.is_started) = (None, false, false);
    }

    fn reset_queue(&mut self, queue: usize) {
        if queue == RECEIVE {
            self.room = None;
        }
    }

    fn start(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.is_started = true;
        self.woken(io)
    }

    fn notified(&mut self, _: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        self.transfer(io)
    }

    fn wake_ups(&self) -> Vec<RawFd> {
        vec![self.readiness.as_raw_fd()]
    }

    fn woken(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        let (mut accepts, mut moved) = (false, false);
        self.readiness.take(|key, is_gone| match key {
            LISTENER => accepts = true,
            MOVED => moved = true,
            connection => self.table.wake(connection, is_gone),
        });
        if accepts {
            self.table.accept(&self.readiness);
        }
        if moved && self.moved.0.was_set() {
            self.forget();
            self.owes_reset = true;
        }
        self.transfer(io)
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        self.give_bytes()
    }

    fn restore(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        self.take_bytes(state, memory)
    }
}
