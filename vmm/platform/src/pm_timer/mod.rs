//! The fixed hardware of ACPI: the power management timer, and of the PM1 blocks what a virtual machine needs.
//!
//! Own code, because no crate has these registers without a hypervisor of its own.
//!
//! | offset | size | register | what |
//! |---|---|---|---|
//! | 0 | 2 | PM1 status, write 1 to clear | TMR_STS (0), PWRBTN_STS (8), RTC_STS (10) |
//! | 2 | 2 | PM1 enable | TMR_EN (0), GBL_EN (5, without effect), PWRBTN_EN (8), RTC_EN (10) |
//! | 4 | 2 | PM1 control | SCI_EN (0, always set), BM_RLD (1, without effect), SLP_TYP (12:10), SLP_EN (13, write-only) |
//! | 8 | 4 | PM timer, read-only | counts up, 24 or 32 bits |
//!
//! Other bits, and what lies between, are zero. Accesses of any size within the block are good, as of bytes; the timer is
//! read as it is at one time. There is no SMI command port, hence ACPI mode is always on and SCI_EN cannot be cleared.
//! The system control interrupt is a level: high while a status bit and its enable bit are both set.
//!
//! Source: ACPI Specification 6.5, "ACPI Register Model": "Power Management Timer (PM_TMR)", "PM1 Event Grouping" and "PM1
//! Control Grouping".

#[cfg(test)]
mod tests;

use crate::{
    fault::PowerFault,
    model::{Model, Pin, Signal, read_bytes, write_bytes},
    time::{self, Nanoseconds},
};
use serde::{Deserialize, Serialize};

/// Hertz of the timer.
pub const FREQUENCY: u64 = 3_579_545;
/// Size of the block in bytes.
pub const SIZE_BYTES: u64 = 12;
/// Offset of the PM1 event block, of four bytes.
pub const EVENT_OFFSET: u64 = 0;
/// Offset of the PM1 control block, of two bytes.
pub const CONTROL_OFFSET: u64 = 4;
/// Offset of the timer, of four bytes.
pub const TIMER_OFFSET: u64 = 8;
/// The one pin: the system control interrupt.
pub const SCI: u8 = 0;
/// The value of SLP_TYP that means soft off, for the object `\_S5`. No other state is offered, and others are ignored.
pub const SOFT_OFF: u8 = 5;

/// Bits of status and enable.
const TIMER: u16 = 1;
const GLOBAL: u16 = 1 << 5;
const POWER_BUTTON: u16 = 1 << 8;
const RTC: u16 = 1 << 10;
const ENABLES: u16 = TIMER | GLOBAL | POWER_BUTTON | RTC;

/// Bits of control.
const SCI_ENABLE: u16 = 1;
const BUS_MASTER_RELOAD: u16 = 1 << 1;
const SLEEP_TYPE_SHIFT: u32 = 10;
const SLEEP_TYPE: u16 = 7 << SLEEP_TYPE_SHIFT;
const SLEEP_ENABLE: u16 = 1 << 13;

/// How many bits the timer has: the flag TMR_VAL_EXT of the FADT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Width {
    /// 24.
    Bits24,
    /// 32.
    Bits32,
}

impl Width {
    /// How long the most significant bit keeps a value, in ticks.
    const fn half_range(self) -> u64 {
        match self {
            Self::Bits24 => 1 << 23,
            Self::Bits32 => 1 << 31,
        }
    }
}

/// What the block gives to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The system control interrupt changed.
    Interrupt(Signal),
    /// The guest has turned the machine off.
    Off,
}

/// The timer and the PM1 blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerManagement {
    width: Width,
    /// What the timer showed when the VM was made.
    start: u32,
    /// Ticks since then.
    ticks: u64,
    status: u16,
    enable: u16,
    control: u16,
    off: bool,
    sci: Pin,
    #[serde(skip)]
    fault: Option<PowerFault>,
}

impl PowerManagement {
    /// A block whose timer begins with `start`, of which it takes as many bits as it has.
    pub const fn new(width: Width, start: u32) -> Self {
        let (control, sci) = (SCI_ENABLE, Pin::new(false));
        Self { width, start, ticks: 0, status: 0, enable: 0, control, off: false, sci, fault: None }
    }

    /// Lets it break a rule.
    pub fn set_fault(&mut self, fault: PowerFault) {
        self.fault = Some(fault);
    }

