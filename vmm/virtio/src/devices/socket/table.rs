//! All connections of a guest.

use super::{
    HOST_CID,
    connection::Connection,
    host::Host,
    packet::{Header, Operation, STREAM},
};
use crate::readiness::Readiness;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    os::fd::AsRawFd,
};

/// Connections at once: each has a descriptor and a buffer.
const NR_CONNECTIONS_MAX: usize = 256;
/// Ports of the host's ends of connections that it asked for, above those that programs choose.
const FIRST_PORT: u32 = 1 << 30;
const LAST_PORT: u32 = (1 << 31) - 1;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was for a connection.
    Accepted,
    /// It was for none, or ended it: the guest is told by a reset.
    Refused,
}

/// Connections, by numbers that are never used again.
pub(super) struct Table {
    host: Host,
    connections: BTreeMap<u64, Connection>,
    /// Those that the guest knows of, by the host's port and the guest's.
    by_ports: HashMap<(u32, u32), u64>,
    next_number: u64,
    next_port: u32,
    /// The one that was served last: others have their turn first.
    last_served: u64,
    /// Connections that ended without a word of the guest, which is yet to be told; no more than there were connections.
    ended: VecDeque<(u32, u32)>,
}

impl Table {
    pub(super) fn new(host: Host) -> Self {
        Self {
            host,
            connections: BTreeMap::new(),
            by_ports: HashMap::new(),
            next_number: 0,
            next_port: FIRST_PORT,
            last_served: 0,
            ended: VecDeque::new(),
        }
    }

    /// Ends all connections, without telling.
    pub(super) fn clear(&mut self) {
        self.connections.clear();
        self.by_ports.clear();
        self.ended.clear();
    }

    /// Whether there can be another one. Those that the guest is to hear the end of count: it cannot make us remember more.
    fn has_room(&self) -> bool {
        self.connections.len() + self.ended.len() < NR_CONNECTIONS_MAX
    }

    fn insert(&mut self, connection: Connection, readiness: &Readiness) -> Option<u64> {
        let number = self.next_number;
        readiness.add(connection.as_raw_fd(), number).ok()?;
        self.next_number += 1;
        self.connections.insert(number, connection);
        Some(number)
    }

    fn remove(&mut self, number: u64) -> Option<Connection> {
        let connection = self.connections.remove(&number)?;
        let ports = (connection.host_port, connection.guest_port);
        if self.by_ports.get(&ports) == Some(&number) {
            self.by_ports.remove(&ports);
        }
        Some(connection)
    }

    /// Removes a connection that ended here, and remembers to tell the guest.
    fn end(&mut self, number: u64) {
        if let Some(connection) = self.remove(number).filter(Connection::is_known) {
            self.ended.push_back((connection.host_port, connection.guest_port));
        }
    }

    /// Takes programs of the host that want a port of the guest. For whom there is no room the connection is closed.
    pub(super) fn accept(&mut self, readiness: &Readiness) {
        // As many as there can be are taken at once, so that nobody can keep this busy.
        for _ in 0..NR_CONNECTIONS_MAX {
            let Some(stream) = self.host.accept() else { return };
            if !self.has_room() {
                continue;
            }
            let port = self.next_port;
            self.next_port = if port == LAST_PORT { FIRST_PORT } else { port + 1 };
            if let Some(number) = self.insert(Connection::greeting(stream, port), readiness) {
                self.wake(number, false);
            }
        }
    }

    /// Something happened at the host's end of a connection.
    pub(super) fn wake(&mut self, number: u64, is_gone: bool) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let result = connection.wake(is_gone).and_then(|()| connection.read_greeting());
        let host_port = connection.host_port;
        match result {
            Ok(None) => {}
            Ok(Some(guest_port)) if !self.by_ports.contains_key(&(host_port, guest_port)) => {
                self.by_ports.insert((host_port, guest_port), number);
            }
            // The guest was faster with a connection to the same port, of which this one must not take anything.
            Ok(Some(_)) => _ = self.connections.remove(&number),
            Err(_) => self.end(number),
        }
    }

    /// Takes a packet of the guest, with its data if all of them were there.
    pub(super) fn take(&mut self, header: &Header, data: Option<&[u8]>, readiness: &Readiness) -> Taken {
        let ports = (header.destination_port, header.source_port);
        let operation = Operation::new(header.operation);
        match (self.by_ports.get(&ports).copied(), operation) {
            (Some(number), Some(Operation::Reset)) => {
                self.remove(number);
                Taken::Accepted
            }
            (Some(number), _) => {
                let connection = self.connections.get_mut(&number);
                let result = connection.zip(data).map(|(connection, data)| connection.take(header, data));
                if matches!(result, Some(Ok(()))) {
                    return Taken::Accepted;
                }
                self.remove(number);
                Taken::Refused
            }
            (None, Some(Operation::Request)) => self.connect(header, readiness),
            (None, _) => Taken::Refused,
        }
    }

    fn connect(&mut self, header: &Header, readiness: &Readiness) -> Taken {
        if !self.has_room() {
            return Taken::Refused;
        }
        let Ok(stream) = self.host.connect(header.destination_port) else { return Taken::Refused };
        let mut connection = Connection::accepted(stream, header);
        connection.take_room(header);
        match self.insert(connection, readiness) {
            Some(number) => {
                self.by_ports.insert((header.destination_port, header.source_port), number);
                Taken::Accepted
            }
            None => Taken::Refused,
        }
    }

    /// The next packet for the guest `cid`, with its data in `data` behind the header's place.
    pub(super) fn next(&mut self, cid: u64, data: &mut [u8]) -> Option<Header> {
        let complete = |header: Header, (host_port, guest_port)| Header {
            source_cid: HOST_CID,
            destination_cid: cid,
            source_port: host_port,
            destination_port: guest_port,
            kind: STREAM,
            ..header
        };
        let numbers: Vec<_> = {
            let after = self.connections.range(self.last_served + 1..);
            let before = self.connections.range(..=self.last_served);
            after.chain(before).map(|(number, _)| *number).collect()
        };
        for number in numbers {
            let Some(connection) = self.connections.get_mut(&number) else { continue };
            match connection.next(data) {
                Ok(None) => {}
                Ok(Some(header)) => {
                    self.last_served = number;
                    return Some(complete(header, (connection.host_port, connection.guest_port)));
                }
                Err(_) => self.end(number),
            }
        }
        let operation = Operation::Reset as u16;
        let ports = self.ended.pop_front()?;
        Some(complete(Header { operation, ..Header::default() }, ports))
    }
}
