//! Network interfaces (§ 5.1 "Network Device").
//!
//! Neither checksums nor segmentation are left to the device, so each buffer holds one frame.

mod control;
mod filter;
mod host;
mod link;
mod saved;
#[cfg(test)]
mod tests;

pub use filter::MacAddress;
pub use host::HostStack;
pub use link::{FrameFile, FrameSocket, Link};

use crate::{
    Chain, DeviceKind, Io, Memory, RingError, VirtioDevice,
    readiness::{Readiness, Setting, Shown},
};
use filter::Filter;
use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    os::fd::{AsRawFd, RawFd},
};
use vm_state::DeviceStateError;

/// VIRTIO_NET_F_MTU, _MAC, _STATUS, _CTRL_VQ, _CTRL_RX, _CTRL_VLAN, _CTRL_RX_EXTRA, _GUEST_ANNOUNCE and _CTRL_MAC_ADDR.
const MTU: u64 = 1 << 3;
const MAC: u64 = 1 << 5;
const STATUS: u64 = 1 << 16;
const CONTROL_QUEUE: u64 = 1 << 17;
const CONTROL_RX: u64 = 1 << 18;
const CONTROL_VLAN: u64 = 1 << 19;
const CONTROL_RX_EXTRA: u64 = 1 << 20;
const GUEST_ANNOUNCE: u64 = 1 << 21;
const CONTROL_MAC: u64 = 1 << 23;

/// Queues (§ 5.1.2).
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const CONTROL: usize = 2;
/// Descriptors of each queue at most.
const QUEUE_SIZE_MAX: u16 = 256;

/// Size of the header before each frame (§ 5.1.6 "Device Operation").
const HEADER_BYTES: usize = 12;
/// Bytes of a frame that do not count as its payload: both addresses, a VLAN's tag and the type.
const ETHERNET_BYTES: usize = 18;
/// The smallest frame: without payload, and without a tag. What pads it is the link's.
const FRAME_BYTES_MIN: usize = 14;
/// VIRTIO_NET_S_LINK_UP and VIRTIO_NET_S_ANNOUNCE.
const LINK_UP: u16 = 1;
const ANNOUNCE: u16 = 2;

/// How a network device is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkOptions {
    /// Its address at the start.
    pub mac: MacAddress,
    /// The largest payload of a frame in bytes, at least 1280 (§ 5.1.4.1).
    pub mtu: u16,
}

impl NetworkOptions {
    /// One with this address, and frames as everywhere.
    pub fn new(mac: MacAddress) -> Self {
        Self { mac, mtu: 1500 }
    }
}

/// A network interface.
pub struct Network {
    options: NetworkOptions,
    link: Box<dyn Link>,
    readiness: Readiness,
    /// Whether the cable is plugged in, as the driver was told.
    state: Shown,
    /// Set when the driver is to tell the network where it is, and whether it was asked to and has not said that it will.
    announcement: Setting,
    announces: bool,
    features: u64,
    mac: MacAddress,
    filter: Filter,
    /// A buffer that the link had no room for.
    output: Option<Chain>,
    /// Room for a frame after its header, and one byte by which a frame is known to be too large.
    incoming: Vec<u8>,
    /// Room for a frame that is sent, after its header.
    outgoing: Vec<u8>,
    /// Size of the frame that waits there for a buffer.
    waiting: Option<usize>,
    /// Frames that were taken from the link when the device was saved; they come before those that it has.
    early: VecDeque<Vec<u8>>,
}

/// Whether the cable is plugged in, which another thread can change.
#[derive(Clone)]
pub struct LinkState(Setting);

impl LinkState {
    /// Plugs it in, or pulls it out; the driver is told. Frames of a link that is down are lost.
    pub fn set_up(&self, is_up: bool) {
        self.0.set(is_up.into());
    }
}

/// By which another thread has the driver tell the network where its addresses are, because they moved.
#[derive(Clone)]
pub struct Announcement(Setting);

impl Announcement {
    /// Asks for it: of a driver that has no VIRTIO_NET_F_GUEST_ANNOUNCE nothing comes.
    pub fn ask(&self) {
        self.0.set(1);
    }
}

/// Why there is no network device.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// An address that no interface can have.
    #[error("{mac:02x?} is a group's address")]
    Group {
        /// The address.
        mac: MacAddress,
    },
    /// Too small frames.
    #[error("a largest payload of {mtu} bytes is less than 1280")]
    Mtu {
        /// The largest payload in bytes.
        mtu: u16,
    },
    /// Its link cannot be waited for.
    #[error("failed to wait for the link")]
    Wait(#[source] io::Error),
}

