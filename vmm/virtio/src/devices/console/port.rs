//! One port: its buffers and its channel.

mod saved;

pub(super) use saved::SavedPort;

use super::{
    channel::{Channel, Output},
    control::{Event, Owed},
};
use crate::{Chain, Io, RingError};
use std::os::fd::RawFd;

/// Bytes that the guest can write before others have their turn: buffers can be of 4 GiB.
const TURN_BYTES: usize = 1 << 20;
/// Bytes that are moved at once.
const PIECE_BYTES: usize = 4096;

/// A port as it is made.
pub struct Port {
    /// By which programs of the guest find it, such as `org.qemu.guest_agent.0`.
    pub name: Option<String>,
    /// Whether it is a console, with a size in characters.
    pub is_console: bool,
    /// Its other end.
    pub channel: Channel,
}

impl Port {
    /// A console.
    pub fn console(channel: Channel) -> Self {
        Self { name: None, is_console: true, channel }
    }

    /// A channel between programs.
    pub fn named(name: impl Into<String>, channel: Channel) -> Self {
        Self { name: Some(name.into()), is_console: false, channel }
    }
}

/// A port in use.
pub(super) struct PortState {
    channel: Channel,
    pub(super) name: Option<String>,
    pub(super) is_console: bool,
    /// Whether the driver said that it can use it.
    pub(super) is_ready: bool,
    /// Whether a program of the guest opened it.
    pub(super) is_open: bool,
    pub(super) owed: Owed,
    /// A buffer that the channel has not taken all of, and how much it took.
    output: Option<(Chain, u64)>,
    /// What was read and has no buffer yet; at most a piece.
    input: Vec<u8>,
}

impl PortState {
    pub(super) fn new(port: Port) -> Self {
        let Port { name, is_console, channel } = port;
        Self {
            channel,
            name,
            is_console,
            is_ready: false,
            is_open: false,
            owed: Owed::default(),
            output: None,
            input: Vec::new(),
        }
    }

    /// Forgets everything but what the host sent.
    pub(super) fn reset(&mut self) {
        (self.is_ready, self.is_open, self.owed, self.output) = (false, false, Owed::default(), None);
    }

    pub(super) fn forget_output(&mut self) {
        self.output = None;
    }

    pub(super) fn is_connected(&self) -> bool {
        self.channel.is_connected()
    }

    pub(super) fn accept(&mut self) -> Option<RawFd> {
        self.channel.accept()
    }

    /// The driver can use it, or cannot.
    pub(super) fn set_ready(&mut self, is_ready: bool) {
        self.is_ready = is_ready;
        if !is_ready {
            return;
        }
        if self.is_console {
            self.owed.add(Event::ConsolePort);
            self.owed.add(Event::Resize);
        }
        if self.name.is_some() {
            self.owed.add(Event::PortName);
        }
        self.owed.add(Event::PortOpen);
    }

    /// The value of a message about it.
    pub(super) fn value(&self, event: Event) -> u16 {
        match event {
            Event::ConsolePort | Event::PortName => 1,
            Event::PortOpen => self.is_connected().into(),
            _ => 0,
        }
    }

    /// Writes a byte that comes in an emergency; without room it is lost.
    pub(super) fn write_at_once(&mut self, byte: u8) {
        self.channel.write(&[byte]);
        self.channel.flush();
    }

    /// Gives the host what the guest wrote. A channel that is full leaves the rest in the guest's queue.
    pub(super) fn transmit(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        let mut left = TURN_BYTES;
        // As `Io::each` bounds it.
        for _ in 0..super::QUEUE_SIZE_MAX {
            let (chain, mut done) = match self.output.take() {
                Some(output) => output,
                None => match io.pop(queue)? {
                    Some(chain) => (chain, 0),
                    None => {
                        self.channel.flush();
                        return Ok(());
                    }
                },
            };
            let mut bytes = [0; PIECE_BYTES];
            while done < chain.readable_bytes() {
                let size = chain.read(io.memory, done, &mut bytes);
                match self.channel.write(&bytes[..size]) {
                    Output::Taken(size) if size < left => (done, left) = (done + size as u64, left - size),
                    Output::Taken(size) => {
                        self.output = Some((chain, done + size as u64));
                        io.call_again(queue);
                        return Ok(());
                    }
                    Output::Full => {
                        self.output = Some((chain, done));
                        return Ok(());
                    }
                }
            }
            io.complete(queue, &chain, 0)?;
        }
        self.channel.flush();
        io.call_again(queue);
        Ok(())
    }

    /// Gives the guest what the host wrote, as long as there are buffers; the rest stays with the host.
    pub(super) fn receive(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        for _ in 0..super::QUEUE_SIZE_MAX {
            if self.input.is_empty() {
                let mut bytes = [0; PIECE_BYTES];
                let Some(size) = self.channel.read(&mut bytes) else { return Ok(()) };
                self.input.extend(&bytes[..size]);
            }
            let Some(chain) = io.pop(queue)? else { return Ok(()) };
            let written = chain.write(io.memory, 0, &self.input);
            self.input.drain(..written);
            io.complete(queue, &chain, written as u32)?;
        }
        io.call_again(queue);
        Ok(())
    }
}
