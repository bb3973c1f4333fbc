//! The divider of a real-time clock: when update cycles end, and when periods do.
//!
//! Source: MC146818 data sheet, "Divider Stages", "Update Cycle" and "Periodic Interrupt Selection".

use crate::time::{self, Nanoseconds, SECOND};
use serde::{Deserialize, Serialize};

/// How long an update cycle takes with an oscillator of 32,768 Hz.
const UPDATE_CYCLE: Nanoseconds = 1_984_000;
/// How long before a cycle the bit UIP rises.
const BEFORE_UPDATE: Nanoseconds = 244_000;
/// When the first cycle ends after the divider was released.
const FIRST_UPDATE: Nanoseconds = SECOND / 2 + UPDATE_CYCLE;

/// What has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Ends of update cycles, whether the clock makes use of them or not.
    pub(super) updates: u64,
    pub(super) periods: u64,
}

/// A divider that counts nanoseconds since it was released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Divider {
    runs: bool,
    /// The latest time it was told.
    now: Nanoseconds,
    /// How long it has counted then.
    count: Nanoseconds,
}

impl Divider {
    /// A divider that ends its cycles when the seconds of a wall clock end.
    pub(super) const fn in_step_with(wall_clock: Nanoseconds) -> Self {
        Self { runs: true, now: 0, count: FIRST_UPDATE + wall_clock % SECOND }
    }

    /// Holds it in reset or lets it run.
    pub(super) fn run(&mut self, now: Nanoseconds, runs: bool) {
        self.now = self.now.max(now);
        self.runs = runs;
        if !runs {
            self.count = 0;
        }
    }

    pub(super) fn advance(&mut self, now: Nanoseconds, frequency: u64) -> Passed {
        let (from, passed) = (self.count, now.saturating_sub(self.now));
        self.now += passed;
        if self.runs {
            self.count = self.count.saturating_add(passed);
        }
        Passed {
            updates: updates(self.count) - updates(from),
            periods: time::ticks(self.count, frequency) - time::ticks(from, frequency),
        }
    }

    /// Whether a cycle is in progress, or begins within 244 µs. It never does in reset, where the first is far.
    pub(super) const fn is_update_in_progress(&self) -> bool {
        let next = update(updates(self.count) + 1);
        next - self.count <= BEFORE_UPDATE + UPDATE_CYCLE
    }

    /// When so many more cycles have ended.
    pub(super) fn next_update(&self, cycles: u64) -> Option<Nanoseconds> {
        self.time_at(update(updates(self.count).saturating_add(cycles)))
    }

    /// When the next period ends.
    pub(super) fn next_period(&self, frequency: u64) -> Option<Nanoseconds> {
        self.time_at(time::time_of(time::ticks(self.count, frequency) + 1, frequency))
    }

    fn time_at(&self, count: Nanoseconds) -> Option<Nanoseconds> {
        (self.runs && count < Nanoseconds::MAX).then(|| self.now.saturating_add(count.saturating_sub(self.count)))
    }
}

/// How many cycles have ended at a count.
const fn updates(count: Nanoseconds) -> u64 {
    if count < FIRST_UPDATE { 0 } else { (count - FIRST_UPDATE) / SECOND + 1 }
}

/// The count at which so many cycles, one at least, have ended.
const fn update(number: u64) -> Nanoseconds {
    FIRST_UPDATE.saturating_add((number - 1).saturating_mul(SECOND))
}
