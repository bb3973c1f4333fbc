//! The real-time clock of a PC, an MC146818 with its memory.
//!
//! Nothing of it is restored: a virtual machine runs one case.
//!
//! Sources: MC146818A, "Address Map", "Registers"; ICH9, "Real Time Clock Registers".

use crate::cpu::port;

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;
/// Bit 7 of the index port: no NMI. It is no part of the index.
pub const NO_NMI: u8 = 1 << 7;

/// The bytes of the time, by their index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// 0 to 59.
    pub second: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 23, or 1 to 12 with bit 7 in the afternoon.
    pub hour: u8,
    /// 1 to 7, Sunday first.
    pub weekday: u8,
    /// 1 to 31.
    pub day: u8,
    /// 1 to 12.
    pub month: u8,
    /// 0 to 99.
    pub year: u8,
}

/// Indices of second, minute, hour, day of the week, day, month and year.
pub const TIME: [u8; 7] = [0, 2, 4, 6, 7, 8, 9];
/// Indices of the alarm: second, minute, hour.
pub const ALARM: [u8; 3] = [1, 3, 5];
/// Register A.
pub const A: u8 = 0x0a;
/// Register B.
pub const B: u8 = 0x0b;
/// Register C, which a read clears.
pub const C: u8 = 0x0c;
/// Register D.
pub const D: u8 = 0x0d;
/// The bytes of memory.
pub const MEMORY: core::ops::RangeInclusive<u8> = 0x0e..=0x7f;

/// Bits of register A.
pub mod a {
    /// An update is in progress, or begins within 244 µs.
    pub const UPDATING: u8 = 1 << 7;
    /// The divider runs at the 32,768 Hz of a PC.
    pub const RUNS: u8 = 0x20;
    /// The divider is held in reset.
    pub const RESET: u8 = 0x70;
}

/// Bits of register B.
pub mod b {
    /// No updates.
    pub const SET: u8 = 1 << 7;
    /// Binary numbers instead of BCD.
    pub const BINARY: u8 = 1 << 2;
    /// Hours from 0 to 23.
    pub const HOURS_24: u8 = 1 << 1;
}

/// Bits of register C, and of B, where those of the flags enable them.
pub mod flag {
    /// An enabled flag is set; in register C only.
    pub const REQUEST: u8 = 1 << 7;
    /// Periodic.
    pub const PERIODIC: u8 = 1 << 6;
    /// Alarm.
    pub const ALARM: u8 = 1 << 5;
    /// An update has ended.
    pub const UPDATED: u8 = 1 << 4;
    /// The three.
    pub const ALL: u8 = PERIODIC | ALARM | UPDATED;
}

/// Reads the byte at an index; bit 7 of it is written to the index port too.
pub fn read(index: u8) -> u8 {
    port::write_u8(INDEX, index);
    port::read_u8(DATA)
}

/// Writes the byte at an index; bit 7 of it is written to the index port too.
pub fn write(index: u8, value: u8) {
    port::write_u8(INDEX, index);
    port::write_u8(DATA, value);
}

/// Reads register C again: the index stands there. Half the accesses of [`read`].
pub fn read_again() -> u8 {
    port::read_u8(DATA)
}

/// Reads the bytes of the time, as they are: the caller sees to it that no update comes between.
pub fn time() -> Time {
    let [second, minute, hour, weekday, day, month, year] = TIME.map(read);
    Time { second, minute, hour, weekday, day, month, year }
}

/// Reads the bytes of the time in the order of [`TIME`] when no update comes between: twice the same, with UIP clear before.
/// `None` if that never was.
pub fn steady_time() -> Option<[u8; 7]> {
    const ATTEMPTS: u32 = 1_000;
    for _ in 0..ATTEMPTS {
        if read(A) & a::UPDATING != 0 {
            continue;
        }
        let time = TIME.map(read);
        if TIME.map(read) == time {
            return Some(time);
        }
    }
    None
}

/// Writes the bytes of the time.
pub fn set_time(time: Time) {
    let Time { second, minute, hour, weekday, day, month, year } = time;
    for (index, byte) in TIME.into_iter().zip([second, minute, hour, weekday, day, month, year]) {
        write(index, byte);
    }
}

/// Writes the bytes of the alarm: second, minute, hour.
pub fn set_alarm(alarm: [u8; 3]) {
    for (index, byte) in ALARM.into_iter().zip(alarm) {
        write(index, byte);
    }
}

/// Holds the divider in reset and stops updates; clears what is pending. With these bits of register B beside SET.
pub fn hold(format: u8) {
    write(B, b::SET | format);
    write(A, a::RESET);
    let _ = read(C);
}

/// Lets the divider go, with this rate, behind register B: the first update ends half a second later.
pub fn release(register_b: u8, rate: u8) {
    write(B, register_b);
    write(A, a::RUNS | rate);
}
