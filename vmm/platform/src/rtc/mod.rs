//! The real-time clock of a PC: an MC146818 with its memory.
//!
//! Own code, because `vm-superio` has the RTC of another machine, a PL031, and no crate has this one without a clock of its
//! own.
//!
//! | offset from 70H | port | access | what |
//! |---|---|---|---|
//! | 0 | 70H | write | index (6:0), disable NMI (7); not driven when read |
//! | 1 | 71H | read, write | the byte at the index |
//!
//! | index | what |
//! |---|---|
//! | 0, 2, 4 | second (whose bit 7 is read-only), minute, hour |
//! | 1, 3, 5 | second, minute and hour of the alarm; C0H to FFH match any |
//! | 6 to 9 | day of the week (Sunday is 1), day, month, year of the century |
//! | 0AH | register A: UIP (7, read-only), divider (6:4), rate (3:0) |
//! | 0BH | register B: SET (7), PIE (6), AIE (5), UIE (4), SQWE (3), DM (2), 24/12 (1), DSE (0) |
//! | 0CH | register C, read-only and cleared by reading: IRQF (7), PF (6), AF (5), UF (4) |
//! | 0DH | register D, read-only: valid RAM and time (7) |
//! | 0EH to 7FH | memory; 32H is the century, which goes on with the year as ACPI's FADT tells |
//!
//! The oscillator has 32,768 Hz, hence the divider counts with the value 2 only; others hold it in reset. The bytes of
//! the time change at the end of an update cycle, of 1,984 µs, and UIP tells of it from 244 µs before until then. The first
//! cycle begins half a second after the divider was released. Not completely as the data sheet says: time can be read
//! during the cycle, and is the old one; DSE is kept without effect, as in chipsets of today.
//!
//! Sources: MC146818 data sheet; ACPI Specification, "Fixed ACPI Description Table" for the century.

mod alarm;
mod calendar;
mod divider;
#[cfg(test)]
mod tests;

use crate::{
    fault::RtcFault,
    model::{Model, Pace, Pin, Signal, read_bytes, write_bytes},
    time::{self, Nanoseconds},
};
use alarm::Alarm;
use calendar::{Bytes, Calendar, Format};
use divider::Divider;
use serde::{Deserialize, Serialize};

/// The first port.
pub const BASE: u16 = 0x70;
/// How many ports it has from there.
pub const PORTS: u16 = 2;
/// The one pin: the interrupt output, which stays high until register C is read.
pub const IRQ: u8 = 0;
/// Index of the byte that holds the century.
pub const CENTURY: u8 = 0x32;
/// Bytes of time, registers and memory.
pub const SIZE_BYTES: usize = 128;

const REGISTER_A: u8 = 0xa;
const REGISTER_B: u8 = 0xb;
const REGISTER_C: u8 = 0xc;
const REGISTER_D: u8 = 0xd;

const UPDATE_IN_PROGRESS: u8 = 1 << 7;
const DIVIDER: u8 = 0x70;
const DIVIDER_RUNS: u8 = 0x20;
const RATE: u8 = 0xf;

const SET: u8 = 1 << 7;
const BINARY: u8 = 1 << 2;
const HOURS_24: u8 = 1 << 1;

const REQUEST: u8 = 1 << 7;
/// Flags of register C, and in register B what enables each.
const PERIODIC: u8 = 1 << 6;
const ALARM: u8 = 1 << 5;
const UPDATE_ENDED: u8 = 1 << 4;
const FLAGS: u8 = PERIODIC | ALARM | UPDATE_ENDED;

const VALID: u8 = 1 << 7;

/// A real-time clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rtc {
    time: Bytes,
    alarm: Alarm,
    #[serde(with = "crate::array")]
    memory: [u8; SIZE_BYTES],
    index: u8,
    register_a: u8,
    register_b: u8,
    flags: u8,
    divider: Divider,
    irq: Pin,
    pace: Pace,
    #[serde(skip)]
    fault: Option<RtcFault>,
}

impl Rtc {
    /// A clock that shows what the wall clock shows: nanoseconds since 1970 began, in UTC or whatever it shall show. It
    /// runs, in BCD and 24 hours, with all interrupts disabled and a rate of 1,024 Hz.
    pub fn new(wall_clock: Nanoseconds) -> Self {
        let format = Format { binary: false, hours_24: true };
        Self {
            time: Calendar::of_unix(wall_clock / time::SECOND).encode(format),
            alarm: Alarm::default(),
            memory: [0; SIZE_BYTES],
            index: 0,
            register_a: DIVIDER_RUNS | 6,
            register_b: HOURS_24,
            flags: 0,
            divider: Divider::in_step_with(wall_clock),
            irq: Pin::new(false),
            pace: Pace::new(),
            fault: None,
        }
    }

