//! The timer of ACPI's fixed hardware, and the status and enable bits of the PM1 event block that belong to it.
//!
//! Source: ACPI, "Power Management Timer", "PM1 Event Grouping".

use crate::{
    acpi::{Table, signature},
    cpu::port,
};

/// Hertz.
pub const FREQUENCY: u64 = 3_579_545;
/// Port of the timer, which the need of it promises.
pub const PORT: u16 = 0x608;
/// Bit 0 of PM1 status and enable: the most significant bit of the timer changed.
pub const TIMER: u16 = 1 << 0;

/// What the FADT tells of the fixed hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Port of the timer.
    pub timer: u16,
    /// 32 bits instead of 24.
    pub is_wide: bool,
    /// Port of PM1 status.
    pub status: u16,
    /// Port of PM1 enable.
    pub enable: u16,
    /// Port of PM1 control.
    pub control: u16,
    /// The interrupt request of the system control interrupt.
    pub sci: u16,
    /// Port and value that turn ACPI mode on; port 0 where it always is.
    pub acpi_on: (u16, u8),
}

/// Four letters of the FADT.
pub const FADT: u32 = signature(*b"FACP");

impl Block {
    /// Reads the FADT.
    pub fn of(fadt: Table) -> Self {
        let event = fadt.read_u32(56) as u16;
        Self {
            timer: fadt.read_u32(76) as u16,
            is_wide: fadt.read_u32(112) >> 8 & 1 != 0,
            status: event,
            enable: event + u16::from(fadt.read_u8(88) / 2),
            control: fadt.read_u32(64) as u16,
            sci: fadt.read_u16(46),
            acpi_on: (fadt.read_u32(48) as u16, fadt.read_u8(52)),
        }
    }

    /// How many bits the timer has.
    pub const fn width(&self) -> u32 {
        if self.is_wide { 32 } else { 24 }
    }
}

/// Reads the timer.
pub fn read() -> u32 {
    port::read_u32(PORT)
}
