//! Network devices: frames in both directions, their headers, and the control queue.
//!
//! The host at the other end answers ARP requests to whom they are from, so that a driver chooses where frames come for.

mod announce;
mod configuration;
mod control;
mod filters;
mod frames;
mod hostile;
mod model;

use super::{
    ROWS,
    several::{Several, each_row, refused},
};
use model::{ARP_BYTES, HEADER_BYTES, arp_request, feature, is_answer};
use rt::{
    mmio,
    virtio::{self, Element, Layout, Transport},
    vocabulary::devices::network::{GUEST, HOST, MAC},
};

/// Queues.
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const CONTROL: usize = 2;

/// Bytes of each buffer for a frame.
const ROOM: u32 = 128;
/// Bytes of what is sent: the header and the frame.
const SENT: u32 = HEADER_BYTES + ARP_BYTES as u32;
/// What stands where the device has not written.
const NOTHING: u8 = 0xee;
/// Somebody else's address.
const OTHER: [u8; 6] = [0x52, 0x54, 0, 0xab, 0xcd, 0xef];
/// What the driver here can use without more ado.
const USUAL: u64 = feature::MAC | feature::STATUS;
/// The same with the control queue.
const CONTROLLED: u64 = USUAL | feature::CTRL_VQ | feature::CTRL_RX | feature::CTRL_RX_EXTRA | feature::CTRL_MAC_ADDR;

/// Room for what the driver sends.
fn outgoing() -> u64 {
    virtio::buffer(0)
}

/// Room for a frame, in the buffer of this id.
fn incoming(id: u16) -> u64 {
    virtio::buffer(8 + usize::from(id))
}

/// A frame that came: where it is, how many bytes were written, and whom it is for.
#[derive(Clone, Copy)]
struct Frame {
    at: u64,
    written: u32,
    to: [u8; 6],
}

/// A network interface in use.
struct Interface<const N: usize> {
    device: Several<N>,
}

impl<const N: usize> Interface<N> {
    /// Resets, negotiates, and gives the device four buffers of so many bytes.
    fn with_room(transport: Transport, layout: Layout, wanted: u64, room: u32) -> Option<Self> {
        let numbers = core::array::from_fn(|number| number as u16);
        let device = Several::started(transport, layout, wanted, numbers)?;
        let mut interface = Self { device };
        (0..4).for_each(|_| interface.give(room));
        Some(interface)
    }

    fn started(transport: Transport, layout: Layout, wanted: u64) -> Option<Self> {
        Self::with_room(transport, layout, wanted, ROOM)
    }

    /// Gives the device a buffer for a frame.
    fn give(&mut self, room: u32) {
        let at = incoming(self.device.queues[RECEIVE].next().0);
        if room < ROOM {
            virtio::fill(at, 64, NOTHING);
        }
        self.device.give(RECEIVE, &[Element::written(at, room)]);
    }

    /// Writes a request from this address, with a header before it.
    fn prepare(from: [u8; 6]) {
        Self::prepare_at(outgoing(), from);
    }

    /// The same at another place.
    fn prepare_at(at: u64, from: [u8; 6]) {
        let mut bytes = [0; SENT as usize + 2];
        bytes[HEADER_BYTES as usize..SENT as usize].copy_from_slice(&arp_request(from, GUEST, HOST));
        for (at, word) in (at..).step_by(4).zip(bytes.as_chunks().0) {
            mmio::write_u32(at, u32::from_le_bytes(*word));
        }
    }

    /// Sends a request from this address: whether the device took it, and wrote nothing.
    fn ask(&mut self, from: [u8; 6]) -> bool {
        Self::prepare(from);
        self.device.exchange(TRANSMIT, &[Element::read(outgoing(), SENT)]) == Some(0)
    }

    /// The next frame in one buffer; there is another buffer then.
    fn hear(&mut self) -> Option<Frame> {
        let used = self.device.queues[RECEIVE].wait_used()?;
        let at = incoming(used.id as u16);
        let to = bytes(at + u64::from(HEADER_BYTES));
        Some(Frame { at, written: used.written, to })
    }

    /// Asks from this address, and tells whether the answer to it comes next.
    fn is_answered(&mut self, from: [u8; 6]) -> bool {
        let is_taken = self.ask(from);
        let is_right = self.hear().is_some_and(|frame| frame.is_answer(from));
        self.give(ROOM);
        is_taken && is_right
    }
}

impl Frame {
    /// Whether it is the answer to a request from this address.
    fn is_answer(&self, from: [u8; 6]) -> bool {
        let frame = bytes(self.at + u64::from(HEADER_BYTES));
        self.written >= SENT && is_answer(&frame, &arp_request(from, GUEST, HOST))
    }
}

fn bytes<const N: usize>(at: u64) -> [u8; N] {
    core::array::from_fn(|offset| mmio::read_u8(at + offset as u64))
}

/// Calls `try_one` with each transport and layout by which there is an interface, with its two queues and these features.
fn each_interface<const N: usize>(wanted: u64, mut try_one: impl FnMut(u64, &mut Interface<N>)) {
    each_row(virtio::kind::NETWORK, |row, transport, layout| match Interface::started(transport, layout, wanted) {
        Some(mut interface) => try_one(row, &mut interface),
        None => refused(row),
    });
}

/// Whether an interface answers after a reset.
fn works_again(transport: Transport, layout: Layout) -> bool {
    transport.reset()
        && Interface::<2>::started(transport, layout, USUAL).is_some_and(|mut interface| interface.is_answered(MAC))
}