    /// Lets it break a rule.
    pub fn set_fault(&mut self, fault: RtcFault) {
        self.fault = Some(fault);
    }

    const fn breaks(&self, fault: RtcFault) -> bool {
        fault.is_set(self.fault)
    }

    /// Whether port 70H disables NMIs.
    pub const fn is_nmi_disabled(&self) -> bool {
        self.index & 0x80 != 0
    }

    /// A byte of memory, for who fills it as firmware would; zero for bytes of time and registers.
    pub fn memory(&self, index: u8) -> u8 {
        match index {
            CENTURY => self.time.century,
            _ => self.memory.get(usize::from(index)).copied().unwrap_or(0),
        }
    }

    /// Writes a byte of memory, as firmware would. Bytes of time and registers stay as they are.
    pub fn set_memory(&mut self, index: u8, byte: u8) {
        match index {
            0..=REGISTER_D => {}
            CENTURY => self.time.century = byte,
            0x7f if self.breaks(RtcFault::MemoryEndReadOnly) => {}
            _ => {
                if let Some(place) = self.memory.get_mut(usize::from(index)) {
                    *place = byte;
                }
            }
        }
    }

    const fn format(&self) -> Format {
        Format {
            binary: self.register_b & BINARY != 0 && !self.breaks(RtcFault::BinaryIgnored),
            hours_24: self.register_b & HOURS_24 != 0 || self.breaks(RtcFault::HalfDaysIgnored),
        }
    }

    const fn is_updating(&self) -> bool {
        self.register_b & SET == 0 || self.breaks(RtcFault::SetDoesNotStop)
    }

    /// Hertz of the periodic interrupt; zero if there is none.
    const fn frequency(&self) -> u64 {
        match self.register_a & RATE {
            0 => 0,
            // With 32,768 Hz, the two fastest are those of 8 and 9.
            rate @ 1..=2 if !self.breaks(RtcFault::FastestRatesTaken) => 32_768 >> (rate + 6),
            rate if self.breaks(RtcFault::PeriodsTwiceAsLong) => 32_768 >> rate,
            rate => 32_768 >> (rate - 1),
        }
    }

    const fn is_requesting(&self) -> bool {
        let enabled = if self.breaks(RtcFault::EnableIgnored) { UPDATE_ENDED } else { 0 };
        self.flags & (self.register_b | enabled) & FLAGS != 0
    }

    fn read_data(&mut self) -> u8 {
        match self.index & 0x7f {
            0 => self.time.second,
            1 => self.alarm.second,
            2 => self.time.minute,
            3 => self.alarm.minute,
            4 => self.time.hour,
            5 => self.alarm.hour,
            6 => self.time.weekday,
            7 => self.time.day,
            8 => self.time.month,
            9 => self.time.year,
            REGISTER_A => {
                let updating = self.is_updating() && self.divider.is_update_in_progress();
                let updating =
                    (updating || self.breaks(RtcFault::AlwaysInProgress)) && !self.breaks(RtcFault::NoUpdateInProgress);
                self.register_a | if updating { UPDATE_IN_PROGRESS } else { 0 }
            }
            REGISTER_B => self.register_b,
            REGISTER_C => {
                let is_told = self.is_requesting() && !self.breaks(RtcFault::RequestNeverSet);
                let (flags, request) = (self.flags, if is_told { REQUEST } else { 0 });
                self.flags &= match self.fault {
                    Some(RtcFault::FlagsNotCleared) => FLAGS,
                    Some(RtcFault::OnlyPeriodicCleared) => !PERIODIC,
                    _ => 0,
                };
                flags | request
            }
            REGISTER_D if self.breaks(RtcFault::BatteryEmpty) => 0,
            REGISTER_D => VALID,
            index => self.memory(index),
        }
    }

