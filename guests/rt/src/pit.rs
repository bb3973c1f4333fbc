//! The 8254 interval timer of a PC, and port 61H with the gate and the output of its third channel.
//!
//! Nothing of it is restored: a virtual machine runs one case, and no other part of the runtime relies on a channel's state.
//!
//! Sources: 8254, "Programming the 8254", "Read-Back Command"; ICH9, "NMI_SC—NMI Status and Control Register".

use crate::{
    clock::{self, tsc_khz},
    cpu::port,
};

/// Hertz of the clock of all channels.
pub const FREQUENCY: u64 = 1_193_182;

const FIRST: u16 = 0x40;
const CONTROL: u16 = 0x43;
/// Port 61H: "NMI Status and Control" of a PC.
pub const PORT_61: u16 = 0x61;
/// Bit 0 of port 61H: the gate of channel 2.
pub const GATE_2: u8 = 1 << 0;
/// Bit 5 of port 61H: the output of channel 2.
pub const OUT_2: u8 = 1 << 5;

/// Bits of a status byte (8254, "Read-Back Command"); bits 5:0 are the control word's.
pub mod status {
    /// The output.
    pub const OUT: u8 = 1 << 7;
    /// What was written is not in the counting element yet.
    pub const NULL_COUNT: u8 = 1 << 6;
}

/// What a read-back command latches, of the channels whose bits (0 to 2) are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadBack {
    /// The counts.
    pub count: bool,
    /// The status bytes.
    pub status: bool,
}

/// A channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Channel {
    /// Its output is interrupt request 0; its gate is always high.
    Zero = 0,
    /// Its output is seen nowhere; its gate is always high.
    One = 1,
    /// Its gate and its output are bits of port 61H.
    Two = 2,
}

/// Which bytes of a count are transferred: the field RW of a control word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bytes {
    /// The least significant one.
    Low = 1,
    /// The most significant one.
    High = 2,
    /// The least significant one, then the other.
    Both = 3,
}

/// The bits 5:0 of a control word: `mode` is the field M, 0 to 7.
pub const fn control_bits(bytes: Bytes, mode: u8, bcd: bool) -> u8 {
    (bytes as u8) << 4 | (mode & 7) << 1 | bcd as u8
}

impl Channel {
    /// Writes a control word with these bits 5:0.
    pub fn control(self, bits: u8) {
        port::write_u8(CONTROL, (self as u8) << 6 | bits & 0x3f);
    }

    /// Writes a byte of a count.
    pub fn write(self, byte: u8) {
        port::write_u8(FIRST + self as u16, byte);
    }

    /// Writes a count as the control word told.
    pub fn write_count(self, bytes: Bytes, count: u16) {
        let [low, high] = count.to_le_bytes();
        if bytes != Bytes::High {
            self.write(low);
        }
        if bytes != Bytes::Low {
            self.write(high);
        }
    }

    /// Reads a byte: of the status or the count, whatever is due.
    pub fn read(self) -> u8 {
        port::read_u8(FIRST + self as u16)
    }

    /// Reads a count of two bytes.
    pub fn read_count(self) -> u16 {
        let low = self.read();
        u16::from_le_bytes([low, self.read()])
    }

    /// The counter latch command.
    pub fn latch(self) {
        port::write_u8(CONTROL, (self as u8) << 6);
    }

    /// The bit of this channel for [`read_back`].
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The status byte, by a read-back command of its own.
    pub fn status(self) -> u8 {
        read_back(self.bit(), ReadBack { count: false, status: true });
        self.read()
    }

    /// Status and count of one moment, by one read-back command, of a channel with counts of two bytes.
    pub fn snapshot(self) -> (u8, u16) {
        read_back(self.bit(), ReadBack { count: true, status: true });
        let status = self.read();
        (status, self.read_count())
    }
}

/// The read-back command for the channels whose bits are set.
pub fn read_back(channels: u8, what: ReadBack) {
    let count = if what.count { 0 } else { 1 << 5 };
    let status = if what.status { 0 } else { 1 << 4 };
    port::write_u8(CONTROL, 0xc0 | count | status | (channels & 7) << 1);
}

/// Sets the gate of channel 2; the speaker stays off.
pub fn set_gate_2(high: bool) {
    let rest = port::read_u8(PORT_61) & 0xc;
    port::write_u8(PORT_61, rest | if high { GATE_2 } else { 0 });
}

/// The output of channel 2.
pub fn out_2() -> bool {
    port::read_u8(PORT_61) & OUT_2 != 0
}

/// So many clocks of the timer pass in so many counts of the time-stamp counter, rounded down; below half an hour.
pub fn clocks(ticks: u64) -> u64 {
    ticks.saturating_mul(FREQUENCY) / (tsc_khz() * 1000)
}

/// Waits for so many clocks and two more, by the time-stamp counter.
pub fn pass(clocks: u64) {
    clock::Deadline::after((clocks + 2).saturating_mul(1_000_000) / FREQUENCY + 1).wait(|| false);
}