impl Network {
    /// One that is plugged into `link`.
    ///
    /// # Errors
    /// If the options are not possible, or the link cannot be waited for.
    pub fn new(options: NetworkOptions, link: impl Link + 'static) -> Result<Self, NetworkError> {
        let NetworkOptions { mac, mtu } = options;
        if mac[0] & 1 != 0 {
            return Err(NetworkError::Group { mac });
        }
        if mtu < 1280 {
            return Err(NetworkError::Mtu { mtu });
        }
        let readiness = Readiness::new().map_err(NetworkError::Wait)?;
        let state = Setting::new(1).map_err(NetworkError::Wait)?;
        let announcement = Setting::new(0).map_err(NetworkError::Wait)?;
        for descriptor in link.descriptors().into_iter().chain([state.as_raw_fd(), announcement.as_raw_fd()]) {
            readiness.add(descriptor, 0).map_err(NetworkError::Wait)?;
        }
        Ok(Self {
            options,
            link: Box::new(link),
            readiness,
            state: Shown::new(state),
            announcement,
            announces: false,
            features: 0,
            mac,
            filter: Filter::new(false),
            output: None,
            incoming: vec![0; HEADER_BYTES + usize::from(mtu) + ETHERNET_BYTES + 1],
            outgoing: vec![0; HEADER_BYTES + usize::from(mtu) + ETHERNET_BYTES],
            waiting: None,
            early: VecDeque::new(),
        })
    }

    /// Whether the cable is plugged in, which it is at first.
    pub fn link_state(&self) -> LinkState {
        LinkState(self.state.setting().clone())
    }

    /// The way to have the driver announce itself.
    pub fn announcement(&self) -> Announcement {
        Announcement(self.announcement.clone())
    }

    fn status(&self) -> u16 {
        let bit = |is_set, bit| if is_set { bit } else { 0 };
        bit(self.is_up(), LINK_UP) | bit(self.announces, ANNOUNCE)
    }

    /// The largest frame in bytes.
    fn frame_bytes_max(&self) -> usize {
        usize::from(self.options.mtu) + ETHERNET_BYTES
    }

    fn is_up(&self) -> bool {
        self.state.get() != 0
    }

    /// Sends what the driver has. A link that is full leaves the rest in the driver's queue.
    fn transmit(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        let mut bytes = std::mem::take(&mut self.outgoing);
        let result = self.transmit_by(&mut bytes, io);
        self.outgoing = bytes;
        result
    }

    fn transmit_by(&mut self, bytes: &mut [u8], io: &mut Io<'_>) -> Result<(), RingError> {
        // As `Io::each` bounds it.
        for _ in 0..QUEUE_SIZE_MAX {
            let chain = match self.output.take() {
                Some(chain) => chain,
                None => match io.pop(TRANSMIT)? {
                    Some(chain) => chain,
                    None => return Ok(()),
                },
            };
            let frame = self.frame_of(&chain, io, bytes);
            if let Some(frame) = frame.filter(|_| self.is_up())
                && let Err(error) = self.link.write_frame(frame)
                && error.kind() == ErrorKind::WouldBlock
            {
                self.output = Some(chain);
                return Ok(());
            }
            // § 5.1.6.2: the driver does not hear what became of it.
            io.complete(TRANSMIT, &chain, 0)?;
        }
        io.call_again(TRANSMIT);
        Ok(())
    }

