//! The time of a VM.

use ::platform::time::Nanoseconds;
use std::time::Instant;

/// Counts while the VM runs and stands still while it does not.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    before: Nanoseconds,
    running_since: Option<Instant>,
    /// Since when it stands still.
    paused_since: Option<Instant>,
    /// Since when it counts as soon as it is started, if not from then on.
    counts_since: Option<Instant>,
}

impl Clock {
    pub(crate) fn now(&self) -> Nanoseconds {
        let running = self.running_since.map_or(0, |since| since.elapsed().as_nanos());
        // More than five centuries do not pass.
        self.before.saturating_add(Nanoseconds::try_from(running).unwrap_or(Nanoseconds::MAX))
    }

    /// Whether it never counted.
    pub(crate) fn is_new(&self) -> bool {
        self.before == 0 && self.running_since.is_none()
    }

    pub(crate) fn start(&mut self) {
        let since = self.counts_since.take();
        self.running_since.get_or_insert_with(|| since.unwrap_or_else(Instant::now));
        self.paused_since = None;
    }

    pub(crate) fn pause(&mut self) {
        self.before = self.now();
        if self.running_since.take().is_some() {
            self.paused_since = Some(Instant::now());
        }
    }

    /// The time that it would be, had it not been paused.
    pub(crate) fn now_as_if_running(&self) -> Nanoseconds {
        let paused = self.paused_since.map_or(0, |since| since.elapsed().as_nanos());
        self.now().saturating_add(Nanoseconds::try_from(paused).unwrap_or(Nanoseconds::MAX))
    }

    /// Sets the time that it is now; it counts from here on if `goes_on`, though it is not started.
    pub(crate) fn set(&mut self, now: Nanoseconds, goes_on: bool) {
        self.before = now;
        self.paused_since = None;
        self.counts_since = goes_on.then(Instant::now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_while_nothing_runs() {
        let mut clock = Clock::default();
        assert_eq!(clock.now(), 0);
        assert!(clock.is_new());
        clock.start();
        assert!(!clock.is_new());
        while clock.now() == 0 {}
        clock.pause();
        let now = clock.now();
        assert!(now > 0);
        std::thread::yield_now();
        assert_eq!(clock.now(), now);
        clock.start();
        assert!(clock.now() >= now);
    }
}
