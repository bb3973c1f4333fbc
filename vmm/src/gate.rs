//! Whether vCPUs may enter the guest, and which of them wait until they may.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What the threads of a run pass before they enter the guest.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Closed for a bounded time, perhaps by the thread of a vCPU.
    is_closed: bool,
    /// Closed until a person opens it.
    is_held: bool,
    /// Threads that run vCPUs.
    nr_members: usize,
    /// Those of them that wait here.
    nr_waiting: usize,
    /// Threads that serve devices now.
    nr_serving: usize,
}

impl State {
    fn is_open(&self) -> bool {
        !self.is_closed && !self.is_held
    }
}

/// A thread that passes the gate, as long as this lives.
pub(crate) struct Member<'a>(&'a Gate);

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers and flags are whole at every point where a thread could have panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Makes the calling thread one that is waited for by [`Self::hold`].
    pub(crate) fn join(&self) -> Member<'_> {
        self.change(|state| state.nr_members += 1);
        Member(self)
    }

    /// Closes the gate for a time, or opens it again.
    pub(crate) fn set_closed(&self, is_closed: bool) {
        self.change(|state| state.is_closed = is_closed);
    }

    /// Closes it until [`Self::release`]. `interrupt` gets the threads out of the guest; when this returns, all of them wait, and
    /// nobody serves devices.
    pub(crate) fn hold(&self, interrupt: impl FnOnce()) {
        self.state().is_held = true;
        interrupt();
        let mut state = self.state();
        while (state.nr_waiting < state.nr_members || state.nr_serving > 0) && state.is_held {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until something is due, of which [`Self::notify`] tells; the thread is no member meanwhile.
    pub(crate) fn wait_for(&self, is_due: impl Fn() -> bool) {
        let mut state = self.state();
        while !is_due() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Calls `work`, which serves devices, when the gate is not held, or when `must_leave` says so.
    pub(crate) fn serve<T>(&self, must_leave: impl Fn() -> bool, work: impl FnOnce() -> T) -> T {
        let mut state = self.state();
        while state.is_held && !must_leave() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.nr_serving += 1;
        drop(state);
        let result = work();
        self.change(|state| state.nr_serving -= 1);
        result
    }

    /// Opens it after [`Self::hold`].
    pub(crate) fn release(&self) {
        self.change(|state| state.is_held = false);
    }

    /// Whether it is held.
    pub(crate) fn is_held(&self) -> bool {
        self.state().is_held
    }

    /// Lets threads that wait look again whether they have to.
    pub(crate) fn notify(&self) {
        // Under the lock, so that nobody is between looking and waiting.
        self.change(|_| ());
    }
}

impl Member<'_> {
    /// Returns when the guest may be entered, or when `must_leave` says so; whether that was held meanwhile.
    pub(crate) fn pass(&self, must_leave: impl Fn() -> bool) -> bool {
        let mut state = self.0.state();
        if state.is_open() {
            return false;
        }
        let mut was_held = false;
        state.nr_waiting += 1;
        self.0.changed.notify_all();
        while !state.is_open() && !must_leave() {
            was_held |= state.is_held;
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.nr_waiting -= 1;
        was_held
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.nr_members -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{
            atomic::{AtomicBool, AtomicU64, Ordering},
            mpsc,
        },
        thread,
    };

    #[test]
    fn when_it_is_held_everybody_waits() {
        let (gate, count, must_end) = (Gate::default(), AtomicU64::new(0), AtomicBool::new(false));
        let must_end = &must_end;
        thread::scope(|scope| {
            for _ in 0..4 {
                let member = gate.join();
                let count = &count;
                scope.spawn(move || {
                    while !must_end.load(Ordering::SeqCst) {
                        member.pass(|| must_end.load(Ordering::SeqCst));
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            for _ in 0..20 {
                gate.hold(|| ());
                let before = count.load(Ordering::SeqCst);
                thread::yield_now();
                assert_eq!(count.load(Ordering::SeqCst), before);
                gate.release();
            }
            gate.hold(|| ());
            must_end.store(true, Ordering::SeqCst);
            gate.notify();
        });
        assert!(gate.is_held());
    }

    #[test]
    fn devices_are_not_served_while_it_is_held() {
        let (gate, count) = (Gate::default(), AtomicU64::new(0));
        let must_end = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !must_end.load(Ordering::SeqCst) {
                    gate.serve(|| must_end.load(Ordering::SeqCst), || count.fetch_add(1, Ordering::SeqCst));
                }
            });
            for _ in 0..20 {
                gate.hold(|| ());
                let before = count.load(Ordering::SeqCst);
                thread::yield_now();
                assert_eq!(count.load(Ordering::SeqCst), before);
                gate.release();
            }
            gate.hold(|| ());
            must_end.store(true, Ordering::SeqCst);
            gate.notify();
        });
    }

    #[test]
    fn a_thread_is_told_whether_it_was_held() {
        let gate = Gate::default();
        let (sender, receiver) = mpsc::channel();
        let member = gate.join();
        assert!(!member.pass(|| false), "it is open");
        thread::scope(|scope| {
            scope.spawn(|| {
                gate.hold(|| sender.send(()).unwrap());
                gate.release();
            });
            receiver.recv().unwrap();
            assert!(member.pass(|| false));
            gate.set_closed(true);
            assert!(!member.pass(|| true), "closed, but not held");
        });
        drop(member);
        gate.hold(|| ());
    }
}