    fn write_data(&mut self, now: Nanoseconds, byte: u8) {
        match self.index & 0x7f {
            0 => self.time.second = self.time.second & 0x80 | byte & 0x7f,
            1 => self.alarm.second = byte,
            2 => self.time.minute = byte,
            3 => self.alarm.minute = byte,
            4 => self.time.hour = byte,
            5 => self.alarm.hour = byte,
            6 => self.time.weekday = byte,
            7 => self.time.day = byte,
            8 => self.time.month = byte,
            9 => self.time.year = byte,
            REGISTER_A => {
                let progress = if self.breaks(RtcFault::ProgressWritable) { UPDATE_IN_PROGRESS } else { 0 };
                self.register_a = byte & (DIVIDER | RATE | progress);
                self.divider.run(now, byte & DIVIDER == DIVIDER_RUNS || self.breaks(RtcFault::DividerNeverReset));
            }
            REGISTER_B => {
                // "SET going high" clears the enable of the update-ended interrupt.
                let rises = byte & SET != 0 && self.is_updating() && !self.breaks(RtcFault::SetKeepsEnable);
                self.register_b = if rises { byte & !UPDATE_ENDED } else { byte };
            }
            REGISTER_C if self.breaks(RtcFault::FlagsWritable) => self.flags = byte & FLAGS,
            REGISTER_C | REGISTER_D => {}
            index => self.set_memory(index, byte),
        }
    }

    /// The alarm as it is compared.
    fn alarm_due(&self) -> Alarm {
        if !self.breaks(RtcFault::AlarmCaresAlways) {
            return self.alarm;
        }
        // Bytes that no time has.
        let caring = |byte: u8| if byte >= 0xc0 { 0xbf } else { byte };
        Alarm { second: caring(self.alarm.second), minute: caring(self.alarm.minute), hour: caring(self.alarm.hour) }
    }

    fn follow_enables(&mut self) {
        if self.breaks(RtcFault::FlagsFollowEnables) {
            self.flags &= self.register_b;
        }
    }

    /// Ends update cycles.
    fn update(&mut self, cycles: u64) {
        let mut calendar = Calendar::decode(&self.time, self.format());
        let until = self.alarm_due().until(calendar.second_of_day, self.format());
        if until.is_some_and(|until| until <= cycles) && !self.breaks(RtcFault::NoAlarm) {
            self.flags |= ALARM;
        }
        let before = calendar;
        let weekday = self.time.weekday;
        calendar.add(if self.breaks(RtcFault::TimeStandsStill) { 0 } else { cycles });
        if self.breaks(RtcFault::NoLeapDays) {
            calendar.skip_leap_day();
        }
        let century = self.time.century;
        self.time = calendar.encode(self.format());
        if calendar.is_of_same_century(&before) {
            // The byte is the guest's, whatever it is, until a century ends.
            self.time.century = century;
        }
        if self.breaks(RtcFault::WeekdayStays) {
            self.time.weekday = weekday;
        }
        if !self.breaks(RtcFault::UpdateNotFlagged) {
            self.flags |= UPDATE_ENDED;
        }
        self.follow_enables();
    }
}

impl Model for Rtc {
    type Output = Signal;

    fn read(&mut self, now: Nanoseconds, offset: u64, size: u8) -> u64 {
        self.advance(now);
        let value = read_bytes(offset, size, |offset| if offset == 1 { self.read_data() } else { 0xff });
        self.irq.set(self.is_requesting());
        value
    }

    fn write(&mut self, now: Nanoseconds, offset: u64, size: u8, value: u64) {
        self.advance(now);
        write_bytes(offset, size, value, |offset, byte| match offset {
            0 => self.index = byte,
            1 => self.write_data(now, byte),
            _ => {}
        });
        self.irq.set(self.is_requesting());
    }

    fn advance(&mut self, now: Nanoseconds) {
        let passed = self.divider.advance(now, self.frequency());
        if passed.updates > 0 && self.is_updating() {
            self.update(passed.updates);
        }
        if passed.periods > 0 {
            self.flags |= PERIODIC;
            self.follow_enables();
        }
        if self.irq.set(self.is_requesting()) {
            self.pace.fired(now);
        }
    }

    fn next_change(&self, _: Nanoseconds) -> Option<Nanoseconds> {
        if self.is_requesting() {
            return None;
        }
        let is_enabled = |flag| self.register_b & flag != 0;
        let update = |flag| is_enabled(flag) && self.is_updating();
        let periodic = is_enabled(PERIODIC).then(|| self.divider.next_period(self.frequency())).flatten();
        let ended = update(UPDATE_ENDED).then(|| self.divider.next_update(1)).flatten();
        let second_of_day = Calendar::decode(&self.time, self.format()).second_of_day;
        let alarm = update(ALARM).then(|| self.alarm.until(second_of_day, self.format())).flatten();
        let alarm = alarm.and_then(|updates| self.divider.next_update(updates));
        [periodic, ended, alarm].into_iter().flatten().min().map(|due| self.pace.wake(due))
    }

    fn take(&mut self) -> Option<Signal> {
        self.irq.take(IRQ)
    }
}
