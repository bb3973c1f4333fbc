//! The signalling device: the host sends messages and drives lines when it is asked to, and tells its clock.
//!
//! Source of the messages' form: SDM vol. 3A, "Message Signalled Interrupts".

use crate::cpu::port;
use case::image::board::{CONTROL_ARGUMENT, CONTROL_COMMAND, SIGNAL_ADDRESS, SIGNAL_CLOCK, SIGNAL_DATA, SIGNAL_LINE};

/// A message: what a device writes to interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Bits 31:0 of the address.
    pub address: u32,
    /// The data.
    pub data: u32,
}

/// Bits of a message's address.
pub mod address {
    /// The range of addresses that are messages.
    pub const BASE: u32 = 0xfee0_0000;
    /// Lowest bit of the destination's eight.
    pub const DESTINATION_SHIFT: u32 = 12;
    /// Redirection hint: one of those that the destination names is chosen.
    pub const REDIRECTION: u32 = 1 << 3;
    /// The destination is logical, where the redirection hint is set.
    pub const LOGICAL: u32 = 1 << 2;
}

/// Bits of a message's data.
pub mod data {
    /// Lowest bit of the delivery mode's three.
    pub const DELIVERY_SHIFT: u32 = 8;
    /// The level is asserted; of no meaning for edges.
    pub const ASSERT: u32 = 1 << 14;
    /// Level-triggered.
    pub const LEVEL: u32 = 1 << 15;
    /// Delivery mode: to one processor of the lowest priority.
    pub const LOWEST_PRIORITY: u32 = 1 << DELIVERY_SHIFT;
    /// Delivery mode NMI, for which the vector does not count.
    pub const NMI: u32 = 4 << DELIVERY_SHIFT;
}

impl Message {
    /// A fixed, edge-triggered interrupt to the processor with this ID.
    pub const fn fixed(id: u8, vector: u8) -> Self {
        Self { address: address::BASE | (id as u32) << address::DESTINATION_SHIFT, data: vector as u32 }
    }

    /// The same with other bits of the address set.
    pub const fn with_address(self, bits: u32) -> Self {
        Self { address: self.address | bits, ..self }
    }

    /// The same with other bits of the data set.
    pub const fn with_data(self, bits: u32) -> Self {
        Self { data: self.data | bits, ..self }
    }
}

/// How the host sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a call of its own for messages.
    Direct,
    /// By a route, and an event that is bound to it.
    Routed,
}

/// Has the host send a message at once. Where it is routed, a thread of the host may be what does it, a little later.
pub fn send(message: Message, way: Way) {
    match way {
        Way::Direct => {
            port::write_u32(SIGNAL_ADDRESS, message.address);
            port::write_u32(SIGNAL_DATA, message.data);
        }
        Way::Routed => {
            const MESSAGE_EVENT: u32 = 1 << 10;
            port::write_u32(SIGNAL_ADDRESS, message.address);
            port::write_u32(SIGNAL_LINE, MESSAGE_EVENT | message.data << 16);
        }
    }
}

/// Whether a local APIC took the last message that was sent directly.
pub fn was_taken() -> bool {
    port::read_u32(SIGNAL_DATA) != 0
}

/// Drives an interrupt line of the board to a level.
pub fn set_line(line: u8, high: bool) {
    port::write_u32(SIGNAL_LINE, u32::from(line) | u32::from(high) << 8);
}

/// Has the host signal an event that is bound to a line: an edge.
pub fn pulse_line(line: u8) {
    const EVENT: u32 = 1 << 9;
    port::write_u32(SIGNAL_LINE, u32::from(line) | EVENT);
}

/// The host's clock in nanoseconds, which nobody sets.
pub fn host_nanoseconds() -> u64 {
    port::write_u32(SIGNAL_CLOCK, 0);
    let low = port::read_u32(SIGNAL_CLOCK);
    u64::from(port::read_u32(SIGNAL_CLOCK)) << 32 | u64::from(low)
}

/// What the host does with this processor or with KVM's clock when it is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Does not run this processor for so many microseconds.
    Pause(u32),
    /// Tells KVM that this processor was paused (KVM_KVMCLOCK_CTRL).
    TellPaused,
    /// Sets KVM's clock forward by so many microseconds (KVM_SET_CLOCK).
    SetClockForward(u32),
    /// Runs this processor on this processor of the host from now on.
    MoveTo(u32),
    /// Runs it on any again.
    MoveAnywhere,
    /// Raises and lowers pin LINT1 of this processor's local APIC.
    PulseLint1,
    /// Takes the page of memory at this address away: it comes back some milliseconds after it is touched.
    TakePageAway(u32),
}

/// Has the host do it; it is done when this returns. False if the host's kernel refused.
pub fn command(command: Command) -> bool {
    let (number, argument) = match command {
        Command::Pause(micros) => (1, micros),
        Command::TellPaused => (2, 0),
        Command::SetClockForward(micros) => (3, micros),
        Command::MoveTo(processor) => (4, processor),
        Command::MoveAnywhere => (5, 0),
        Command::PulseLint1 => (6, 0),
        Command::TakePageAway(address) => (7, address),
    };
    port::write_u32(CONTROL_ARGUMENT, argument);
    port::write_u32(CONTROL_COMMAND, number);
    port::read_u32(CONTROL_COMMAND) == 0
}
