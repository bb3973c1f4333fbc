//! The high precision event timers of a PC.
//!
//! Own code, because no crate has an HPET without a hypervisor of its own.
//!
//! | offset | access | what |
//! |---|---|---|
//! | 000H | read | period in femtoseconds (63:32), vendor (31:16), legacy replacement (15), 64-bit counter (13), last timer (12:8), revision (7:0) |
//! | 010H | read, write | enable (0), legacy replacement (1) |
//! | 020H | read, write 1 to clear | which level-triggered timers are active |
//! | 0F0H | read, write | main counter |
//! | 100H + 20H × n | read, write | configuration and capabilities of timer n |
//! | 108H + 20H × n | read, write | comparator of timer n |
//! | 110H + 20H × n | read | FSB route of timer n: zero, since no timer offers delivery by the FSB |
//!
//! Everything else in the range is reserved: zero, and not written. An access is 4 or 8 bytes, aligned to its size; what
//! another does is not defined, and here it reads ones and writes nothing.
//!
//! The specification leaves open what a match is. Here it is the tick with which the main counter *becomes* what the
//! comparator holds: neither a write of either nor starting the counter makes one.
//!
//! Source: IA-PC HPET (High Precision Event Timers) Specification 1.0a, "Register Model" and "Theory of Operation".

mod timer;

#[cfg(test)]
mod tests;

use crate::{
    fault::HpetFault,
    model::{Model, Pace, Pin, Signal},
    time::{self, Nanoseconds},
};
use timer::Timer;

use serde::{Deserialize, Serialize};
pub use timer::Capabilities;

/// Hertz of the main counter.
pub const FREQUENCY: u64 = 100_000_000;
/// Femtoseconds of a tick of the main counter.
pub const PERIOD_FS: u32 = 10_000_000;
/// Size of the range of registers in bytes.
pub const SIZE_BYTES: u64 = 0x400;
/// Pins below this are the inputs of I/O APICs to which timers are routed, by global system interrupt.
pub const ROUTED_PINS: u8 = 32;
/// What takes the place of the 8254's output in legacy replacement: request 0 of the 8259s, input 2 of the I/O APIC.
pub const LEGACY_TIMER: u8 = 32;
/// What takes the place of the RTC's output in legacy replacement: request 8 of the 8259s, input 8 of the I/O APIC.
pub const LEGACY_RTC: u8 = 33;

const PINS: usize = 34;
/// A block has at most as many timers.
const MAX_TIMERS: usize = 32;

const CAPABILITIES: u64 = 0;
const CONFIGURATION: u64 = 0x10;
const STATUS: u64 = 0x20;
const COUNTER: u64 = 0xf0;
const TIMERS: u64 = 0x100;
const TIMER_SIZE: u64 = 0x20;
const COMPARATOR: u64 = 8;

const VENDOR: u64 = 0x8086;
const REVISION: u64 = 1;
const WIDE_COUNTER: u64 = 1 << 13;
const LEGACY_CAPABLE: u64 = 1 << 15;
const ENABLE: u64 = 1;
const LEGACY: u64 = 1 << 1;

/// The timers of [`Hpet::default`]: each kind once.
const KINDS: [Capabilities; 4] = [
    Capabilities { periodic: true, wide: true, routes: 0x00f0_0000 },
    Capabilities { periodic: true, wide: false, routes: 0x00f0_0000 },
    Capabilities { periodic: false, wide: true, routes: 0x00f0_0800 },
    Capabilities { periodic: false, wide: false, routes: 0x00f0_0000 },
];

/// A block of timers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hpet {
    #[serde(deserialize_with = "timer::deserialize")]
    timers: Vec<Timer>,
    configuration: u64,
    status: u64,
    counter: u64,
    /// Ticks of the clock that have passed, whether the counter stood still or not.
    ticks: u64,
    #[serde(with = "crate::array")]
    pins: [Pin; PINS],
    pace: Pace,
    #[serde(skip)]
    fault: Option<HpetFault>,
}