    /// The frame of a buffer, if it is one that can be sent.
    fn frame_of<'a>(&self, chain: &Chain, io: &Io<'_>, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
        let size = usize::try_from(chain.readable_bytes()).ok()?;
        if !(HEADER_BYTES + FRAME_BYTES_MIN..=bytes.len()).contains(&size) {
            return None;
        }
        let bytes = &mut bytes[..size];
        chain.read(io.memory, 0, bytes);
        // § 5.1.6.2.1: what was not negotiated the driver must not ask for; such a frame would be a wrong one.
        let [flags, segmentation, ..] = *bytes else { return None };
        (flags == 0 && segmentation == 0).then(|| &bytes[HEADER_BYTES..])
    }

    /// Reads a frame behind the room for its header.
    fn next_frame(&mut self) -> io::Result<usize> {
        let room = &mut self.incoming[HEADER_BYTES..];
        let Some(frame) = self.early.pop_front() else { return self.link.read_frame(room) };
        let size = frame.len().min(room.len());
        room[..size].copy_from_slice(&frame[..size]);
        Ok(size)
    }

    /// Gives the driver what the link has, as long as there are buffers; the rest stays there.
    fn receive(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        for _ in 0..QUEUE_SIZE_MAX {
            let size = match self.waiting.take() {
                Some(size) => size,
                None => match self.next_frame() {
                    Ok(size) => size,
                    Err(_) => return Ok(()),
                },
            };
            let is_frame = (FRAME_BYTES_MIN..=self.frame_bytes_max()).contains(&size);
            let end = HEADER_BYTES + size;
            let is_wanted = is_frame && self.filter.lets_through(&self.incoming[HEADER_BYTES..end], self.mac);
            if !is_wanted || !self.is_up() {
                continue;
            }
            let Some(chain) = io.pop(RECEIVE)? else {
                self.waiting = Some(size);
                return Ok(());
            };
            // § 5.1.6.4.1: zeros, but for the number of buffers, which is one.
            self.incoming[..HEADER_BYTES].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
            let written = match chain.writable_bytes() >= end as u64 {
                true => chain.write(io.memory, 0, &self.incoming[..end]),
                // A buffer that is too small (§ 5.1.6.3.1) comes back empty, and the frame is lost.
                false => 0,
            };
            io.complete(RECEIVE, &chain, written as u32)?;
        }
        io.call_again(RECEIVE);
        Ok(())
    }

    fn control(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        io.each(CONTROL, |chain, memory| {
            let ack = if self.command(chain, memory).is_some() { control::OK } else { control::ERROR };
            Ok(chain.write(memory, 0, &[ack]) as u32)
        })
    }
}

impl VirtioDevice for Network {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Network
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE_MAX, QUEUE_SIZE_MAX, 64]
    }

    fn features(&self) -> u64 {
        MTU | MAC | STATUS | CONTROL_QUEUE | CONTROL_RX | CONTROL_VLAN | CONTROL_RX_EXTRA | GUEST_ANNOUNCE | CONTROL_MAC
    }

    fn accept(&mut self, features: u64) -> bool {
        self.features = features;
        self.filter = Filter::new(features & CONTROL_VLAN != 0);
        // § 5.1.3.1: each needs the queue.
        let needs_queue = features & (CONTROL_RX | CONTROL_VLAN | CONTROL_RX_EXTRA | GUEST_ANNOUNCE | CONTROL_MAC) != 0;
        features & CONTROL_QUEUE != 0 || !needs_queue
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        // § 5.1.4: address, status, number of pairs of queues, largest payload.
        let mut config = [0; 12];
        config[..6].copy_from_slice(&self.mac);
        config[6..8].copy_from_slice(&self.status().to_le_bytes());
        config[8] = 1;
        config[10..].copy_from_slice(&self.options.mtu.to_le_bytes());
        for (byte, value) in data.iter_mut().zip(config.iter().skip(offset)) {
            *byte = *value;
        }
    }

    fn reset(&mut self) {
        (self.features, self.mac, self.output, self.waiting) = (0, self.options.mac, None, None);
        self.filter = Filter::new(false);
        self.announces = false;
        self.early.clear();
    }

    fn reset_queue(&mut self, queue: usize) {
        if queue == TRANSMIT {
            self.output = None;
        }
    }

    fn start(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        // A driver that starts makes itself known.
        self.announcement.was_set();
        self.woken(io)
    }

    fn notified(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        match queue {
            TRANSMIT => {
                self.transmit(io)?;
                // Some links answer at once.
                self.receive(io)
            }
            CONTROL if self.features & CONTROL_QUEUE != 0 => self.control(io),
            RECEIVE => self.receive(io),
            _ => Ok(()),
        }
    }

    fn wake_ups(&self) -> Vec<RawFd> {
        vec![self.readiness.as_raw_fd()]
    }

    fn woken(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.readiness.take(|_, _| ());
        let is_another = self.state.take_over();
        // § 5.1.6.5.4: a driver that was asked and has not answered is not asked again.
        let is_asked = self.announcement.was_set() && self.features & GUEST_ANNOUNCE != 0 && !self.announces;
        self.announces |= is_asked;
        if is_another || is_asked {
            io.change_config();
        }
        self.transmit(io)?;
        self.receive(io)
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        self.give_bytes()
    }

    fn restore(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        self.take_bytes(state, memory)
    }
}
