//! Sockets between a driver and programs of the host.

use super::*;
use crate::{
    Common, hostile,
    testing::{Driver, Layout, Request, exchange, restored},
};
use connection::BUFFER_BYTES;
use packet::{NO_RECEIVE, NO_SEND};
use proptest::prelude::*;
use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
};
use tempfile::TempDir;
use vm_memory::{Bytes, GuestAddress};

const CID: u64 = 5;
const PLAIN: Layout = Layout { packed: false, indirect: false, event_index: false };

/// A guest with one buffer for packets at a time.
struct Guest {
    common: Common,
    driver: Driver,
    folder: TempDir,
    buffer: Option<Request>,
    /// What it says of its own buffer.
    room: u32,
    forwarded: u32,
}

impl Guest {
    fn new(layout: Layout) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = Socket::new(CID, &folder.path().join("vm")).unwrap();
        let (common, driver) = Driver::started(Box::new(socket), layout, STREAMS);
        Self { common, driver, folder, buffer: None, room: 0x1000, forwarded: 0 }
    }

    fn header(&self, operation: Operation, host_port: u32, guest_port: u32) -> Header {
        Header {
            source_cid: CID,
            destination_cid: HOST_CID,
            source_port: guest_port,
            destination_port: host_port,
            size_bytes: 0,
            kind: STREAM,
            operation: operation as u16,
            flags: 0,
            buffer_bytes: self.room,
            forwarded: self.forwarded,
        }
    }

    fn send_header(&mut self, header: Header, data: &[u8]) {
        exchange(&mut self.common, &mut self.driver, TRANSMIT, &[&header.to_bytes(), data], &[]);
    }

    fn send(&mut self, operation: Operation, host_port: u32, guest_port: u32, data: &[u8]) {
        let header = Header { size_bytes: data.len() as u32, ..self.header(operation, host_port, guest_port) };
        self.send_header(header, data);
    }

    /// Sends so many bytes, whatever stands at the start of memory, from port 9 to port 80.
    fn send_anything(&mut self, size_bytes: u32) {
        let header = Header { size_bytes, ..self.header(Operation::Data, 80, 9) };
        let at = self.driver.allocate(64);
        self.driver.memory.write_slice(&header.to_bytes(), GuestAddress(at)).unwrap();
        self.driver.submit_elements(TRANSMIT, &[(at, 44, false), (0, size_bytes, false)]);
        self.common.notify(TRANSMIT);
        self.driver.used(TRANSMIT).expect("it is used at once");
    }

    /// The next packet of the device.
    fn receive(&mut self) -> Option<(Header, Vec<u8>)> {
        let request = match self.buffer.take() {
            Some(request) => request,
            None => self.driver.submit(RECEIVE, &[], &[20, 2000]),
        };
        self.common.wake();
        self.common.notify(RECEIVE);
        let Some((id, written)) = self.driver.used(RECEIVE) else {
            self.buffer = Some(request);
            return None;
        };
        assert_eq!(id, request.id);
        let bytes = self.driver.written(&request)[..written as usize].to_vec();
        let header = Header::from_bytes(bytes[..HEADER_BYTES].try_into().expect("a header"));
        assert_eq!((header.source_cid, header.destination_cid), (HOST_CID, CID));
        assert_eq!(header.size_bytes as usize, bytes.len() - HEADER_BYTES);
        Some((header, bytes[HEADER_BYTES..].to_vec()))
    }

    /// Operation and ports of the next packet.
    fn told(&mut self) -> Option<(Operation, u32, u32)> {
        let (header, _) = self.receive()?;
        let operation = Operation::new(header.operation).expect("a known one");
        Some((operation, header.source_port, header.destination_port))
    }

    /// A program of the host that listens for a port.
    fn listen(&self, port: u32) -> UnixListener {
        UnixListener::bind(self.folder.path().join(format!("vm_{port}"))).unwrap()
    }

    /// A connection that the guest asked for.
    fn connected(&mut self, host_port: u32, guest_port: u32) -> UnixStream {
        let listener = self.listen(host_port);
        self.send(Operation::Request, host_port, guest_port, &[]);
        assert_eq!(self.told(), Some((Operation::Response, host_port, guest_port)));
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    }

    /// A program of the host that asks for a connection.
    fn ask(&mut self, line: &str) -> UnixStream {
        let mut stream = UnixStream::connect(self.folder.path().join("vm")).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        self.common.wake();
        stream
    }
}

