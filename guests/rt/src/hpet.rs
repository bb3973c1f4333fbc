//! The high precision event timers of a PC: registers by name, 4 or 8 bytes at a time.
//!
//! Nothing of it is restored: a virtual machine runs one case.
//!
//! Source: IA-PC HPET Specification 1.0a, "Register Model".

use crate::mmio;

/// Address of the block, which the need of it promises.
pub const BASE: u64 = 0xfed0_0000;
/// General capabilities and ID.
pub const CAPABILITIES: u64 = 0x000;
/// General configuration.
pub const CONFIGURATION: u64 = 0x010;
/// General interrupt status.
pub const STATUS: u64 = 0x020;
/// Main counter.
pub const COUNTER: u64 = 0x0f0;

/// Bits of [`CAPABILITIES`].
pub mod capability {
    /// The main counter has 64 bits.
    pub const WIDE: u64 = 1 << 13;
    /// Legacy replacement is possible.
    pub const LEGACY: u64 = 1 << 15;
}

/// Bits of [`CONFIGURATION`].
pub mod configuration {
    /// The main counter counts, and timers interrupt.
    pub const ENABLE: u64 = 1 << 0;
    /// Timers 0 and 1 take the places of the 8254 and of the real-time clock.
    pub const LEGACY: u64 = 1 << 1;
}

/// Bits of a timer's configuration and capabilities.
pub mod timer {
    /// Level-triggered.
    pub const LEVEL: u64 = 1 << 1;
    /// It interrupts.
    pub const ENABLE: u64 = 1 << 2;
    /// Periodic.
    pub const PERIODIC: u64 = 1 << 3;
    /// Read-only: it can be periodic.
    pub const PERIODIC_CAPABLE: u64 = 1 << 4;
    /// Read-only: it compares 64 bits.
    pub const WIDE: u64 = 1 << 5;
    /// The next write of the comparator sets the accumulator of a periodic timer.
    pub const SET_VALUE: u64 = 1 << 6;
    /// It compares 32 bits although it could more.
    pub const FORCE_32: u64 = 1 << 8;
    /// Lowest bit of the number of the I/O APIC's input.
    pub const ROUTE_SHIFT: u32 = 9;
    /// That number.
    pub const ROUTE: u64 = 0x1f << ROUTE_SHIFT;
    /// It interrupts by a message.
    pub const FSB: u64 = 1 << 14;
    /// Read-only: it can interrupt by a message.
    pub const FSB_CAPABLE: u64 = 1 << 15;
}

/// Reads 64 bits of a register.
pub fn read(register: u64) -> u64 {
    mmio::read_u64(BASE + register)
}

/// Writes 64 bits of a register.
pub fn write(register: u64, value: u64) {
    mmio::write_u64(BASE + register, value);
}

/// Reads the half at this offset.
pub fn read_half(offset: u64) -> u32 {
    mmio::read_u32(BASE + offset)
}

/// Writes the half at this offset.
pub fn write_half(offset: u64, value: u32) {
    mmio::write_u32(BASE + offset, value);
}

/// How many timers there are.
pub fn nr_timers() -> u64 {
    (read(CAPABILITIES) >> 8 & 0x1f) + 1
}

/// Femtoseconds of a tick of the main counter.
pub fn period() -> u64 {
    read(CAPABILITIES) >> 32
}

/// Ticks of the main counter in so many microseconds.
pub fn ticks(micros: u64) -> u64 {
    micros.saturating_mul(1_000_000_000) / period().max(1)
}

/// Stops the main counter, disables all timers, clears what is active, and sets the main counter.
pub fn reset(counter: u64) {
    write(CONFIGURATION, 0);
    for index in 0..nr_timers() {
        write(Timer(index).configuration_at(), 0);
    }
    write(STATUS, u64::from(u32::MAX));
    write(COUNTER, counter);
}

/// Lets the main counter count, with these bits beside that.
pub fn start(bits: u64) {
    write(CONFIGURATION, configuration::ENABLE | bits);
}

/// Stops the main counter.
pub fn stop() {
    write(CONFIGURATION, 0);
}

/// A timer by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer(pub u64);

impl Timer {
    /// Offset of its configuration and capabilities.
    pub const fn configuration_at(self) -> u64 {
        0x100 + 0x20 * self.0
    }

    /// Offset of its comparator.
    pub const fn comparator_at(self) -> u64 {
        self.configuration_at() + 8
    }

    /// Offset of its FSB interrupt route.
    pub const fn route_at(self) -> u64 {
        self.configuration_at() + 0x10
    }

    /// Reads configuration and capabilities.
    pub fn configuration(self) -> u64 {
        read(self.configuration_at())
    }

    /// Writes the configuration.
    pub fn configure(self, bits: u64) {
        write(self.configuration_at(), bits);
    }

    /// Whether it has all of these capabilities.
    pub fn can(self, capabilities: u64) -> bool {
        self.configuration() & capabilities == capabilities
    }

    /// The inputs of I/O APICs that it can be routed to, a bit each.
    pub fn routes(self) -> u32 {
        (self.configuration() >> 32) as u32
    }

    /// Reads the comparator.
    pub fn comparator(self) -> u64 {
        read(self.comparator_at())
    }

    /// Writes the comparator.
    pub fn compare(self, value: u64) {
        write(self.comparator_at(), value);
    }

    /// Its bit of [`STATUS`].
    pub const fn bit(self) -> u64 {
        1 << self.0
    }

    /// Whether it is active, as a level-triggered timer tells it.
    pub fn is_active(self) -> bool {
        read(STATUS) & self.bit() != 0
    }
}
