//! The thread that waits for the next change of a device.

use super::Platform;
use crate::{
    confinement::{ThreadKind, confine},
    stop::StopReason,
};
use ::platform::time::{MIN_PERIOD, Nanoseconds};
use std::{io, sync::PoisonError, thread, time::Duration};

/// Calls `work` while the devices, if there are any, are told of the time. `failed` is told why an interrupt could not be
/// delivered from there; it should end the work.
///
/// # Errors
/// If the thread cannot be started; then the work is not done.
pub(crate) fn awake<T>(
    platform: Option<&Platform>,
    failed: impl FnOnce(StopReason) + Send,
    work: impl FnOnce() -> T,
) -> io::Result<T> {
    let Some(platform) = platform else { return Ok(work()) };
    {
        let mut state = platform.state();
        state.must_stop = false;
        state.start();
    }
    thread::scope(|scope| {
        let wait = move || {
            let confined = confine(ThreadKind::Timers, platform.control.confinement()).map_err(StopReason::from);
            if let Err(reason) = confined.and_then(|()| platform.wait_for_changes()) {
                failed(reason);
            }
        };
        // However the work ends, a panic among it, so does the thread.
        let _end = End(platform);
        thread::Builder::new().name("timers".into()).spawn_scoped(scope, wait)?;
        Ok(work())
    })
}

struct End<'a>(&'a Platform);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.state().must_stop = true;
        self.0.changed.notify_one();
    }
}

impl Platform {
    fn wait_for_changes(&self) -> Result<(), StopReason> {
        loop {
            self.access(|state, now| state.advance(now)).map_err(StopReason::from)?;
            let mut state = self.state();
            // What was notified until here is seen here, because it is under the lock held from here on.
            let now = state.clock.now();
            if state.must_stop {
                return Ok(());
            }
            // While the guest is paused nothing comes by itself.
            state.due = if state.is_held { None } else { state.next_change(now) };
            match state.due {
                None => drop(self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)),
                Some(due) => {
                    let wait = Duration::from_nanos(wait(due, now));
                    drop(self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner));
                }
            }
        }
    }
}

/// How long to wait for `due`. What is due already was not seen by the call right before, or comes again: not at once, even
/// if a model breaks its promise.
fn wait(due: Nanoseconds, now: Nanoseconds) -> Nanoseconds {
    match due.saturating_sub(now) {
        0 => MIN_PERIOD,
        wait => wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_makes_the_thread_spin() {
        assert_eq!([wait(5, 5), wait(4, 5), wait(6, 5), wait(0, u64::MAX)], [MIN_PERIOD, MIN_PERIOD, 1, MIN_PERIOD]);
    }
}
