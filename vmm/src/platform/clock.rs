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

    /// Sets the time. If it was that at some instant, it will have counted from there on when it is started.
    pub(crate) fn set(&mut self, now: Nanoseconds, since: Option<Instant>) {
        self.before = now;
        self.paused_since = None;
        self.counts_since = since;
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

    #[test]
    fn a_clock_that_is_set_goes_on_from_an_instant_or_from_its_start() {
        let since = Instant::now().checked_sub(std::time::Duration::from_millis(5)).unwrap();
        let mut clock = Clock::default();
        clock.set(1_000, Some(since));
        assert_eq!(clock.now(), 1_000, "it is not started");
        clock.start();
        assert!(clock.now() >= 5_001_000);
        clock.pause();
        let (now, begin) = (clock.now(), Instant::now());
        while begin.elapsed().as_nanos() < 1_000 {}
        assert!(clock.now_as_if_running() > now && clock.now() == now);
    }
}
