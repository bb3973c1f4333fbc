//! Consoles and ports, which are channels between programs of the guest and of the host (§ 5.3 "Console Device").

mod channel;
mod control;
mod port;
mod saved;
#[cfg(test)]
mod tests;

pub use channel::Channel;
pub use port::Port;

use crate::{
    DeviceKind, Io, Memory, RingError, VirtioDevice,
    readiness::{Readiness, Setting, Shown},
};
use control::{Event, MESSAGE_BYTES, Message};
use port::PortState;
use std::{
    io,
    os::fd::{AsRawFd, RawFd},
};
use vm_state::DeviceStateError;

/// VIRTIO_CONSOLE_F_SIZE: columns and rows are valid.
const SIZE: u64 = 1 << 0;
/// VIRTIO_CONSOLE_F_MULTIPORT.
const MULTIPORT: u64 = 1 << 1;
/// VIRTIO_CONSOLE_F_EMERG_WRITE.
const EMERGENCY_WRITE: u64 = 1 << 2;

/// Descriptors of each queue at most.
const QUEUE_SIZE_MAX: u16 = 256;
/// Queues through which the device and the driver send control messages (§ 5.3.2).
const CONTROL_RECEIVE: usize = 2;
const CONTROL_TRANSMIT: usize = 3;
/// Offset of the emergency write in the configuration (§ 5.3.4).
const EMERGENCY_OFFSET: usize = 8;
/// What the event of another size is known by among descriptors; ports are known by their numbers.
const RESIZED: u64 = u64::MAX;

/// The most ports of one device: each has two queues, and a transport knows queues as bits of 64.
pub const PORTS_MAX: usize = 31;

/// A console with ports.
pub struct Console {
    ports: Vec<PortState>,
    queue_sizes: Vec<u16>,
    readiness: Readiness,
    /// Columns and rows, as the driver was told.
    size: Shown,
    /// Whether the driver speaks of more than port 0.
    multiport: bool,
}

/// The size of a console in characters, which another thread can change.
#[derive(Clone)]
pub struct ConsoleSize(Setting);

impl ConsoleSize {
    /// Changes it; the driver is told. Zeros say that it is not known.
    pub fn set(&self, columns: u16, rows: u16) {
        self.0.set(u32::from(rows) << 16 | u32::from(columns));
    }
}

/// Why there is no console.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// Not so many ports.
    #[error("{nr_ports} ports, where there can be 1 to {PORTS_MAX}")]
    Ports {
        /// How many were asked for.
        nr_ports: usize,
    },
    /// Its channels cannot be waited for.
    #[error("failed to wait for the channels of a console")]
    Wait(#[source] io::Error),
}

impl Console {
    /// One with these ports; a driver that knows of one port only uses the first.
    ///
    /// # Errors
    /// If there are too many ports or none, or their channels cannot be waited for.
    pub fn new(ports: Vec<Port>) -> Result<Self, ConsoleError> {
        let nr_ports = ports.len();
        if nr_ports == 0 || nr_ports > PORTS_MAX {
            return Err(ConsoleError::Ports { nr_ports });
        }
        let readiness = Readiness::new().map_err(ConsoleError::Wait)?;
        let size = Setting::new(0).map_err(ConsoleError::Wait)?;
        readiness.add(size.as_raw_fd(), RESIZED).map_err(ConsoleError::Wait)?;
        for (port, key) in ports.iter().zip(0..) {
            for descriptor in port.channel.descriptors() {
                readiness.add(descriptor, key).map_err(ConsoleError::Wait)?;
            }
        }
        Ok(Self {
            ports: ports.into_iter().map(PortState::new).collect(),
            queue_sizes: vec![QUEUE_SIZE_MAX; 2 * nr_ports + 2],
            readiness,
            size: Shown::new(size),
            multiport: false,
        })
    }

    /// The size, which is not known until it is set.
    pub fn size(&self) -> ConsoleSize {
        ConsoleSize(self.size.setting().clone())
    }

    /// Moves what can be moved through a port, in both directions.
    fn transfer(&mut self, port: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        let Some(state) = self.ports.get_mut(port).filter(|_| self.multiport || port == 0) else { return Ok(()) };
        let was_connected = state.is_connected();
        state.transmit(transmit_queue(port), io)?;
        if state.is_open || !self.multiport {
            state.receive(receive_queue(port), io)?;
        }
        if let Some(descriptor) = state.accept() {
            // If it cannot be waited for, it is heard of when the driver comes next.
            let _ = self.readiness.add(descriptor, port as u64);
        }
        if state.is_connected() != was_connected && state.is_ready {
            state.owed.add(Event::PortOpen);
        }
        Ok(())
    }

    /// Takes the driver's control messages.
    fn take_messages(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        io.each(CONTROL_TRANSMIT, |chain, memory| {
            let mut bytes = [0; MESSAGE_BYTES];
            if chain.read(memory, 0, &mut bytes) == MESSAGE_BYTES {
                self.take_message(Message::from_bytes(bytes));
            }
            Ok(0)
        })
    }

