//! Consoles: ports, their channels, and the control messages about them.
//!
//! Ports give back what they get, so that what a driver writes is what it reads.

mod configuration;
mod control;
mod model;
mod ports;
mod resized;

use super::{ROWS, SIZE, each_layout_of};
use model::{MESSAGE_BYTES, Message, event};
use rt::{
    check, mmio,
    virtio::{self, Element, Layout, Queue, Transport, Used},
    vocabulary::devices::console::NR_PORTS,
};

/// Feature bits.
mod feature {
    pub(super) const SIZE: u64 = 1 << 0;
    pub(super) const MULTIPORT: u64 = 1 << 1;
    pub(super) const EMERGENCY_WRITE: u64 = 1 << 2;
}

/// Queues: of port 0, of control messages, of port 1; each pair first what the driver receives.
const PORT_0: usize = 0;
const CONTROL: usize = 2;
const PORT_1: usize = 4;
const NR_QUEUES: usize = 6;

/// Bytes of each buffer for what the device sends.
const ROOM: u32 = 64;

/// Room for what the driver sends.
fn outgoing() -> u64 {
    virtio::buffer(0)
}

/// Room for what the device sends through a queue, in the buffer of this id.
fn incoming(queue: usize, id: u16) -> u64 {
    virtio::buffer(1 + 8 * queue + usize::from(id))
}

/// A console in use.
struct Console {
    transport: Transport,
    queues: [Queue; NR_QUEUES],
    /// Ports that the device told of, as bits.
    added: u32,
    /// Ports that it said to be consoles.
    nominated: u32,
    /// Whether each message so far was one that it may send.
    is_sound: bool,
}

impl Console {
    /// Resets and negotiates, and gives the device buffers for what it sends.
    fn started(transport: Transport, layout: Layout, wanted: u64) -> Option<Self> {
        let packed = if layout == Layout::Packed { virtio::feature::RING_PACKED } else { 0 };
        let features = transport.negotiate_offered(wanted | packed)?;
        let queues = [0, 1, 2, 3, 4, 5].map(|index| Queue::new(index, SIZE, layout));
        let nr_queues = if features & feature::MULTIPORT != 0 { NR_QUEUES } else { CONTROL };
        queues[..nr_queues].iter().for_each(|queue| transport.add_queue(queue));
        let mut console = Self { transport, queues, added: 0, nominated: 0, is_sound: true };
        transport.start();
        for queue in (0..nr_queues).step_by(2) {
            for _ in 0..4 {
                console.give(queue, ROOM);
            }
            transport.notify(queue as u16);
        }
        Some(console)
    }

    /// The same with ports, all of which the driver says to be ready and open.
    fn with_open_ports(transport: Transport, layout: Layout) -> Option<Self> {
        Self::with_open_ports_and(transport, layout, 0)
    }

    /// The same with more features.
    fn with_open_ports_and(transport: Transport, layout: Layout, wanted: u64) -> Option<Self> {
        let mut console = Self::started(transport, layout, wanted | feature::MULTIPORT)?;
        console.say(0, event::DEVICE_READY, 1);
        while console.hear().is_some_and(|_| console.added != (1 << NR_PORTS) - 1) {}
        for port in 0..NR_PORTS {
            console.say(port, event::PORT_READY, 1);
            console.say(port, event::PORT_OPEN, 1);
        }
        Some(console)
    }

    /// Makes a buffer available in which the device can send.
    fn give(&mut self, queue: usize, room: u32) {
        let queue_of = &mut self.queues[queue];
        let at = incoming(queue, queue_of.next().0);
        queue_of.add(&[Element::written(at, room)]);
    }

    /// Sends these elements through a queue: whether the device used the buffer, and wrote nothing.
    fn send(&mut self, queue: usize, elements: &[Element]) -> bool {
        self.queues[queue].add(elements);
        self.transport.notify(queue as u16);
        matches!(self.queues[queue].wait_used(), Some(Used { written: 0, .. }))
    }

    /// Sends a control message.
    fn say(&mut self, port: u32, event: u16, value: u16) -> bool {
        mmio::write_u32(outgoing(), port);
        mmio::write_u32(outgoing() + 4, u32::from(value) << 16 | u32::from(event));
        self.send(CONTROL + 1, &[Element::read(outgoing(), MESSAGE_BYTES)])
    }

    /// The next buffer in which the device sent something through a queue: where it is, and how many bytes.
    fn receive(&mut self, queue: usize) -> Option<(u64, u32)> {
        let used = self.queues[queue].wait_used()?;
        Some((incoming(queue, used.id as u16), used.written))
    }

    /// The next control message and where it stands; its buffer is given again, behind three others.
    fn hear(&mut self) -> Option<(Message, u64)> {
        let (at, written) = self.receive(CONTROL)?;
        let kind = mmio::read_u32(at + 4);
        let nr_more = written.checked_sub(MESSAGE_BYTES);
        let message = Message {
            port: mmio::read_u32(at),
            event: kind as u16,
            value: (kind >> 16) as u16,
            nr_more: nr_more.unwrap_or(0),
        };
        self.is_sound &= nr_more.is_some() && message.may_be_sent(NR_PORTS, self.added);
        let bit = 1_u32.checked_shl(message.port).unwrap_or(0);
        match message.event {
            event::PORT_ADD => self.added |= bit,
            event::CONSOLE_PORT => self.nominated |= bit,
            _ => {}
        }
        self.give(CONTROL, ROOM);
        self.transport.notify(CONTROL as u16);
        Some((message, at))
    }

    /// Goes on hearing until there is a message of this kind about this port.
    fn hear_of(&mut self, port: u32, event: u16) -> Option<(Message, u64)> {
        const NR_MESSAGES_MAX: usize = 16;
        (0..NR_MESSAGES_MAX)
            .map_while(|_| self.hear())
            .find(|(message, _)| (message.port, message.event) == (port, event))
    }

    /// Writes words of these bytes to a port and reads as many from it: whether they are the same.
    fn gives_back(&mut self, queue: usize, byte: u8, size: u32) -> bool {
        virtio::fill(outgoing(), size, byte);
        if !self.send(queue + 1, &[Element::read(outgoing(), size)]) {
            return false;
        }
        let mut left = size;
        while left > 0 {
            let Some((at, written)) = self.receive(queue) else { return false };
            let is_same = (0..written.min(ROOM)).all(|offset| mmio::read_u8(at + u64::from(offset)) == byte);
            if !is_same || written == 0 || written > left {
                return false;
            }
            left -= written;
            self.give(queue, ROOM);
            self.transport.notify(queue as u16);
        }
        true
    }
}

/// Calls `try_one` with each transport and layout by which there is a console.
fn each_console(mut try_one: impl FnMut(u64, Transport, Layout)) {
    each_layout_of(virtio::kind::CONSOLE, |row, transport, layout| {
        try_one(row, transport, layout);
        // What comes late must not find queues of the next transport's console, which stand in the same memory.
        let _ = transport.reset();
    });
}

/// Records that a console refused to work.
fn refused(row: u64) {
    check!("features are accepted", [ROWS; row], false);
}
