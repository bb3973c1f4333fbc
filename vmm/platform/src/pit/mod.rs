//! The interval timer of a PC: an 8254 with three channels, and the port by which the third is heard.
//!
//! Own code, because no crate has an 8254 without a thread or a hypervisor of its own.
//!
//! | offset from 40H | port | access | what |
//! |---|---|---|---|
//! | 0 | 40H | read, write | channel 0, whose OUT is interrupt request 0 |
//! | 1 | 41H | read, write | channel 1, which once refreshed memory |
//! | 2 | 42H | read, write | channel 2, which the speaker plays |
//! | 3 | 43H | write | control word, counter latch command, read-back command; not driven when read |
//! | 21H | 61H | read, write | "NMI Status and Control" of a PC, see below |
//!
//! | bit of port 61H | access | what |
//! |---|---|---|
//! | 0 | read, write | gate of channel 2 |
//! | 1 | read, write | the speaker hears OUT of channel 2 |
//! | 2, 3 | read, write | kept, without effect: NMIs of parity and of channel check are disabled |
//! | 4 | read | toggles with each refresh, every 15.085 µs, whatever channel 1 does |
//! | 5 | read | OUT of channel 2 |
//! | 6, 7 | read | 0: no NMI is pending |
//!
//! A clock passes 1,193,182 times a second: when it does is decided by the time alone, so that a write between two clocks
//! has its effect with the later.
//!
//! Sources: Intel 8254 Programmable Interval Timer data sheet; Intel ICH data sheet, "NMI_SC: NMI Status and Control
//! Register" for port 61H.

mod channel;
mod counter;
#[cfg(test)]
mod tests;

use crate::{
    fault::PitFault,
    model::{Model, Pace, Pin, Signal, read_bytes, write_bytes},
    time::{self, Nanoseconds},
};
use channel::Channel;
use serde::{Deserialize, Serialize};

/// Hertz of the clock of all channels.
pub const FREQUENCY: u64 = 1_193_182;
/// The first port.
pub const BASE: u16 = 0x40;
/// How many ports it has from there.
pub const PORTS: u16 = 4;
/// Offset of port 61H.
pub const SPEAKER_OFFSET: u64 = 0x21;
/// The one pin: OUT of channel 0.
pub const OUT_0: u8 = 0;

/// Clocks between two refreshes.
const REFRESH_CLOCKS: u64 = 18;
const CONTROL_OFFSET: u64 = 3;

/// Bits of port 61H.
const GATE_2: u8 = 1;
const SPEAKER_DATA: u8 = 1 << 1;
const WRITABLE: u8 = 0xf;
const REFRESH: u8 = 1 << 4;
const OUT_2: u8 = 1 << 5;

/// An 8254 and port 61H.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pit {
    channels: [Channel; 3],
    clocks: u64,
    port_61h: u8,
    out_0: Pin,
    pace: Pace,
}

impl Default for Pit {
    fn default() -> Self {
        Self::new()
    }
}

impl Pit {
    /// A timer that nobody has programmed: nothing counts, every output is high, and the gate of channel 2 is low.
    pub const fn new() -> Self {
        Self {
            channels: [Channel::new(true), Channel::new(true), Channel::new(false)],
            clocks: 0,
            port_61h: 0,
            out_0: Pin::new(true),
            pace: Pace::new(),
        }
    }

    /// Lets it break a rule.
    pub fn set_fault(&mut self, fault: PitFault) {
        self.channels.iter_mut().for_each(|channel| channel.counter.fault = Some(fault));
    }

    const fn breaks(&self, fault: PitFault) -> bool {
        fault.is_set(self.channels[0].counter.fault)
    }

    /// Whether the speaker's cone is out: the output of channel 2, where port 61H lets it through.
    pub const fn speaker(&self) -> bool {
        self.port_61h & SPEAKER_DATA != 0 && self.channels[2].counter.out()
    }