impl Default for Hpet {
    /// Four timers: periodic or not, with 64 bits or 32, which can be routed to inputs 20 to 23, and the third also to 11.
    fn default() -> Self {
        Self::new(&KINDS)
    }
}

impl Hpet {
    /// A block with these timers, of which the first 32 are taken. The specification wants three or more, and the first
    /// periodic.
    pub fn new(timers: &[Capabilities]) -> Self {
        Self {
            timers: timers.iter().take(MAX_TIMERS).map(|capabilities| Timer::new(*capabilities)).collect(),
            configuration: 0,
            status: 0,
            counter: 0,
            ticks: 0,
            pins: [Pin::new(false); PINS],
            pace: Pace::new(),
            fault: None,
        }
    }

    /// Lets it break a rule.
    pub fn set_fault(&mut self, fault: HpetFault) {
        self.fault = Some(fault);
        self.timers.iter_mut().for_each(|timer| timer.set_fault(fault));
    }

    const fn breaks(&self, fault: HpetFault) -> bool {
        fault.is_set(self.fault)
    }

    /// Whether timers 0 and 1 have taken the places of the 8254 and the RTC, whose interrupts then go nowhere.
    pub const fn is_legacy_replacement(&self) -> bool {
        self.configuration & LEGACY != 0 && !self.breaks(HpetFault::LegacyIgnored)
    }

    const fn is_enabled(&self) -> bool {
        self.configuration & ENABLE != 0
    }

    fn pin_of(&self, index: usize) -> Option<u8> {
        match index {
            0 if self.is_legacy_replacement() => Some(LEGACY_TIMER),
            1 if self.is_legacy_replacement() => Some(LEGACY_RTC),
            _ => self.timers.get(index)?.route(),
        }
    }

    fn capabilities(&self) -> u64 {
        let last = self.timers.len().saturating_sub(1) as u64;
        u64::from(PERIOD_FS) << 32 | VENDOR << 16 | LEGACY_CAPABLE | WIDE_COUNTER | last << 8 | REVISION
    }

    /// Timer and register within it.
    fn timer_at(&self, offset: u64) -> Option<(usize, u64)> {
        let offset = offset.checked_sub(TIMERS)?;
        let index = usize::try_from(offset / TIMER_SIZE).ok().filter(|index| *index < self.timers.len())?;
        Some((index, offset % TIMER_SIZE))
    }

    fn read_register(&self, register: u64) -> u64 {
        match (register, self.timer_at(register)) {
            (CAPABILITIES, _) => self.capabilities(),
            (CONFIGURATION, _) => self.configuration,
            (STATUS, _) => self.status,
            (COUNTER, _) => self.counter,
            (_, Some((index, 0))) => self.timers[index].configuration(),
            (_, Some((index, COMPARATOR))) => self.timers[index].comparator(),
            _ => 0,
        }
    }

    fn write_register(&mut self, register: u64, value: u64, mask: u64) {
        match (register, self.timer_at(register)) {
            (CONFIGURATION, _) => {
                let writable = mask & (ENABLE | LEGACY);
                let was_enabled = self.is_enabled();
                self.configuration = self.configuration & !writable | value & writable;
                if self.breaks(HpetFault::EnableResetsCounter) && self.is_enabled() && !was_enabled {
                    self.counter = 0;
                }
            }
            (STATUS, _) if self.breaks(HpetFault::StatusNotCleared) => {}
            (STATUS, _) if self.breaks(HpetFault::StatusClearedByZero) => self.status &= value & mask,
            (STATUS, _) => self.status &= !(value & mask),
            (COUNTER, _) if self.breaks(HpetFault::CounterReadOnly) => {}
            (COUNTER, _) => self.counter = self.counter & !mask | value & mask,
            (_, Some((index, 0))) => {
                self.timers[index].configure(value, mask);
                if !self.timers[index].is_level() {
                    self.status &= !(1 << index);
                }
            }
            (_, Some((index, COMPARATOR))) => self.timers[index].compare(value, mask),
            _ => {}
        }
    }

