//! Interrupt messages: what their address and data say, and which processors they are for.
//!
//! All of this is pure functions; who owns the local APICs asks each for its [`Identity`] and carries messages there.
//!
//! Own code, because what crates have of this is bound to one hypervisor's interface.
//!
//! Sources: Intel SDM volume 3A, "Message Signalled Interrupts", "Determining IPI Destination", "Logical Destination Mode
//! in x2APIC Mode", "Lowest Priority Delivery Mode".

mod destination;
#[cfg(test)]
mod tests;

pub use destination::{Destination, Identity, LogicalModel, lowest_priority, x2apic_logical_id};
use serde::{Deserialize, Serialize};

/// A write to the interrupt address range, as I/O APICs and devices with MSI make.
///
/// | address bits | meaning |
/// |---|---|
/// | 31:20 | FEEH |
/// | 19:12 | destination; FFH is everybody |
/// | 3 | redirection hint: one of those addressed is chosen |
/// | 2 | destination mode: 1 is logical |
///
/// | data bits | meaning |
/// |---|---|
/// | 15 | trigger mode: 1 is level |
/// | 14 | level: 1 is assert; matters only for level |
/// | 10:8 | delivery mode |
/// | 7:0 | vector |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it is written.
    pub address: u64,
    /// What is written.
    pub data: u32,
}

/// What kind of interrupt it is; the numbers are those of all registers that have such a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryMode {
    /// The vector, to everybody addressed.
    Fixed,
    /// The vector, to that one of those addressed with the lowest priority.
    LowestPriority,
    /// A system-management interrupt.
    Smi,
    /// A non-maskable interrupt.
    Nmi,
    /// INIT.
    Init,
    /// A start-up interrupt, whose vector is the page to start at. Only processors send it.
    StartUp,
    /// The vector comes from an 8259A. Processors do not send it.
    ExtInt,
}

impl DeliveryMode {
    /// The mode of the low three bits of `bits`; number 3 is reserved.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        Some(match bits & 7 {
            0 => Self::Fixed,
            1 => Self::LowestPriority,
            2 => Self::Smi,
            4 => Self::Nmi,
            5 => Self::Init,
            6 => Self::StartUp,
            7 => Self::ExtInt,
            _ => return None,
        })
    }

    /// Its number.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Fixed => 0,
            Self::LowestPriority => 1,
            Self::Smi => 2,
            Self::Nmi => 4,
            Self::Init => 5,
            Self::StartUp => 6,
            Self::ExtInt => 7,
        }
    }
}

/// How an interrupt is signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Once.
    Edge,
    /// As long as its source lasts: its end is told to the I/O APICs.
    Level,
}

/// What a [`Message`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// Whom it is for.
    pub destination: Destination,
    /// What kind it is. With the redirection hint and a logical destination, a fixed one goes by priority.
    pub delivery: DeliveryMode,
    /// The vector.
    pub vector: u8,
    /// How it is signalled.
    pub trigger: Trigger,
}

/// First address of the range that messages are written to.
pub const ADDRESS_BASE: u64 = 0xfee0_0000;
/// Size of the range in bytes.
pub const ADDRESS_SIZE: u64 = 0x10_0000;

const LOGICAL: u64 = 1 << 2;
const REDIRECTION_HINT: u64 = 1 << 3;
const LEVEL_ASSERT: u32 = 1 << 14;
const TRIGGER_LEVEL: u32 = 1 << 15;

impl Message {
    /// What it says; nothing if it lies outside of the range, its delivery mode is reserved or only for processors, or it
    /// takes back a level, which local APICs do not act upon.
    ///
    /// The SDM says that a message without the redirection hint ignores the destination mode; processors do obey it, and
    /// so does this.
    pub fn decode(self) -> Option<Interrupt> {
        if !(ADDRESS_BASE..ADDRESS_BASE + ADDRESS_SIZE).contains(&self.address) {
            return None;
        }
        let destination = Destination::narrow(self.address & LOGICAL != 0, (self.address >> 12) as u8);
        let trigger = if self.data & TRIGGER_LEVEL != 0 { Trigger::Level } else { Trigger::Edge };
        if trigger == Trigger::Level && self.data & LEVEL_ASSERT == 0 {
            return None;
        }
        let redirected = self.address & (REDIRECTION_HINT | LOGICAL) == REDIRECTION_HINT | LOGICAL;
        let delivery = match DeliveryMode::from_bits(self.data >> 8)? {
            DeliveryMode::StartUp => return None,
            DeliveryMode::Fixed if redirected => DeliveryMode::LowestPriority,
            delivery => delivery,
        };
        Some(Interrupt { destination, delivery, vector: self.data as u8, trigger })
    }

    /// The message of a redirection entry or device: `destination` and `vector` of eight bits, `delivery` as numbered,
    /// whatever that number is.
    pub(crate) fn encode(logical: bool, destination: u8, delivery: u32, vector: u8, trigger: Trigger) -> Self {
        let mut address = ADDRESS_BASE | u64::from(destination) << 12;
        if logical {
            address |= LOGICAL;
        }
        if delivery & 7 == DeliveryMode::LowestPriority.bits() {
            address |= REDIRECTION_HINT;
        }
        let signal = match trigger {
            Trigger::Edge => 0,
            Trigger::Level => TRIGGER_LEVEL | LEVEL_ASSERT,
        };
        Self { address, data: signal | (delivery & 7) << 8 | u32::from(vector) }
    }
}