    fn read_byte(&mut self, offset: u64) -> u8 {
        match offset {
            0..CONTROL_OFFSET => self.channels[offset as usize].read(),
            SPEAKER_OFFSET => {
                let stands_still = self.breaks(PitFault::RefreshStandsStill);
                let is_even = (self.clocks / REFRESH_CLOCKS).is_multiple_of(2);
                let refresh = if is_even || stands_still { 0 } else { REFRESH };
                let is_shown = !self.breaks(PitFault::OutputNotShown);
                let out = if self.channels[2].counter.out() && is_shown { OUT_2 } else { 0 };
                let written = if self.breaks(PitFault::GateBitNotReadable) { 0 } else { self.port_61h };
                written | refresh | out
            }
            _ => 0xff,
        }
    }

    fn write_byte(&mut self, offset: u64, byte: u8) {
        match offset {
            0..CONTROL_OFFSET => self.channels[offset as usize].write(byte),
            CONTROL_OFFSET => self.control(byte),
            SPEAKER_OFFSET => {
                self.port_61h = byte & WRITABLE;
                self.channels[2].counter.set_gate(byte & GATE_2 != 0);
            }
            _ => {}
        }
    }

    fn control(&mut self, byte: u8) {
        const READ_BACK: u8 = 3;
        const NOT_COUNT: u8 = 1 << 5;
        const NOT_STATUS: u8 = 1 << 4;
        match (byte >> 6, byte >> 4 & 3) {
            (READ_BACK, _) => {
                let fault = self.channels[0].counter.fault;
                let breaks = |rule: PitFault| rule.is_set(fault);
                for (index, channel) in self.channels.iter_mut().enumerate() {
                    let is_left_out = index > 0 && breaks(PitFault::ReadBackOfFirstOnly);
                    if byte >> (index + 1) & 1 == 0 || is_left_out {
                        continue;
                    }
                    if byte & NOT_COUNT == 0 && !breaks(PitFault::ReadBackWithoutCount) {
                        channel.latch_count();
                    }
                    if byte & NOT_STATUS == 0 && !breaks(PitFault::ReadBackWithoutStatus) {
                        channel.latch_status();
                    }
                }
            }
            (_, 0) if self.breaks(PitFault::LatchIgnored) => {}
            (channel, 0) => self.channels[usize::from(channel)].latch_count(),
            (channel, _) => self.channels[usize::from(channel)].program(byte),
        }
    }

    /// Brings the pin to where the output is.
    fn update(&mut self) -> bool {
        if self.breaks(PitFault::NoInterrupt) {
            return false;
        }
        let counter = &mut self.channels[0].counter;
        let rises = counter.take_rises();
        self.out_0.follow(counter.out(), rises);
        rises > 0
    }
}

impl Model for Pit {
    type Output = Signal;

    fn read(&mut self, now: Nanoseconds, offset: u64, size: u8) -> u64 {
        self.advance(now);
        read_bytes(offset, size, |offset| self.read_byte(offset))
    }

    fn write(&mut self, now: Nanoseconds, offset: u64, size: u8, value: u64) {
        self.advance(now);
        write_bytes(offset, size, value, |offset, byte| self.write_byte(offset, byte));
        self.update();
    }

    fn advance(&mut self, now: Nanoseconds) {
        let clocks = time::ticks(now, FREQUENCY).saturating_sub(self.clocks);
        self.clocks += clocks;
        for channel in &mut self.channels {
            channel.counter.clock(clocks);
        }
        if self.update() {
            self.pace.fired(now);
        }
    }

    fn next_change(&self, _: Nanoseconds) -> Option<Nanoseconds> {
        let until = self.channels[0].counter.until_rise()?;
        Some(self.pace.wake(time::time_of(self.clocks.saturating_add(until), FREQUENCY)))
    }

    fn take(&mut self) -> Option<Signal> {
        self.out_0.take(OUT_0)
    }
}
