//! One connection: a stream of the host, and what guest and host know of each other's buffers.

use super::packet::{HEADER_BYTES, Header, NO_RECEIVE, NO_SEND, Operation};
use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
};

/// Bytes that a guest can send on one connection before the host takes them.
pub(super) const BUFFER_BYTES: u32 = 1 << 16;
/// The longest line that asks for a connection, with its end.
const GREETING_BYTES_MAX: usize = 32;

/// How far a connection is.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// A program of the host has yet to say which port of the guest it wants: what it said so far.
    Greeting(Vec<u8>),
    /// The guest was asked.
    Requested,
    /// Both know of it.
    Open,
}

/// The connection cannot go on: the guest is told by a reset, if it knows of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// A connection.
pub(super) struct Connection {
    stream: UnixStream,
    state: State,
    pub(super) host_port: u32,
    pub(super) guest_port: u32,
    /// What the guest sent and the host has not taken; at most [`BUFFER_BYTES`].
    to_host: VecDeque<u8>,
    /// Bytes that the host took, and how many of these the guest was told of; both wrap around.
    forwarded: u32,
    told: u32,
    /// Bytes that were sent to the guest, its buffer, and what it took out of it.
    sent: u32,
    guest_buffer: u32,
    guest_forwarded: u32,
    /// Packets that the guest is owed, a bit each by operation.
    owed: u16,
    /// Whether the guest was asked how much room it has since it last told.
    asked: bool,
    /// Whether there may be more to read.
    pub(super) is_readable: bool,
    /// Whether the host's program is gone, and whether it sends no more.
    is_gone: bool,
    is_ended: bool,
    /// What the guest does no more.
    guest_shutdown: u32,
}

impl Connection {
    fn new(stream: UnixStream, state: State, host_port: u32, guest_port: u32) -> Self {
        Self {
            stream,
            state,
            host_port,
            guest_port,
            to_host: VecDeque::new(),
            forwarded: 0,
            told: 0,
            sent: 0,
            guest_buffer: 0,
            guest_forwarded: 0,
            owed: 0,
            asked: false,
            is_readable: true,
            is_gone: false,
            is_ended: false,
            guest_shutdown: 0,
        }
    }

    /// One that the guest asked for, and the host accepted.
    pub(super) fn accepted(stream: UnixStream, request: &Header) -> Self {
        let mut connection = Self::new(stream, State::Open, request.destination_port, request.source_port);
        connection.owe(Operation::Response);
        connection
    }

    /// One that a program of the host is about to ask for.
    pub(super) fn greeting(stream: UnixStream, host_port: u32) -> Self {
        Self::new(stream, State::Greeting(Vec::new()), host_port, 0)
    }

    fn owe(&mut self, operation: Operation) {
        self.owed |= 1 << operation as u16;
    }

    /// Whether it is owed, which it is no more.
    fn take_owed(&mut self, operation: Operation) -> bool {
        let bit = 1 << operation as u16;
        let is_owed = self.owed & bit != 0;
        self.owed &= !bit;
        is_owed
    }

