//! The time of a VM.

use ::platform::time::Nanoseconds;
use std::time::Instant;

/// Counts from the first start on with the host's clock, whether the VM runs or not: time-stamp counters and the clocks and timers
/// of KVM do so too, and a guest compares them with this.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// An instant, and the time that it was then.
    reference: Option<(Instant, Nanoseconds)>,
}

impl Clock {
    pub(crate) fn now(&self) -> Nanoseconds {
        self.at(Instant::now())
    }

    /// The time at an instant since it counts.
    pub(crate) fn at(&self, instant: Instant) -> Nanoseconds {
        let Some((since, then)) = self.reference else { return 0 };
        let passed = instant.saturating_duration_since(since).as_nanos();
        // More than five centuries do not pass.
        then.saturating_add(Nanoseconds::try_from(passed).unwrap_or(Nanoseconds::MAX))
    }

    /// Whether it has not been started yet.
    pub(crate) fn is_new(&self) -> bool {
        self.reference.is_none()
    }

    /// Lets it count, unless it does already.
    pub(crate) fn start(&mut self) {
        self.reference.get_or_insert_with(|| (Instant::now(), 0));
    }

    /// Lets it count from a time on that it was at an instant.
    pub(crate) fn set(&mut self, then: Nanoseconds, since: Instant) {
        self.reference = Some((since, then));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_counts_from_its_first_start() {
        let mut clock = Clock::default();
        assert!(clock.is_new());
        assert_eq!(clock.now(), 0);
        clock.start();
        assert!(!clock.is_new());
        while clock.now() == 0 {}
        let now = clock.now();
        clock.start();
        assert!(clock.now() >= now, "it goes on when it is started again");
    }

    #[test]
    fn it_goes_on_from_what_it_is_set_to() {
        let since = Instant::now().checked_sub(Duration::from_millis(5)).unwrap();
        let mut clock = Clock::default();
        clock.set(1_000, since);
        assert!(!clock.is_new());
        assert_eq!(clock.at(since + Duration::from_nanos(7)), 1_007);
        clock.start();
        assert!(clock.now() >= 5_001_000);
    }
}
