//! Time between saving and restoring.

#![expect(unsafe_code, reason = "the monotonic clock as a number has no safe wrapper among our dependencies")]
// UNSAFETY: one clock_gettime with a structure on the stack.

use crate::tsc;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What a VM's clocks do between saving and restoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Elapsed {
    /// They stand still: the guest goes on as if it had been restored in the moment in which it was saved.
    #[default]
    StoodStill,
    /// They go on, as those of a VM that its host did not run for a while. Only on the host that saved it, and before that starts
    /// anew; elsewhere they stood still.
    WentOn,
}

/// When a VM was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moment {
    /// The host's monotonic clock in nanoseconds.
    pub(super) monotonic: u64,
    /// The host's time-stamp counter.
    pub(super) tsc: u64,
    /// Which start of which host those are of; nothing if that is not known.
    boot: String,
}

/// How often the clocks are read together: what takes least time counts, because a thread can lose its processor in between.
const NR_READS: usize = 3;

impl Moment {
    /// That of now, also as an instant.
    pub(super) fn now() -> (Self, Instant) {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let read = || {
            let before = tsc::host();
            let (monotonic, here) = (monotonic(), Instant::now());
            let width = tsc::host().wrapping_sub(before);
            (width, monotonic, before.wrapping_add(width / 2), here)
        };
        let best = (1..NR_READS).fold(read(), |best, _| {
            let other = read();
            if other.0 < best.0 { other } else { best }
        });
        let (_, monotonic, tsc, here) = best;
        (Self { monotonic, tsc, boot }, here)
    }

    /// How many nanoseconds a VM's clocks go on by until `later`, and how far its time-stamp counters fall behind the host's.
    pub(super) fn until(&self, later: &Self, elapsed: Elapsed) -> (u64, u64) {
        let is_same = !self.boot.is_empty() && self.boot == later.boot;
        match elapsed {
            Elapsed::WentOn if is_same => (later.monotonic.saturating_sub(self.monotonic), 0),
            _ => (0, later.tsc.wrapping_sub(self.tsc)),
        }
    }
}

/// What `read` gives, and when, by [`monotonic`]: it is read a few times, and counts where that took least time.
pub(super) fn timed<T, E>(mut read: impl FnMut() -> Result<T, E>) -> Result<(T, u64), E> {
    let mut once = || {
        let before = monotonic();
        let value = read()?;
        let width = monotonic().saturating_sub(before);
        Ok((width, value, before.saturating_add(width / 2)))
    };
    let mut best = once()?;
    for _ in 1..NR_READS {
        let other = once()?;
        if other.0 < best.0 {
            best = other;
        }
    }
    Ok((best.1, best.2))
}

/// The host's monotonic clock in nanoseconds.
pub(super) fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the result goes to a local. It fails only for clocks that are none.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    // Neither is negative, and more than five centuries do not pass.
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic: u64, tsc: u64, boot: &str) -> Moment {
        Moment { monotonic, tsc, boot: boot.to_owned() }
    }

    #[test]
    fn time_passes_only_on_the_same_start_of_a_host() {
        let saved = at(100, 1_000, "a");
        assert_eq!(saved.until(&at(150, 1_200, "a"), Elapsed::WentOn), (50, 0));
        assert_eq!(saved.until(&at(150, 1_200, "a"), Elapsed::StoodStill), (0, 200));
        assert_eq!(saved.until(&at(50, 900, "b"), Elapsed::WentOn), (0, 100_u64.wrapping_neg()));
        assert_eq!(at(1, 1, "").until(&at(9, 9, ""), Elapsed::WentOn), (0, 8));
    }
}