    /// Whether the guest knows of it.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self.state, State::Greeting(_)) && self.owed >> Operation::Request as u16 & 1 == 0
    }

    /// Something happened at the host's end.
    pub(super) fn wake(&mut self, is_gone: bool) -> Result<(), Broken> {
        self.is_readable = true;
        if is_gone && !self.is_gone {
            self.is_gone = true;
            match self.state {
                State::Open if self.is_ended => self.owe(Operation::Shutdown),
                // What it sent last is still to be read.
                State::Open => {}
                State::Requested => return Err(Broken),
                State::Greeting(_) => {}
            }
        }
        self.flush()
    }

    /// Reads the line by which a program of the host asks for a port, `CONNECT PORT`; gives the port once it is there.
    ///
    /// What follows the line belongs to the guest, so it is read byte by byte.
    pub(super) fn read_greeting(&mut self) -> Result<Option<u32>, Broken> {
        let State::Greeting(line) = &mut self.state else { return Ok(None) };
        loop {
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(0) => return Err(Broken),
                Ok(_) if byte == *b"\n" => break,
                Ok(_) if line.len() < GREETING_BYTES_MAX => line.push(byte[0]),
                Ok(_) => return Err(Broken),
                Err(error) if is_temporary(&error) => return Ok(None),
                Err(_) => return Err(Broken),
            }
        }
        let port = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix("CONNECT "));
        let port = port.and_then(|port| port.trim_end_matches('\r').parse().ok()).ok_or(Broken)?;
        self.guest_port = port;
        self.state = State::Requested;
        self.owe(Operation::Request);
        Ok(Some(port))
    }

    /// Takes what each packet tells of the guest's buffer (§ 5.10.6.3).
    pub(super) fn take_room(&mut self, header: &Header) {
        (self.guest_buffer, self.guest_forwarded, self.asked) = (header.buffer_bytes, header.forwarded, false);
    }

    /// Takes a packet of the guest with its data.
    pub(super) fn take(&mut self, header: &Header, data: &[u8]) -> Result<(), Broken> {
        self.take_room(header);
        match (Operation::new(header.operation), &self.state) {
            (Some(Operation::Response), State::Requested) => {
                self.state = State::Open;
                // A new stream has room for a line.
                let line = format!("OK {}\n", self.host_port);
                self.stream.write_all(line.as_bytes()).map_err(|_| Broken)
            }
            (Some(Operation::Data), State::Open) if self.guest_shutdown & NO_SEND == 0 => self.take_data(data),
            (Some(Operation::Shutdown), State::Open) => {
                self.guest_shutdown |= header.flags & (NO_RECEIVE | NO_SEND);
                self.flush()
            }
            (Some(Operation::CreditUpdate), State::Open) => Ok(()),
            (Some(Operation::CreditRequest), State::Open) => {
                self.owe(Operation::CreditUpdate);
                Ok(())
            }
            _ => Err(Broken),
        }
    }

    fn take_data(&mut self, data: &[u8]) -> Result<(), Broken> {
        // § 5.10.6.3: a driver must not send more than there is room for.
        if self.to_host.len() + data.len() > BUFFER_BYTES as usize {
            return Err(Broken);
        }
        self.to_host.extend(data);
        self.flush()
    }

    /// Gives the host what it takes.
    fn flush(&mut self) -> Result<(), Broken> {
        while !self.to_host.is_empty() {
            let (first, _) = self.to_host.as_slices();
            match self.stream.write(first) {
                Ok(0) => return Err(Broken),
                Ok(size) => {
                    self.to_host.drain(..size);
                    self.forwarded = self.forwarded.wrapping_add(size as u32);
                }
                Err(error) if is_temporary(&error) => break,
                Err(_) => return Err(Broken),
            }
        }
        if self.forwarded.wrapping_sub(self.told) >= BUFFER_BYTES / 4 {
            self.owe(Operation::CreditUpdate);
        }
        if self.to_host.is_empty() && self.guest_shutdown & NO_SEND != 0 {
            if self.guest_shutdown & NO_RECEIVE != 0 {
                // § 5.10.6.5: this is how both say that the connection is over.
                return Err(Broken);
            }
            // It fails if the host's program is gone, which is heard of anyhow.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// Bytes that the guest has room for.
    fn room(&self) -> usize {
        self.guest_buffer.saturating_sub(self.sent.wrapping_sub(self.guest_forwarded)) as usize
    }

    /// The next packet for the guest, with its data in `data`, from a header's size on: its header's operation, flags and size.
    pub(super) fn next(&mut self, data: &mut [u8]) -> Result<Option<Header>, Broken> {
        let packet = |operation: Operation| Header { operation: operation as u16, ..Header::default() };
        let mut next = None;
        for operation in [Operation::Request, Operation::Response] {
            if next.is_none() && self.take_owed(operation) {
                next = Some(packet(operation));
            }
        }
        if next.is_none() && self.state == State::Open {
            next = self.next_data(data)?;
        }
        for operation in [Operation::Shutdown, Operation::CreditUpdate, Operation::CreditRequest] {
            if next.is_none() && self.take_owed(operation) {
                let flags = match operation {
                    Operation::Shutdown if self.is_gone => NO_RECEIVE | NO_SEND,
                    Operation::Shutdown => NO_SEND,
                    _ => 0,
                };
                next = Some(Header { flags, ..packet(operation) });
            }
        }
        Ok(next.map(|header| {
            self.told = self.forwarded;
            self.take_owed(Operation::CreditUpdate);
            Header { buffer_bytes: BUFFER_BYTES, forwarded: self.forwarded, ..header }
        }))
    }

    fn next_data(&mut self, data: &mut [u8]) -> Result<Option<Header>, Broken> {
        if !self.is_readable || self.is_ended || self.guest_shutdown & NO_RECEIVE != 0 {
            return Ok(None);
        }
        let Some(data) = data.get_mut(HEADER_BYTES..).filter(|data| !data.is_empty()) else { return Ok(None) };
        let size = data.len().min(self.room());
        if size == 0 {
            if !self.asked {
                self.asked = true;
                self.owe(Operation::CreditRequest);
            }
            return Ok(None);
        }
        match self.stream.read(&mut data[..size]) {
            Ok(0) => {
                self.is_ended = true;
                self.owe(Operation::Shutdown);
                Ok(None)
            }
            Ok(size) => {
                self.sent = self.sent.wrapping_add(size as u32);
                let operation = Operation::Data as u16;
                Ok(Some(Header { operation, size_bytes: size as u32, ..Header::default() }))
            }
            Err(error) if is_temporary(&error) => {
                self.is_readable = false;
                Ok(None)
            }
            Err(_) => Err(Broken),
        }
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
