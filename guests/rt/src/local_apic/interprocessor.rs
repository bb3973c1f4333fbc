//! Interprocessor interrupts by what they are and whom they are for, and what every handler and every processor needs. It
//! works in whichever mode the executing processor's local APIC is, and keeps nothing.
//!
//! Source: SDM vol. 3A, "Issuing Interprocessor Interrupts", "ICR Operation in x2APIC Mode", "Local APIC ID".

use super::{
    Registers,
    register::{Register, icr, lvt, svr},
};

/// What an interprocessor interrupt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Requests a vector, 16 to 255.
    Fixed(u8),
    /// Requests a vector at one of those that it is for.
    LowestPriority(u8),
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
            Self::Fixed(vector) => icr::ASSERT | icr::FIXED | vector as u32,
            Self::LowestPriority(vector) => icr::ASSERT | icr::LOWEST_PRIORITY | vector as u32,
            Self::Nmi => icr::ASSERT | icr::NMI,
            Self::Init => icr::ASSERT | icr::INIT,
            Self::InitDeassert => icr::LEVEL | icr::INIT,
            Self::StartUp(page) => icr::ASSERT | icr::START_UP | page as u32,
        }
    }
}

/// Who receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The processor with this local APIC id.
    Id(u8),
    /// Those that this physical destination includes: 8 bits in xAPIC mode, 32 in x2APIC mode.
    Physical(u32),
    /// Those that this logical destination includes: 8 bits in xAPIC mode, 32 in x2APIC mode.
    Logical(u32),
    /// The sender, by the shorthand.
    Own,
    /// Everyone, by the shorthand.
    All,
    /// Everyone but the sender, by the shorthand.
    Others,
}

/// Sends an interprocessor interrupt. NMI and INIT have no shorthand for the sender.
pub fn send(to: To, message: Message) {
    let (destination, bits) = match to {
        To::Id(id) => (id.into(), 0),
        To::Physical(destination) => (destination, 0),
        To::Logical(destination) => (destination, icr::LOGICAL),
        To::Own => (0, icr::TO_SELF),
        To::All => (0, icr::TO_ALL),
        To::Others => (0, icr::TO_OTHERS),
    };
    Registers::new().send(destination, message.command() | bits);
}

/// Sets the software enable bit, with the spurious vector FFH, and the task priority to 0. Masks LINT0, by which firmware may
/// have left the 8259A and a running timer connected.
pub fn enable() {
    let registers = Registers::new();
    registers.write(Register::LVT_LINT0, lvt::MASKED);
    registers.write(Register::SVR, svr::ENABLED | 0xff);
    registers.write(Register::TPR, 0);
}

/// Clears the software enable bit, as after reset.
pub fn disable() {
    Registers::new().write(Register::SVR, 0xff);
}

/// Ends the interrupt in service.
pub fn end_interrupt() {
    Registers::new().end_interrupt();
}

/// The low eight bits of this processor's local APIC id.
pub fn read_id() -> u8 {
    Registers::new().id() as u8
}
