//! The timer ("APIC Timer").

use super::registers::LVT_TIMER_DEADLINE;
use crate::{
    fault::LocalApicFault,
    model::Pace,
    time::{Nanoseconds, ticks, time_of},
};
use serde::{Deserialize, Serialize};

/// How the timer runs: LVT bits 18:17. The reserved 11B does as 00B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimerMode {
    OneShot,
    Periodic,
    Deadline,
}

impl TimerMode {
    pub(super) const fn of(lvt: u32) -> Self {
        match lvt >> 17 & 3 {
            1 => Self::Periodic,
            2 => Self::Deadline,
            _ => Self::OneShot,
        }
    }
}

/// The time-stamp counter, as the timer compares with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeStampCounter {
    /// In hertz.
    pub frequency: u64,
    /// What it was when the VM was made; wraps.
    pub offset: u64,
}

impl TimeStampCounter {
    /// What it counts at `now`.
    pub const fn at(&self, now: Nanoseconds) -> u64 {
        ticks(now, self.frequency).wrapping_add(self.offset)
    }
}

/// The timer. It is told its mode and time with every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timer {
    frequency: u64,
    tsc: TimeStampCounter,
    initial: u32,
    divide: u32,
    /// Tick of the undivided clock at which `count` was current.
    origin: u64,
    /// Zero: stopped.
    count: u32,
    /// Zero: not armed.
    deadline: u64,
    pace: Pace,
    #[serde(skip)]
    pub(super) fault: Option<LocalApicFault>,
}

impl Timer {
    pub(super) const fn new(frequency: u64, tsc: TimeStampCounter) -> Self {
        Self { frequency, tsc, initial: 0, divide: 0, origin: 0, count: 0, deadline: 0, pace: Pace::new(), fault: None }
    }

    const fn breaks(&self, fault: LocalApicFault) -> bool {
        fault.is_set(self.fault)
    }

    /// As after reset, while the clocks go on.
    pub(super) const fn reset(&mut self) {
        *self = Self { pace: self.pace, fault: self.fault, ..Self::new(self.frequency, self.tsc) };
    }

    pub(super) const fn set_tsc_offset(&mut self, offset: u64) {
        self.tsc.offset = offset;
    }

    /// 000B of bits 3, 1 and 0 divides by 2, 110B by 128, and 111B by 1.
    const fn divisor(&self) -> u64 {
        if self.breaks(LocalApicFault::DivideIgnored) {
            return 1;
        }
        let bits = (self.divide >> 1 & 4) | self.divide & 3;
        1 << ((bits + 1) % 8)
    }

    fn elapsed(&self, now: Nanoseconds) -> u64 {
        ticks(now, self.frequency).saturating_sub(self.origin) / self.divisor()
    }

    /// Lets time pass, and says whether the timer expired, however often.
    pub(super) fn advance(&mut self, now: Nanoseconds, mode: TimerMode) -> bool {
        let expired = match mode {
            TimerMode::Deadline => {
                let due = self.deadline != 0 && self.tsc.at(now) >= self.deadline;
                if due && !self.breaks(LocalApicFault::DeadlineStays) {
                    self.deadline = 0;
                }
                // Not forever at once.
                if due && self.breaks(LocalApicFault::DeadlineStays) {
                    self.deadline = self.tsc.at(now).saturating_add(self.tsc.frequency / 100);
                }
                due
            }
            TimerMode::OneShot | TimerMode::Periodic => self.count_down(now, mode),
        };
        if expired {
            self.pace.fired(now);
        }
        expired
    }