    /// Brings each pin to the level that the timers routed to it make together.
    fn update(&mut self) {
        let mut levels = [false; PINS];
        for (index, timer) in self.timers.iter().enumerate() {
            let is_enabled = timer.is_enabled() || self.breaks(HpetFault::DisabledTimerFires);
            let is_told = self.status >> index & 1 != 0 && !self.breaks(HpetFault::LevelIsEdge);
            let active = self.is_enabled() && is_enabled && is_told;
            if let (true, Some(pin)) = (active, self.pin_of(index)) {
                levels[usize::from(pin)] = true;
            }
        }
        for (pin, level) in self.pins.iter_mut().zip(levels) {
            pin.set(level);
        }
    }
}

/// The register an access goes to, how far the access is shifted within it, and the bits it covers.
const fn decode(offset: u64, size: u8) -> Option<(u64, u32, u64)> {
    if offset >= SIZE_BYTES {
        return None;
    }
    match (size, offset % 8) {
        (8, 0) => Some((offset, 0, u64::MAX)),
        (4, 0) => Some((offset, 0, u32::MAX as u64)),
        (4, 4) => Some((offset - 4, 32, !(u32::MAX as u64))),
        _ => None,
    }
}

impl Model for Hpet {
    type Output = Signal;

    fn read(&mut self, now: Nanoseconds, offset: u64, size: u8) -> u64 {
        self.advance(now);
        decode(offset, size).map_or(u64::MAX, |(register, shift, mask)| (self.read_register(register) & mask) >> shift)
    }

    fn write(&mut self, now: Nanoseconds, offset: u64, size: u8, value: u64) {
        self.advance(now);
        if let Some((register, shift, mask)) = decode(offset, size) {
            self.write_register(register, value << shift, mask);
            self.update();
        }
    }

    fn advance(&mut self, now: Nanoseconds) {
        let ticks = time::ticks(now, FREQUENCY).saturating_sub(self.ticks);
        self.ticks += ticks;
        if !self.is_enabled() || ticks == 0 {
            if self.breaks(HpetFault::CountsWhileDisabled) {
                self.counter = self.counter.wrapping_add(ticks);
            }
            return;
        }
        for index in 0..self.timers.len() {
            let pin = self.pin_of(index);
            let timer = &mut self.timers[index];
            let matches = timer.count(self.counter, ticks);
            if matches == 0 {
                continue;
            }
            let was = self.status;
            let is_level = timer.is_level() && !HpetFault::LevelIsEdge.is_set(self.fault);
            if timer.is_level() && !HpetFault::StatusNeverSet.is_set(self.fault) {
                self.status |= 1 << index;
            }
            let is_enabled = timer.is_enabled() || HpetFault::DisabledTimerFires.is_set(self.fault);
            if let (true, Some(pin)) = (is_enabled, pin) {
                if !is_level {
                    let pin = &mut self.pins[usize::from(pin)];
                    pin.follow(pin.is_high(), matches);
                }
                if !is_level || was != self.status {
                    self.pace.fired(now);
                }
            }
        }
        self.counter = self.counter.wrapping_add(ticks);
        self.update();
    }

    fn next_change(&self, _: Nanoseconds) -> Option<Nanoseconds> {
        if !self.is_enabled() {
            return None;
        }
        let timers = self.timers.iter().enumerate();
        let due = timers
            .filter(|(index, timer)| {
                let told = timer.is_level() && self.status >> index & 1 != 0;
                timer.is_enabled() && !told && self.pin_of(*index).is_some()
            })
            .map(|(_, timer)| timer.until_match(self.counter))
            .min()?;
        let ticks = u64::try_from(due).ok()?.checked_add(self.ticks)?;
        Some(time::time_of(ticks, FREQUENCY)).filter(|due| *due < Nanoseconds::MAX).map(|due| self.pace.wake(due))
    }

    fn take(&mut self) -> Option<Signal> {
        (0_u8..).zip(&mut self.pins).find_map(|(number, pin)| pin.take(number))
    }
}
