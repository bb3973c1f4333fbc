//! The clock of time limits: it stands still while the machine that this runs on does.
//!
//! A machine in a cloud is stopped for seconds now and then, to be moved or to have its state saved, and its clocks go on. What
//! was to be done in time has not had that time. A thread that looks at the clock ten times a second tells such a stop from a
//! guest that hangs.

use std::{
    ops::Add,
    sync::{LazyLock, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How often the thread looks.
const TICK: Duration = Duration::from_millis(100);
/// What counts of the time between two looks: more than a busy machine keeps the thread from looking.
const MOST: Duration = Duration::from_millis(500);

/// A moment on that clock, as the time since the first use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self(look().counted)
    }

    /// How long it is until this moment: zero if it has passed.
    pub fn until(self) -> Duration {
        self.0.saturating_sub(Self::now().0)
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        Self::now() >= self
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// Both as times since the first use.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// When it was last looked at.
    last: Duration,
    /// What counts of that.
    counted: Duration,
}

impl Count {
    fn at(self, now: Duration) -> Self {
        // Another thread may have looked later and come here sooner.
        let passed = now.saturating_sub(self.last);
        Self { last: self.last + passed, counted: self.counted + passed.min(MOST) }
    }
}

struct Clock {
    begin: Instant,
    count: Mutex<Count>,
}

static CLOCK: LazyLock<Clock> = LazyLock::new(|| {
    // Nothing waits for it: it ends with the process.
    thread::spawn(|| {
        loop {
            thread::sleep(TICK);
            look();
        }
    });
    Clock { begin: Instant::now(), count: Mutex::default() }
});

fn look() -> Count {
    let clock = &*CLOCK;
    // A count is whole at every point where a thread could have panicked.
    let mut count = clock.count.lock().unwrap_or_else(PoisonError::into_inner);
    *count = count.at(clock.begin.elapsed());
    *count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_stands_still_does_not_count() {
        let mut count = Count::default();
        for (now, counted) in [(100, 100), (300, 300), (12_300, 800), (12_400, 900), (12_350, 900), (12_900, 1_400)] {
            count = count.at(Duration::from_millis(now));
            assert_eq!(count.counted, Duration::from_millis(counted), "at {now} ms");
        }
        assert_eq!(count.last - count.counted, Duration::from_millis(11_500));
    }

    #[test]
    fn it_counts_while_nobody_asks() {
        let begin = Moment::now();
        thread::sleep(MOST * 2);
        assert!(Moment::now() >= begin + MOST + TICK, "only {MOST:?} of the time counted");
        assert!((begin + MOST).has_passed());
        assert_eq!((begin + MOST).until(), Duration::ZERO);
    }
}