    fn count_down(&mut self, now: Nanoseconds, mode: TimerMode) -> bool {
        let elapsed = self.elapsed(now);
        let Some(beyond) = elapsed.checked_sub(self.count.into()).filter(|_| self.count != 0) else { return false };
        let mode = match (self.fault, mode) {
            (Some(LocalApicFault::PeriodicFiresOnce), _) => TimerMode::OneShot,
            (Some(LocalApicFault::OneShotRepeats), _) => TimerMode::Periodic,
            (_, mode) => mode,
        };
        match (mode, u64::from(self.initial)) {
            (TimerMode::Periodic, period @ 1..) => {
                let whole = elapsed - beyond % period;
                self.origin = self.origin.saturating_add(whole.saturating_mul(self.divisor()));
                self.count = self.initial;
            }
            _ => self.count = 0,
        }
        true
    }

    /// When the timer expires next.
    pub(super) fn next_change(&self, now: Nanoseconds, mode: TimerMode) -> Option<Nanoseconds> {
        let due = match mode {
            TimerMode::Deadline => {
                let left = (self.deadline != 0).then(|| self.deadline.saturating_sub(self.tsc.at(now)))?;
                time_of(ticks(now, self.tsc.frequency).saturating_add(left), self.tsc.frequency)
            }
            TimerMode::OneShot | TimerMode::Periodic => {
                let left = (self.count != 0).then(|| u64::from(self.count) * self.divisor())?;
                time_of(self.origin.saturating_add(left), self.frequency)
            }
        };
        (due != Nanoseconds::MAX).then(|| self.pace.wake(due))
    }

    pub(super) const fn initial(&self) -> u32 {
        self.initial
    }

    /// In TSC-deadline mode such writes are ignored.
    pub(super) fn set_initial(&mut self, now: Nanoseconds, mode: TimerMode, initial: u32) {
        let is_taken = mode != TimerMode::Deadline || self.breaks(LocalApicFault::CountTakenInDeadlineMode);
        if is_taken && (initial != 0 || !self.breaks(LocalApicFault::ZeroDoesNotStop)) {
            (self.initial, self.count, self.origin) = (initial, initial, ticks(now, self.frequency));
        }
    }

    /// What is left at `now`, to which time must have advanced. In TSC-deadline mode nothing counts.
    pub(super) fn current(&self, now: Nanoseconds) -> u32 {
        if self.breaks(LocalApicFault::CurrentIsInitial) {
            return self.initial;
        }
        let elapsed = u32::try_from(self.elapsed(now)).unwrap_or(u32::MAX);
        self.count.saturating_sub(elapsed)
    }

    pub(super) const fn divide(&self) -> u32 {
        self.divide
    }

    /// The count goes on from where it is, at the new rate.
    pub(super) fn set_divide(&mut self, now: Nanoseconds, divide: u32) {
        self.count = self.current(now);
        self.origin = ticks(now, self.frequency);
        self.divide = divide;
    }

    /// "Transitioning between TSC-deadline mode and other timer modes also disarms the timer" ("TSC-Deadline Mode"); what
    /// runs goes on otherwise.
    pub(super) const fn change_mode(&mut self, old: u32, new: u32) {
        let old = matches!(TimerMode::of(old), TimerMode::Deadline);
        let is_deadline = matches!(TimerMode::of(new), TimerMode::Deadline);
        if old != is_deadline && !self.breaks(LocalApicFault::ModeChangeKeepsTimer) {
            (self.initial, self.count, self.deadline) = (0, 0, 0);
        }
    }

    /// Zero outside of TSC-deadline mode, as it cannot be armed there.
    pub(super) const fn deadline(&self) -> u64 {
        self.deadline
    }

    /// Whether the deadline has passed.
    pub(super) const fn is_past(&self, now: Nanoseconds) -> bool {
        self.deadline != 0 && self.tsc.at(now) >= self.deadline
    }

    /// Outside of TSC-deadline mode such writes are ignored.
    pub(super) fn set_deadline(&mut self, mode: TimerMode, deadline: u64) {
        if mode == TimerMode::Deadline {
            self.deadline = deadline;
        }
    }
}

const _: () = assert!(matches!(TimerMode::of(LVT_TIMER_DEADLINE), TimerMode::Deadline));