    const fn breaks(&self, fault: PowerFault) -> bool {
        fault.is_set(self.fault)
    }

    /// The power button is pressed.
    pub fn press_power_button(&mut self, now: Nanoseconds) {
        self.advance(now);
        self.status |= POWER_BUTTON;
        self.update();
    }

    /// The alarm of the real-time clock has come.
    pub fn rtc_alarm(&mut self, now: Nanoseconds) {
        self.advance(now);
        self.status |= RTC;
        self.update();
    }

    const fn count(&self) -> u64 {
        self.ticks.saturating_add(self.start as u64)
    }

    /// The block as bytes.
    fn bytes(&self) -> [u8; SIZE_BYTES as usize] {
        let nr_halves = if self.breaks(PowerFault::NarrowTimer) { 1 } else { 2 };
        let timer = (self.count() % (nr_halves * self.width.half_range())) as u32;
        let mut bytes = [0; SIZE_BYTES as usize];
        bytes[0..2].copy_from_slice(&self.status.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.enable.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.control.to_le_bytes());
        bytes[8..12].copy_from_slice(&timer.to_le_bytes());
        bytes
    }

    fn write_byte(&mut self, offset: u64, byte: u8) {
        let (shift, mask) = if offset.is_multiple_of(2) { (0, 0xff) } else { (8, 0xff00) };
        let value = u16::from(byte) << shift;
        let written = |old: u16, writable: u16| old & !(writable & mask) | value & writable & mask;
        match offset {
            0 | 1 if self.breaks(PowerFault::StatusNotCleared) => {}
            0 | 1 if self.breaks(PowerFault::StatusClearedByZero) => self.status &= value | !mask,
            0 | 1 => self.status &= !value,
            4 | 5 if self.breaks(PowerFault::SleepTypeLost) => {}
            8..12 if self.breaks(PowerFault::TimerResetByWrites) => self.start = 0_u32.wrapping_sub(self.ticks as u32),
            2 | 3 => self.enable = written(self.enable, ENABLES),
            4 | 5 => {
                self.control = written(self.control, BUS_MASTER_RELOAD | SLEEP_TYPE);
                let sleep_type = (self.control & SLEEP_TYPE) >> SLEEP_TYPE_SHIFT;
                self.off |= value & SLEEP_ENABLE != 0 && sleep_type == SOFT_OFF.into();
            }
            _ => {}
        }
    }

    /// Brings the interrupt to its level.
    fn update(&mut self) {
        let enable = if self.breaks(PowerFault::EnableIgnored) { TIMER } else { self.enable };
        self.sci.set(self.status & enable != 0 && !self.breaks(PowerFault::NoInterrupt));
    }
}

impl Model for PowerManagement {
    type Output = Output;

    fn read(&mut self, now: Nanoseconds, offset: u64, size: u8) -> u64 {
        self.advance(now);
        let bytes = self.bytes();
        let byte = |offset| usize::try_from(offset).ok().and_then(|offset| bytes.get(offset).copied());
        read_bytes(offset, size, |offset| byte(offset).unwrap_or(0xff))
    }

    fn write(&mut self, now: Nanoseconds, offset: u64, size: u8, value: u64) {
        self.advance(now);
        write_bytes(offset, size, value, |offset, byte| self.write_byte(offset, byte));
        self.update();
    }

    fn advance(&mut self, now: Nanoseconds) {
        let halves = self.count() / self.width.half_range();
        self.ticks = self.ticks.max(time::ticks(now, FREQUENCY));
        // "This bit gets set any time the most significant bit of a 24/32-bit counter changes", in either direction.
        if self.count() / self.width.half_range() != halves && !self.breaks(PowerFault::NoTimerStatus) {
            self.status |= TIMER;
            self.update();
        }
    }

    fn next_change(&self, _: Nanoseconds) -> Option<Nanoseconds> {
        if self.enable & TIMER == 0 || self.sci.is_high() {
            return None;
        }
        let half = self.width.half_range();
        let ticks = self.ticks.saturating_add(half - self.count() % half);
        // Half a range is seconds: there is no need to keep wake-ups apart.
        Some(time::time_of(ticks, FREQUENCY))
    }

    fn take(&mut self) -> Option<Output> {
        if std::mem::take(&mut self.off) {
            return Some(Output::Off);
        }
        self.sci.take(SCI).map(Output::Interrupt)
    }
}
