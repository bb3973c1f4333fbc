//! What counts in an 8254: the counting element with its gate and its output, in each of the six modes.
//!
//! Source: Intel 8254 Programmable Interval Timer, "Mode Definitions" and "Operation Common to All Modes".

use crate::fault::PitFault;
use serde::{Deserialize, Serialize};

/// Modes of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mode {
    InterruptOnTerminalCount,
    HardwareRetriggerableOneShot,
    RateGenerator,
    SquareWave,
    SoftwareTriggeredStrobe,
    HardwareTriggeredStrobe,
}

impl Mode {
    /// The mode of the field M of a control word, whose highest bit is "don't care" for two of them.
    pub(super) const fn of(field: u8) -> Self {
        match field & 7 {
            0 => Self::InterruptOnTerminalCount,
            1 => Self::HardwareRetriggerableOneShot,
            2 | 6 => Self::RateGenerator,
            3 | 7 => Self::SquareWave,
            4 => Self::SoftwareTriggeredStrobe,
            _ => Self::HardwareTriggeredStrobe,
        }
    }

    /// Whether it counts again and again.
    const fn is_periodic(self) -> bool {
        matches!(self, Self::RateGenerator | Self::SquareWave)
    }

    /// Whether a rising gate loads the count.
    const fn is_triggered_by_gate(self) -> bool {
        !matches!(self, Self::InterruptOnTerminalCount | Self::SoftwareTriggeredStrobe)
    }

    /// Whether a low gate stops counting.
    const fn is_stopped_by_gate(self) -> bool {
        !matches!(self, Self::HardwareRetriggerableOneShot | Self::HardwareTriggeredStrobe)
    }
}

/// The counting element, with the whole count that was written to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counter {
    mode: Mode,
    /// It counts from 9999 instead of FFFFH after zero.
    bcd: bool,
    gate: bool,
    out: bool,
    /// How often OUT has risen since this was taken.
    rises: u64,
    /// The count of now. After a load of 0 it stands for the whole range.
    value: u32,
    /// The count with which it was last loaded.
    loaded: u32,
    /// The count written since the last control word.
    initial: Option<u32>,
    /// "Null count": what was written is not loaded yet.
    null: bool,
    /// The next clock loads.
    load: bool,
    /// It was loaded since the last control word.
    running: bool,
    /// Half of a count is written in mode 0, which stops counting.
    held: bool,
    /// The one event of a mode that is not periodic has been.
    expired: bool,
    /// OUT is low for the one clock of a strobe.
    strobe: bool,
    #[serde(skip)]
    pub(super) fault: Option<PitFault>,
}

impl Counter {
    /// A counter without a count. What it would do at power-on is not defined; this one stands still with a high output.
    pub(super) const fn new(gate: bool) -> Self {
        Self {
            mode: Mode::SquareWave,
            bcd: false,
            gate,
            out: true,
            rises: 0,
            value: 0,
            loaded: 0,
            initial: None,
            null: true,
            load: false,
            running: false,
            held: false,
            expired: false,
            strobe: false,
            fault: None,
        }
    }

    const fn breaks(&self, fault: PitFault) -> bool {
        fault.is_set(self.fault)
    }

    /// A control word: the output takes its initial state at once, and all else waits for a count.
    pub(super) fn program(&mut self, mode: Mode, bcd: bool) {
        let (gate, out, rises, value, fault) = (self.gate, self.out, self.rises, self.value, self.fault);
        let bcd = bcd && !self.breaks(PitFault::BcdIgnored);
        let mode = match mode {
            Mode::RateGenerator if self.breaks(PitFault::RateIsSquare) => Mode::SquareWave,
            Mode::SquareWave if self.breaks(PitFault::SquareIsRate) => Mode::RateGenerator,
            mode => mode,
        };
        let rest = if self.breaks(PitFault::ControlKeepsCount) { self.clone() } else { Self::new(gate) };
        *self = Self { mode, bcd, out, rises, value, fault, ..rest };
        self.set_out(mode != Mode::InterruptOnTerminalCount || self.breaks(PitFault::ModeZeroBeginsHigh));
    }

