//! Socket devices: connections, their ends, and how much either side may send.
//!
//! At one port of the host a peer gives back what it gets; nobody listens at another.

mod connections;
mod credit;
mod data;
mod ends;
mod hostile;
mod model;

use super::{
    ROWS,
    several::{Several, each_row, refused},
};
use model::{HEADER_BYTES, HOST, Header, NR_RULES, STREAM, operation};
use rt::{
    check, mmio, names,
    virtio::{self, Element, Layout, Transport},
    vocabulary::{
        Text,
        devices::socket::{CID, ECHO_PORT},
    },
};

/// Queues.
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const EVENTS: usize = 2;

/// Bytes of each buffer for a packet.
const ROOM: u32 = 192;
/// How many there are at once.
const NR_ROOMS: usize = 6;
/// Bytes of the driver's buffer for each connection, unless a case is about it.
const LARGE: u32 = 1 << 16;
/// A port of the host at which nobody listens.
const SILENT: u32 = 77;

/// Names of the rules of [`Header::keeps`].
const RULES: &[Text] = names![
    "it is from the host",
    "it is for the guest",
    "it is for something",
    "sizes",
    "flags that there are",
    "a buffer"
];
const _: () = assert!(RULES.len() == NR_RULES);

/// Room for what the driver sends: the header with its data behind it.
fn outgoing() -> u64 {
    virtio::buffer(0)
}

fn incoming(id: u16) -> u64 {
    virtio::buffer(8 + usize::from(id))
}

/// A socket device in use.
struct Sockets {
    device: Several<3>,
    /// Whether each packet so far kept the rules.
    kept: [bool; NR_RULES],
}

/// A packet that came, and where its data are.
#[derive(Clone, Copy)]
struct Packet {
    header: Header,
    data: u64,
}

impl Sockets {
    /// Resets, negotiates, and starts without buffers for packets.
    fn without_room(transport: Transport, layout: Layout) -> Option<Self> {
        const STREAMS: u64 = 1;
        let device = Several::started(transport, layout, STREAMS, [0, 1, 2])?;
        Some(Self { device, kept: [true; NR_RULES] })
    }

    fn started(transport: Transport, layout: Layout) -> Option<Self> {
        let mut sockets = Self::without_room(transport, layout)?;
        (0..NR_ROOMS).for_each(|_| sockets.give());
        Some(sockets)
    }

    /// Gives the device a buffer for a packet.
    fn give(&mut self) {
        let at = incoming(self.device.queues[RECEIVE].next().0);
        self.device.give(RECEIVE, &[Element::written(at, ROOM)]);
    }

    /// Writes a header; what follows it stands already behind it.
    fn write(header: Header) {
        for (at, word) in (outgoing()..).step_by(4).zip(header.to_words()) {
            mmio::write_u32(at, word);
        }
    }

    /// Sends a packet: whether the device took it, and wrote nothing.
    fn send(&mut self, header: Header) -> bool {
        Self::write(header);
        self.device.exchange(TRANSMIT, &[Element::read(outgoing(), HEADER_BYTES + header.size)]) == Some(0)
    }

    /// The next packet; there is another buffer then.
    fn hear(&mut self) -> Option<Packet> {
        let used = self.device.queues[RECEIVE].wait_used()?;
        let at = incoming(used.id as u16);
        let header = Header::from_words(core::array::from_fn(|index| mmio::read_u32(at + 4 * index as u64)));
        for (kept, keeps) in self.kept.iter_mut().zip(header.keeps(CID, used.written)) {
            *kept &= keeps;
        }
        Some(Packet { header, data: at + u64::from(HEADER_BYTES) })
    }

    /// The next packet that is about something else than buffers; its buffer is given again at the end of the ring.
    fn hear_more(&mut self) -> Option<Packet> {
        const NR_PACKETS_MAX: usize = 8;
        for _ in 0..NR_PACKETS_MAX {
            let packet = self.hear()?;
            self.give();
            if !matches!(packet.header.operation, operation::CREDIT_UPDATE | operation::CREDIT_REQUEST) {
                return Some(packet);
            }
        }
        None
    }

    /// Whether what comes next is this, as a reply to `header`.
    fn hears(&mut self, header: Header, operation: u16) -> bool {
        self.hear_more().is_some_and(|packet| {
            packet.header.operation == operation
                && packet.header.is_reply_to(header)
                && packet.header.kind == header.kind
        })
    }

    /// Connects a port of the guest to the peer that gives back what it gets.
    fn connect(&mut self, port: u32, room: u32) -> bool {
        let header = packet(port, ECHO_PORT, operation::REQUEST);
        self.send(Header { room, ..header }) && self.hears(header, operation::RESPONSE)
    }

    /// Checks that all packets kept the rules.
    fn check_packets(&self) {
        for (rule, kept) in self.kept.into_iter().enumerate() {
            check!("it is kept", [RULES; rule], kept);
        }
    }
}

/// A packet from a port of the guest to one of the host.
const fn packet(source_port: u32, destination_port: u32, operation: u16) -> Header {
    Header {
        source: CID,
        destination: HOST,
        source_port,
        destination_port,
        size: 0,
        kind: STREAM,
        operation,
        flags: 0,
        room: LARGE,
        taken: 0,
    }
}

/// Calls `try_one` with each transport and layout by which there is a socket device.
fn each_device(mut try_one: impl FnMut(u64, &mut Sockets)) {
    each_row(virtio::kind::SOCKET, |row, transport, layout| match Sockets::started(transport, layout) {
        Some(mut sockets) => {
            try_one(row, &mut sockets);
            sockets.check_packets();
        }
        None => refused(row),
    });
}

/// Whether there can be a connection after a reset.
fn works_again(transport: Transport, layout: Layout) -> bool {
    transport.reset() && Sockets::started(transport, layout).is_some_and(|mut sockets| sockets.connect(4000, LARGE))
}
