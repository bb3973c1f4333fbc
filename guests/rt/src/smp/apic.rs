//! Interprocessor interrupts by the local APIC in xAPIC mode, in which it is after reset.
//!
//! Source: SDM vol. 3A, "Issuing Interprocessor Interrupts", "Local APIC ID".

use crate::mmio;

const BASE: u64 = 0xfee0_0000;
const ID: u64 = BASE + 0x20;
const END_OF_INTERRUPT: u64 = BASE + 0xb0;
const SPURIOUS_INTERRUPT_VECTOR: u64 = BASE + 0xf0;
const COMMAND_LOW: u64 = BASE + 0x300;
const COMMAND_HIGH: u64 = BASE + 0x310;
const TASK_PRIORITY: u64 = BASE + 0x80;
const LINT0: u64 = BASE + 0x350;
const MASKED: u32 = 1 << 16;
const ASSERT: u32 = 1 << 14;
const LEVEL: u32 = 1 << 15;

/// What an interprocessor interrupt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Requests a vector, 16 to 255.
    Fixed(u8),
    /// A non-maskable interrupt.
    Nmi,
    /// INIT.
    Init,
    /// The level de-assert of INIT, which processors since the Pentium 4 ignore.
    InitDeassert,
    /// A start-up at the page of this number.
    StartUp(u8),
}

impl Message {
    const fn command(self) -> u32 {
        match self {
            Self::Fixed(vector) => ASSERT | vector as u32,
            Self::Nmi => ASSERT | 4 << 8,
            Self::Init => ASSERT | 5 << 8,
            Self::InitDeassert => LEVEL | 5 << 8,
            Self::StartUp(page) => ASSERT | 6 << 8 | page as u32,
        }
    }
}

/// Who receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The processor with this local APIC id.
    Id(u8),
    /// The sender.
    Own,
    /// Everyone.
    All,
    /// Everyone but the sender.
    Others,
}

/// Sends an interprocessor interrupt. NMI and INIT have no shorthand for the sender.
pub fn send(to: To, message: Message) {
    let shorthand = match to {
        To::Id(id) => {
            mmio::write_u32(COMMAND_HIGH, u32::from(id) << 24);
            0
        }
        To::Own => 1,
        To::All => 2,
        To::Others => 3,
    };
    mmio::write_u32(COMMAND_LOW, message.command() | shorthand << 18);
}

/// Sets the software enable bit, with the spurious vector FFH, and the task priority to 0. Masks LINT0, by which firmware may
/// have left the 8259A and a running timer connected.
pub fn enable() {
    mmio::write_u32(LINT0, MASKED);
    mmio::write_u32(SPURIOUS_INTERRUPT_VECTOR, 0x1ff);
    mmio::write_u32(TASK_PRIORITY, 0);
}

/// Clears the software enable bit, as after reset.
pub fn disable() {
    mmio::write_u32(SPURIOUS_INTERRUPT_VECTOR, 0xff);
}

/// Ends the interrupt in service.
pub fn end_interrupt() {
    mmio::write_u32(END_OF_INTERRUPT, 0);
}

/// The id of this processor's local APIC.
pub fn read_id() -> u8 {
    (mmio::read_u32(ID) >> 24) as u8
}