    /// The first of two bytes is written: "writing the first byte disables counting. OUT is set low immediately" in mode
    /// 0; other modes ignore it.
    pub(super) fn first_byte(&mut self) {
        if self.mode == Mode::InterruptOnTerminalCount && !self.breaks(PitFault::FirstByteDoesNotHold) {
            (self.held, self.load) = (true, false);
            self.set_out(false);
        }
    }

    /// A count is written as a whole, in binary or BCD as programmed.
    pub(super) fn write(&mut self, count: u16) {
        let number = if self.bcd { from_bcd(count) } else { count.into() };
        self.initial = Some(match number % self.range() {
            0 if self.breaks(PitFault::ZeroIsOne) => 1,
            0 => self.range(),
            number => number,
        });
        self.null = !self.breaks(PitFault::NullCountNeverSet);
        match self.mode {
            Mode::InterruptOnTerminalCount => {
                (self.held, self.load) = (false, true);
                self.set_out(false);
            }
            Mode::SoftwareTriggeredStrobe => self.load = true,
            // What stands still with an illegal count has no end of a cycle at which to load.
            Mode::RateGenerator | Mode::SquareWave => {
                self.load |= !self.running || self.loaded < 2 || self.breaks(PitFault::CountLoadedAtOnce);
            }
            Mode::HardwareRetriggerableOneShot | Mode::HardwareTriggeredStrobe => {}
        }
    }

    /// The gate input. Its rising edge triggers, its low level stops, depending on the mode.
    pub(super) fn set_gate(&mut self, gate: bool) {
        let rose = gate && !self.gate;
        self.gate = gate;
        if rose
            && self.mode.is_triggered_by_gate()
            && self.initial.is_some()
            && !self.breaks(PitFault::GateDoesNotTrigger)
        {
            self.load = true;
        }
        if !gate && self.mode.is_periodic() && !self.breaks(PitFault::GateLeavesOutput) {
            self.set_out(true);
        }
    }

    pub(super) const fn out(&self) -> bool {
        self.out
    }

    pub(super) const fn null(&self) -> bool {
        self.null
    }

    /// The count of now as it is read.
    pub(super) const fn value(&self) -> u16 {
        let value = self.value % self.range();
        if self.bcd { to_bcd(value) } else { value as u16 }
    }

    /// How often OUT has risen since the last call.
    pub(super) fn take_rises(&mut self) -> u64 {
        std::mem::take(&mut self.rises)
    }

    /// Lets clocks pass.
    pub(super) fn clock(&mut self, mut clocks: u64) {
        while clocks > 0 {
            if self.is_steady() {
                let period = u64::from(self.loaded);
                self.rises = self.rises.saturating_add(clocks / period);
                clocks %= period;
            }
            match self.until_event() {
                Some(until) if until <= clocks => {
                    self.count(until - 1);
                    self.event();
                    clocks -= until;
                }
                _ => {
                    self.count(clocks);
                    return;
                }
            }
        }
    }

    /// Clocks until OUT rises by itself, if it will.
    pub(super) fn until_rise(&self) -> Option<u64> {
        // Load, fall and rise, each at most twice, are all that can lie before.
        const EVENTS: usize = 6;
        let mut ahead = self.clone();
        ahead.rises = 0;
        let mut clocks = 0;
        for _ in 0..EVENTS {
            let until = ahead.until_event()?;
            ahead.count(until - 1);
            ahead.event();
            clocks += until;
            if ahead.rises > 0 {
                return Some(clocks);
            }
        }
        None
    }

    const fn range(&self) -> u32 {
        if self.bcd { 10_000 } else { 0x1_0000 }
    }

    fn set_out(&mut self, out: bool) {
        self.rises = self.rises.saturating_add(u64::from(out && !self.out));
        self.out = out;
    }

