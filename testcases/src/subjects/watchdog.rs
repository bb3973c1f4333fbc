//! Ends virtual machines of this process when their time is over or when everything is to end.
//!
//! One thread watches over all of them. It looks a few times a second while there are any, and sleeps while there are
//! none, so that a guest that ends in time, the usual case, does not wake it.

use crate::{
    cancel::Cancel,
    host,
    moment::{self, Moment},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};
use vmm::VmHandle;

/// How often the thread looks.
const SLICE: Duration = Duration::from_millis(20);

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
    /// How long this machine had stood still when it began.
    stood_still: Duration,
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
    fn must_stop(&self) -> bool {
        // Asked for at each look, since it counts from the first one on.
        let waited = self.handle.waited_for_processors();
        self.cancel.is_cancelled()
            || (self.limit.deadline + waited).has_passed()
            || self.handle.processor_time() >= self.limit.processor_time + self.not_counted()
    }

    /// What threads were given of processors that stood still: each processor ran one of them then.
    fn not_counted(&self) -> Duration {
        let stood_still = moment::stood_still().saturating_sub(self.stood_still);
        if stood_still.is_zero() { stood_still } else { stood_still * host::nr_processors() }
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
        state
            .watched
            .insert(number, Watched { handle, cancel: cancel.clone(), limit, stood_still: moment::stood_still() });
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
            for watched in state.watched.values().filter(|watched| watched.must_stop()) {
                watched.handle.stop();
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