    /// § 5.3.6.2; what makes no sense is not answered.
    fn take_message(&mut self, message: Message) {
        let event = Event::from_driver(message.event);
        if event == Some(Event::DeviceReady) {
            if message.value == 1 {
                self.ports.iter_mut().for_each(|port| port.owed.add(Event::PortAdd));
            }
            return;
        }
        let port = usize::try_from(message.port).ok().and_then(|port| self.ports.get_mut(port));
        match (event, port) {
            (Some(Event::PortReady), Some(port)) => port.set_ready(message.value == 1),
            (Some(Event::PortOpen), Some(port)) => port.is_open = message.value == 1,
            _ => {}
        }
    }

    /// Sends control messages as long as the driver has buffers for them.
    fn send_messages(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        if !self.multiport {
            return Ok(());
        }
        for (state, port) in self.ports.iter_mut().zip(0..) {
            while let Some(event) = state.owed.first() {
                let Some(chain) = io.pop(CONTROL_RECEIVE)? else { return Ok(()) };
                let mut bytes = Message { port, event: event as u16, value: state.value(event) }.to_bytes().to_vec();
                match event {
                    Event::PortName => bytes.extend(state.name.as_deref().unwrap_or_default().bytes()),
                    // The order is that of § 5.3.6.2, columns first.
                    Event::Resize => bytes.extend(self.size.get().to_le_bytes()),
                    _ => {}
                }
                // What has no room is cut off: a driver that leaves too little room asked for no more.
                let written = chain.write(io.memory, 0, &bytes);
                io.complete(CONTROL_RECEIVE, &chain, written as u32)?;
                state.owed.remove(event);
            }
        }
        Ok(())
    }
}

/// § 5.3.2: queues of control messages stand after those of port 0.
fn receive_queue(port: usize) -> usize {
    if port == 0 { 0 } else { 2 * port + 2 }
}

fn transmit_queue(port: usize) -> usize {
    receive_queue(port) + 1
}

/// Whose queue it is, if it is not one of control messages.
fn port_of(queue: usize) -> Option<usize> {
    match queue / 2 {
        0 => Some(0),
        1 => None,
        pair => Some(pair - 1),
    }
}

impl VirtioDevice for Console {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Console
    }

    fn queue_sizes(&self) -> &[u16] {
        &self.queue_sizes
    }

    fn features(&self) -> u64 {
        SIZE | MULTIPORT | EMERGENCY_WRITE
    }

    fn accept(&mut self, features: u64) -> bool {
        self.multiport = features & MULTIPORT != 0;
        true
    }

    fn read_config(&self, offset: usize, data: &mut [u8]) {
        // Columns, rows, number of ports, emergency write: § 5.3.4.
        let mut config = [0; 12];
        config[..4].copy_from_slice(&self.size.get().to_le_bytes());
        config[4..8].copy_from_slice(&(self.ports.len() as u32).to_le_bytes());
        for (byte, value) in data.iter_mut().zip(config.iter().skip(offset)) {
            *byte = *value;
        }
    }

    fn write_config(&mut self, offset: usize, data: &[u8], _: &mut Io<'_>) {
        // Before the driver is ready, too: that is what it is for (§ 5.3.4).
        if let (EMERGENCY_OFFSET, [byte, ..], Some(port)) = (offset, data, self.ports.first_mut()) {
            port.write_at_once(*byte);
        }
    }

    fn reset(&mut self) {
        self.multiport = false;
        self.ports.iter_mut().for_each(PortState::reset);
    }

    fn reset_queue(&mut self, queue: usize) {
        if let Some(port) = port_of(queue).filter(|_| queue % 2 == 1).and_then(|port| self.ports.get_mut(port)) {
            port.forget_output();
        }
    }

    fn start(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.woken(io)
    }

    fn notified(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), RingError> {
        match port_of(queue) {
            Some(port) => self.transfer(port, io)?,
            None if queue == CONTROL_TRANSMIT && self.multiport => {
                self.take_messages(io)?;
                // A port that was opened now may have what the host sent before.
                (0..self.ports.len()).try_for_each(|port| self.transfer(port, io))?;
            }
            None => {}
        }
        self.send_messages(io)
    }

    fn wake_ups(&self) -> Vec<RawFd> {
        vec![self.readiness.as_raw_fd()]
    }

    fn woken(&mut self, io: &mut Io<'_>) -> Result<(), RingError> {
        self.readiness.take(|_, _| ());
        if self.size.take_over() {
            // § 5.3.6.2: with more ports a message tells it, and the configuration in any case.
            io.change_config();
            self.ports.iter_mut().filter(|port| port.is_ready && port.is_console).for_each(|port| {
                port.owed.add(Event::Resize);
            });
        }
        // Each is looked at: at the start, what was told before is not told again.
        (0..self.ports.len()).try_for_each(|port| self.transfer(port, io))?;
        self.send_messages(io)
    }

    fn save(&mut self) -> Result<Vec<u8>, DeviceStateError> {
        self.give_bytes()
    }

    fn restore(&mut self, state: &[u8], memory: &Memory) -> Result<(), DeviceStateError> {
        self.take_bytes(state, memory)
    }
}
