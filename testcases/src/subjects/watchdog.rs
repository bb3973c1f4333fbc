//! Ends virtual machines of this process when their time is over or when everything is to end.
//!
//! One thread watches over all of them. It looks a few times a second while there are any, and sleeps while there are
//! none, so that a guest that ends in time, the usual case, does not wake it.

use crate::{cancel::Cancel, moment::Moment};
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};
use vmm::VmHandle;

/// How often the thread looks.
const SLICE: Duration = Duration::from_millis(20);

/// What counts at one look of what a machine waited for processors: more than a busy host keeps the thread from looking.
const MOST_WAITED: Duration = Duration::from_millis(500);
/// So many looks it takes at least until all that a machine may use of processors counts as used.
const NR_LOOKS: u32 = 5;

/// The thread and what it watches over; the thread ends with this.
#[derive(Debug)]
pub(super) struct Watchdog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when the thread may have to leave its sleep.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    watched: BTreeMap<u64, Watched>,
    next_number: u64,
    is_asleep: bool,
    is_ending: bool,
}

#[derive(Debug)]
struct Watched {
    handle: VmHandle,
    cancel: Cancel,
    limit: Limit,
    used: Counted,
    waited: Counted,
}

/// A time that grows while a machine runs, as far as it counts.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    /// What it was at the last look.
    last: Duration,
    /// What counts of that.
    counted: Duration,
}

impl Counted {
    /// Takes what it is now, and counts no more than `most` of what it grew since the last look: where the machine that this runs on
    /// stood still, it has grown by all that time for a thread that had a processor or waited for one.
    fn look(&mut self, now: Duration, most: Duration) -> Duration {
        self.counted += now.saturating_sub(self.last).min(most);
        self.last = now;
        self.counted
    }
}

/// When a machine is to be stopped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// What it may use of processors: what other programs do to the host does not count.
    pub(super) processor_time: Duration,
    /// The end for one that uses none, because it waits; for one that waits for processors, it is so much later.
    pub(super) deadline: Moment,
}

impl Limit {
    /// The same for a machine that has waited so long for a processor.
    pub(super) fn later_by(self, waited: Duration) -> Self {
        Self { deadline: self.deadline + waited, ..self }
    }
}

impl Watched {
    fn must_stop(&mut self) -> bool {
        // Asked for at each look, since it counts from the first one on.
        let waited = self.waited.look(self.handle.waited_for_processors(), MOST_WAITED);
        let used = self.used.look(self.handle.processor_time(), self.limit.processor_time / NR_LOOKS);
        self.cancel.is_cancelled() || (self.limit.deadline + waited).has_passed() || used >= self.limit.processor_time
    }
}

/// A virtual machine is watched over until this is dropped.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Watchdog {
    pub(super) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let watching = shared.clone();
        Self { shared, thread: Some(std::thread::spawn(move || watching.look())) }
    }

    /// Stops the machine at its limit, or once `cancel` is set.
    pub(super) fn watch(&self, handle: VmHandle, cancel: &Cancel, limit: Limit) -> Watch<'_> {
        let mut state = self.shared.lock();
        let number = state.next_number;
        state.next_number += 1;
        state.watched.insert(
            number,
            Watched { handle, cancel: cancel.clone(), limit, used: Counted::default(), waited: Counted::default() },
        );
        if state.is_asleep {
            self.shared.changed.notify_one();
        }
        Watch { shared: &self.shared, number }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No holder leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let mut state = self.lock();
        while !state.is_ending {
            // A machine that was told to stop stays in the list until its thread comes back: telling it again is
            // harmless.
            for watched in state.watched.values_mut() {
                if watched.must_stop() {
                    watched.handle.stop();
                }
            }
            state.is_asleep = state.watched.is_empty();
            state = if state.is_asleep {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                let (state, _) = self.changed.wait_timeout(state, SLICE).unwrap_or_else(PoisonError::into_inner);
                state
            };
        }
    }
}

impl Watch<'_> {
    /// What counts of the time that the machine waited for processors.
    pub(super) fn waited(&self) -> Duration {
        self.shared.lock().watched.get(&self.number).map(|watched| watched.waited.counted).unwrap_or_default()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.shared.lock().watched.remove(&self.number);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It cannot panic; if it did, there is nobody left to watch over.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_that_stood_still_adds_counts_for_little() {
        let milliseconds = Duration::from_millis;
        let mut used = Counted::default();
        for (now, counted) in [(20, 20), (35, 35), (142_035, 85), (142_055, 105), (142_055, 105), (142_155, 155)] {
            assert_eq!(used.look(milliseconds(now), milliseconds(50)), milliseconds(counted), "at {now} ms");
        }
    }
}
