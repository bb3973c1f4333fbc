//! The real-time clock: registers and memory, update cycles and calendar, interrupts.

mod interrupts;
pub(crate) mod model;
mod periodic;
mod power_on;
mod registers;
mod slow;
mod update;
pub(crate) mod wait;

use rt::clock;

/// Counts of the time-stamp counter in so many clocks of the 32,768 Hz that the divider counts.
fn ticks(clocks: u32) -> u64 {
    u64::from(clocks) * clock::tsc_khz() * 1_000 / 32_768
}