    const fn is_counting(&self) -> bool {
        self.running
            && !self.held
            && (self.gate || !self.mode.is_stopped_by_gate() || self.breaks(PitFault::GateDoesNotStop))
    }

    /// Whether it does the same again after each period. A count of 1 is illegal in these modes; it stands still.
    const fn is_steady(&self) -> bool {
        self.mode.is_periodic() && self.is_counting() && !self.load && !self.null && self.loaded > 1
    }

    /// Clocks until something other than counting down happens.
    const fn until_event(&self) -> Option<u64> {
        if self.load || self.strobe {
            return Some(1);
        }
        if !self.is_counting() {
            return None;
        }
        let value = self.value as u64;
        match self.mode {
            Mode::RateGenerator | Mode::SquareWave if self.loaded < 2 => None,
            Mode::RateGenerator if value > 1 => Some(value - 1),
            Mode::RateGenerator => Some(1),
            // "One CLK pulse after the count expires, OUT goes low" for odd counts.
            Mode::SquareWave if self.out => Some(value / 2 + self.loaded as u64 % 2),
            Mode::SquareWave => Some(value / 2),
            _ if self.expired => None,
            _ if value == 0 => Some(self.range() as u64),
            _ => Some(value),
        }
    }

    /// Counts down, by clocks before the next event.
    const fn count(&mut self, clocks: u64) {
        if !self.is_counting() || (self.mode.is_periodic() && self.loaded < 2) {
            return;
        }
        let range = self.range() as u64;
        self.value = match self.mode {
            Mode::RateGenerator => self.value - clocks as u32,
            Mode::SquareWave => self.value - 2 * clocks as u32,
            _ => ((self.value as u64 + range - clocks % range) % range) as u32,
        };
    }

    /// The clock that makes an event.
    fn event(&mut self) {
        if self.load {
            self.load_count();
            match self.mode {
                Mode::InterruptOnTerminalCount | Mode::HardwareRetriggerableOneShot => self.set_out(false),
                _ => self.set_out(true),
            }
        } else if self.strobe {
            self.strobe = false;
            self.set_out(true);
            self.count(1);
        } else {
            match self.mode {
                Mode::RateGenerator if self.value > 1 => {
                    self.value = 1;
                    self.set_out(false);
                }
                Mode::RateGenerator => {
                    self.load_count();
                    self.set_out(true);
                }
                Mode::SquareWave => {
                    self.load_count();
                    self.set_out(!self.out);
                }
                Mode::InterruptOnTerminalCount | Mode::HardwareRetriggerableOneShot => {
                    (self.value, self.expired) = (0, true);
                    self.set_out(true);
                    if self.breaks(PitFault::OneShotRepeats) {
                        self.load_count();
                        self.set_out(false);
                    }
                }
                Mode::SoftwareTriggeredStrobe | Mode::HardwareTriggeredStrobe => {
                    (self.value, self.expired, self.strobe) = (0, true, !self.breaks(PitFault::NoStrobe));
                    self.set_out(!self.strobe);
                }
            }
        }
    }

    fn load_count(&mut self) {
        self.loaded = self.initial.unwrap_or(self.range());
        // "The initial count minus one (an even number) is loaded" for odd counts.
        self.value = if self.mode == Mode::SquareWave { self.loaded & !1 } else { self.loaded };
        (self.null, self.load, self.running, self.expired, self.strobe) = (false, false, true, false, false);
    }
}

/// The number that four digits stand for. Digits above nine count as what they are; what an 8254 makes of them is not
/// defined.
fn from_bcd(digits: u16) -> u32 {
    [12, 8, 4, 0].into_iter().fold(0, |number, shift| number * 10 + u32::from(digits >> shift & 0xf))
}

/// The four digits of a number below 10,000.
const fn to_bcd(number: u32) -> u16 {
    (number / 1_000 % 10 * 0x1000 + number / 100 % 10 * 0x100 + number / 10 % 10 * 0x10 + number % 10) as u16
}