/// What can be read now, and whether that was all.
fn read(stream: &mut UnixStream) -> (Vec<u8>, bool) {
    let mut all = vec![];
    match stream.read_to_end(&mut all) {
        Ok(_) => (all, true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => (all, false),
        // It was closed with something unread.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => (all, true),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_restored_guest_is_told_that_its_connections_are_gone() {
    let mut guest = Guest::new(PLAIN);
    let mut stream = guest.connected(80, 9);
    let events = guest.driver.submit(EVENT, &[], &[4]);
    let folder = tempfile::tempdir().unwrap();
    let Guest { common, driver, .. } = guest;
    let socket = || -> Box<dyn VirtioDevice> { Box::new(Socket::new(CID, &folder.path().join("vm")).unwrap()) };
    let common = restored(common, &driver, socket);
    assert_eq!(read(&mut stream), (vec![], true), "the host's program hears the end");
    let mut guest = Guest { common, driver, folder, buffer: None, room: 0x1000, forwarded: 0 };
    guest.common.wake();
    assert_eq!(guest.driver.used(EVENT), Some((events.id, 4)));
    assert_eq!(guest.driver.written(&events), TRANSPORT_RESET.to_le_bytes());
    // Of the connection nothing is left, and there can be another one.
    guest.send(Operation::Data, 80, 9, b"lost");
    assert_eq!(guest.told(), Some((Operation::Reset, 80, 9)));
    guest.connected(80, 9);
}

#[test]
fn the_guest_connects_to_the_host() {
    for layout in Layout::all() {
        let mut guest = Guest::new(layout);
        let mut stream = guest.connected(80, 1234);
        guest.send(Operation::Data, 80, 1234, b"to the host");
        assert_eq!(read(&mut stream), (b"to the host".to_vec(), false));
        stream.write_all(b"to the guest").unwrap();
        let (header, data) = guest.receive().expect("data");
        assert_eq!((header.operation, data), (Operation::Data as u16, b"to the guest".to_vec()));
        assert_eq!((header.source_port, header.destination_port, header.forwarded), (80, 1234, 11));
        drop(stream);
        let (header, _) = guest.receive().expect("it is told that the host is gone");
        assert_eq!((header.operation, header.flags), (Operation::Shutdown as u16, NO_RECEIVE | NO_SEND));
        guest.send(Operation::Reset, 80, 1234, &[]);
        guest.send(Operation::Data, 80, 1234, b"?");
        assert_eq!(guest.told(), Some((Operation::Reset, 80, 1234)), "nobody is there any more");
        assert_eq!(guest.told(), None);
    }
}

#[test]
fn a_program_of_the_host_connects_to_the_guest() {
    for layout in Layout::all() {
        let mut guest = Guest::new(layout);
        let mut stream = guest.ask("CONN");
        assert_eq!(guest.told(), None);
        stream.write_all(b"ECT 22\nhello").unwrap();
        let (operation, host_port, guest_port) = guest.told().expect("a request");
        assert_eq!((operation, guest_port), (Operation::Request, 22));
        assert_eq!(guest.told(), None, "what follows waits");
        guest.send(Operation::Response, host_port, 22, &[]);
        assert_eq!(read(&mut stream), (format!("OK {host_port}\n").into_bytes(), false));
        assert_eq!(guest.receive().map(|(_, data)| data), Some(b"hello".to_vec()));
        // The other end of the line: the guest sends no more, then receives no more.
        guest.send(Operation::Data, host_port, 22, b"bye");
        let shutdown = |guest: &Guest, flags| Header { flags, ..guest.header(Operation::Shutdown, host_port, 22) };
        guest.send_header(shutdown(&guest, NO_SEND), &[]);
        assert_eq!(read(&mut stream), (b"bye".to_vec(), true));
        stream.write_all(b"still").unwrap();
        assert_eq!(guest.receive().map(|(_, data)| data), Some(b"still".to_vec()));
        guest.send_header(shutdown(&guest, NO_RECEIVE), &[]);
        assert_eq!(guest.told(), Some((Operation::Reset, host_port, 22)));
        assert_eq!(guest.told(), None);
    }
}

#[test]
fn lines_that_ask_for_nothing_are_hung_up_on() {
    let mut guest = Guest::new(PLAIN);
    for line in ["\n", "CONNECT\n", "CONNECT x\n", "connect 3\n", "CONNECT 4294967296\n", &"x".repeat(40)] {
        let mut stream = guest.ask(line);
        assert_eq!(read(&mut stream), (vec![], true), "{line:?}");
    }
    let mut stream = guest.ask("CONNECT 7\r\n");
    let (_, host_port, guest_port) = guest.told().expect("a request");
    guest.send(Operation::Reset, host_port, guest_port, &[]);
    assert_eq!(read(&mut stream), (vec![], true), "the guest refused");
    // Who does not wait for the answer is not waited for.
    drop(guest.ask("CONNECT 8\n"));
    assert_eq!(guest.told(), None, "there was no buffer for the request before");
    let stream = guest.ask("CONNECT 8\n");
    let (_, host_port, _) = guest.told().expect("a request");
    drop(stream);
    assert_eq!(guest.told(), Some((Operation::Reset, host_port, 8)));
}

#[test]
fn what_is_for_nobody_is_answered_by_a_reset() {
    let mut guest = Guest::new(PLAIN);
    let good = guest.header(Operation::Request, 80, 9);
    for (header, is_answered) in [
        (good, true),
        (Header { kind: 2, ..good }, true),
        (Header { destination_cid: 7, ..good }, true),
        (Header { operation: 0, ..good }, true),
        (Header { operation: 99, ..good }, true),
        (Header { operation: Operation::Data as u16, size_bytes: u32::MAX, ..good }, true),
        (Header { operation: Operation::Reset as u16, ..good }, false),
        (Header { source_cid: 6, ..good }, false),
    ] {
        guest.send_header(header, &[]);
        let answer = (Operation::Reset, 80, 9);
        if header.destination_cid == HOST_CID {
            assert_eq!(guest.told(), is_answered.then_some(answer), "{header:?}");
        } else {
            let (answer, _) = exchange(&mut guest.common, &mut guest.driver, RECEIVE, &[], &[44]);
            assert_eq!(answer, header.to_reset().to_bytes());
        }
    }
    // Less than a header is nothing at all.
    exchange(&mut guest.common, &mut guest.driver, TRANSMIT, &[&good.to_bytes()[..43]], &[]);
    assert_eq!(guest.told(), None);
}

#[test]
fn packets_that_make_no_sense_end_their_connection() {
    for (operation, size, data) in [
        (Operation::Request as u16, 0, &[][..]),
        (Operation::Response as u16, 0, &[]),
        (Operation::Data as u16, 4, b"abc"),
        (Operation::Data as u16, (1 << 16) + 1, b"abc"),
        (77, 0, &[]),
    ] {
        let mut guest = Guest::new(PLAIN);
        let mut stream = guest.connected(80, 9);
        let header = Header { operation, size_bytes: size, ..guest.header(Operation::Data, 80, 9) };
        guest.send_header(header, data);
        assert_eq!(guest.told(), Some((Operation::Reset, 80, 9)), "{operation}");
        assert_eq!(read(&mut stream), (vec![], true));
    }
}

#[test]
fn the_guest_gets_no_more_than_it_has_room_for() {
    let mut guest = Guest::new(PLAIN);
    guest.room = 100;
    let mut stream = guest.connected(80, 9);
    stream.write_all(&[7; 250]).unwrap();
    assert_eq!(guest.receive().map(|(_, data)| data.len()), Some(100));
    assert_eq!(guest.told(), Some((Operation::CreditRequest, 80, 9)));
    assert_eq!(guest.told(), None, "it is asked once");
    guest.forwarded = 60;
    guest.send(Operation::CreditUpdate, 80, 9, &[]);
    assert_eq!(guest.receive().map(|(_, data)| data.len()), Some(60));
    guest.room = 0;
    guest.forwarded = 160;
    guest.send(Operation::CreditRequest, 80, 9, &[]);
    let mut told: Vec<_> = std::iter::from_fn(|| guest.told()).map(|(operation, ..)| operation).collect();
    told.sort_by_key(|operation| *operation as u16);
    assert_eq!(told, [Operation::CreditUpdate, Operation::CreditRequest]);
    guest.room = 5000;
    guest.send(Operation::CreditUpdate, 80, 9, &[]);
    assert_eq!(guest.receive().map(|(_, data)| data.len()), Some(90));
}

#[test]
fn the_host_keeps_no_more_than_it_said() {
    const SIZE_BYTES: u32 = 0x4000;
    let mut guest = Guest::new(PLAIN);
    let mut stream = guest.connected(80, 9);
    // What the host's program does not take fills its socket first.
    let (mut sent, mut forwarded) = (0_u32, 0_u32);
    while sent - forwarded + SIZE_BYTES <= BUFFER_BYTES {
        guest.send_anything(SIZE_BYTES);
        sent += SIZE_BYTES;
        while let Some((header, _)) = guest.receive() {
            assert_eq!(header.operation, Operation::CreditUpdate as u16);
            forwarded = header.forwarded;
        }
    }
    assert!(forwarded > 0, "it is told without being asked");
    // As the host's program reads, there is room again, and nothing was lost.
    let (mut nr_read, mut rounds) = (0, 0);
    while nr_read < sent as usize && rounds < 1000 {
        nr_read += read(&mut stream).0.len();
        guest.common.wake();
        rounds += 1;
    }
    assert_eq!(nr_read, sent as usize);
    assert_eq!(guest.told(), Some((Operation::CreditUpdate, 80, 9)));
    // A guest that sends more than it may is hung up on.
    for _ in 0..40 {
        guest.send_anything(SIZE_BYTES);
    }
    let told: Vec<_> = std::iter::from_fn(|| guest.told()).map(|(operation, ..)| operation).collect();
    assert!(told.contains(&Operation::Reset), "{told:?}");
}

#[test]
fn without_room_for_replies_packets_stay_in_the_queue() {
    let mut guest = Guest::new(PLAIN);
    let mut nr_used = 0;
    for _ in 0..NR_REPLIES_MAX + 8 {
        let header = guest.header(Operation::Data, 1, 2);
        guest.driver.submit(TRANSMIT, &[&header.to_bytes()], &[]);
        guest.common.notify(TRANSMIT);
        nr_used += usize::from(guest.driver.used(TRANSMIT).is_some());
    }
    assert_eq!(nr_used, NR_REPLIES_MAX);
    let nr_told = std::iter::from_fn(|| guest.told()).count();
    nr_used += std::iter::from_fn(|| guest.driver.used(TRANSMIT)).count();
    assert_eq!((nr_told, nr_used), (NR_REPLIES_MAX + 8, NR_REPLIES_MAX + 8));
}

#[test]
fn a_queue_that_is_reset_gives_nothing_back() {
    for layout in Layout::all() {
        let mut guest = Guest::new(layout);
        assert_eq!(guest.told(), None);
        // The device holds a buffer now.
        guest.driver.reset_queue(&mut guest.common, RECEIVE);
        guest.buffer = None;
        guest.send(Operation::Data, 80, 9, b"?");
        assert_eq!(guest.driver.used(RECEIVE), None, "{layout:?}");
        assert_eq!(guest.told(), Some((Operation::Reset, 80, 9)));
    }
}

#[test]
fn all_connections_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vm");
    let socket = Socket::new(CID, &path).unwrap();
    let resetter = socket.resetter();
    let (mut common, mut driver) = Driver::started(Box::new(socket), PLAIN, 0);
    let request = driver.submit(EVENT, &[], &[4]);
    common.notify(EVENT);
    assert_eq!(driver.used(EVENT), None);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_nonblocking(true).unwrap();
    common.wake();
    assert_eq!(read(&mut stream), (vec![], false));
    resetter.reset();
    common.wake();
    assert_eq!((driver.used(EVENT), driver.written(&request)), (Some((request.id, 4)), vec![0; 4]));
    assert_eq!(read(&mut stream), (vec![], true));
    let mut config = [0xff; 9];
    common.read_config(0, &mut config);
    assert_eq!(config, [5, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn there_are_only_so_many_connections() {
    let mut guest = Guest::new(PLAIN);
    let listener = guest.listen(80);
    listener.set_nonblocking(true).unwrap();
    let mut streams = vec![];
    for port in 0..300_u32 {
        guest.driver.submit(TRANSMIT, &[&guest.header(Operation::Request, 80, port).to_bytes()], &[]);
        guest.common.notify(TRANSMIT);
        guest.driver.used(TRANSMIT);
        let (operation, ..) = guest.told().expect("an answer");
        assert_eq!(operation, if port < 256 { Operation::Response } else { Operation::Reset }, "{port}");
        streams.extend(listener.accept());
    }
    assert_eq!(streams.len(), 256);
    assert_eq!(read(&mut guest.ask("CONNECT 5\n")), (vec![], true));
}

#[test]
fn its_path_must_be_free_and_is_free_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vm");
    let socket = Socket::new(3, &path).unwrap();
    assert!(matches!(Socket::new(3, &path), Err(SocketError::Exists { .. })));
    drop(socket);
    assert!(Socket::new(3, &path).is_ok());
    assert!(matches!(Socket::new(3, &folder.path().join("none/vm")), Err(SocketError::Bind { .. })));
    for cid in [0, 1, 2, u64::from(u32::MAX), u64::MAX] {
        assert!(matches!(Socket::new(cid, &path), Err(SocketError::Cid { .. })), "{cid}");
    }
}

proptest! {
    /// Whatever a driver sends, nothing panics, and no more is kept than may.
    #[test]
    fn any_packets_are_survived(
        layout in 0_usize..8,
        steps in proptest::collection::vec(
            (0_u16..9, 80_u32..82, 0_u32..3, 0_u32..4, (0_usize..50, 0_u32..60), any::<bool>()), 0..60),
    ) {
        let mut guest = Guest::new(Layout::all().nth(layout).expect("one of eight"));
        let listener = guest.listen(80);
        listener.set_nonblocking(true).unwrap();
        let mut streams = vec![];
        for (operation, host_port, guest_port, flags, (size, told), receives) in steps {
            let header = guest.header(Operation::Data, host_port, guest_port);
            let header = Header { operation, flags, size_bytes: told, buffer_bytes: told, ..header };
            guest.driver.submit(TRANSMIT, &[&header.to_bytes(), &vec![1; size]], &[]);
            guest.common.notify(TRANSMIT);
            while guest.driver.used(TRANSMIT).is_some() {}
            if receives {
                guest.told();
            }
            while let Ok((mut stream, _)) = listener.accept() {
                stream.write_all(b"some words").unwrap();
                streams.push(stream);
            }
            if flags == 3 {
                streams.pop();
            }
            prop_assert_eq!(guest.common.broken(), None);
        }
    }

    /// Nor is anything that a driver can do to registers and rings.
    #[test]
    fn hostile_drivers_are_survived(steps in hostile::strategy::steps(
        (0_u16..9, 80_u32..82, 0_u32..3, 0_u32..4, 0_u32..60).prop_map(|(operation, host_port, guest_port, flags, size)| Header {
            source_cid: CID,
            destination_cid: HOST_CID,
            source_port: guest_port,
            destination_port: host_port,
            size_bytes: size,
            kind: STREAM,
            operation,
            flags,
            buffer_bytes: 4096,
            forwarded: size,
        }.to_bytes().to_vec()),
    )) {
        let folder = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(folder.path().join("vm_80")).unwrap();
        hostile::survive(|| Box::new(Socket::new(CID, &folder.path().join("vm")).unwrap()), &steps);
    }
}
