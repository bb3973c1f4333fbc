//! Signals of the thread that runs a virtual processor: the watchdog, and one that is left pending on purpose.

#![expect(unsafe_code, reason = "timers and signal masks of a thread")]
// UNSAFETY: calls of the C library with structures that are zeroed, filled and owned here.

use crate::trouble::Errno;
use std::{mem, ptr, sync::OnceLock, time::Duration};
use vmm_sys_util::signal::{SIGRTMIN, block_signal, register_signal_handler, unblock_signal};

/// How long a guest may take until it is stopped. Nothing needs a thousandth of it, so only a guest that hangs meets it.
const LIMIT: Duration = Duration::from_secs(5);

fn watchdog_signal() -> i32 {
    SIGRTMIN() + 5
}

/// The signal that cases leave pending.
pub(crate) fn pending_signal() -> i32 {
    SIGRTMIN() + 6
}

extern "C" fn nothing(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

fn install() -> Result<(), Errno> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let both = || {
        [watchdog_signal(), pending_signal()]
            .into_iter()
            .try_for_each(|signal| register_signal_handler(signal, nothing).map_err(|error| error.errno()))
    };
    INSTALLED.get_or_init(both).map_err(|number| Errno::new("sigaction", number))
}

/// Sends this thread a signal when the time is up, and again and again from then on, as the first may come outside of
/// KVM_RUN.
pub(crate) struct Watchdog(libc::timer_t);

impl Watchdog {
    pub(crate) fn arm() -> Result<Self, Errno> {
        install()?;
        // The error is that it was not blocked.
        let _ = unblock_signal(watchdog_signal());
        // SAFETY: all zeroes is a value of the structure.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = watchdog_signal();
        // SAFETY: it has no conditions.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer = ptr::null_mut();
        // SAFETY: both pointers are to locals.
        if unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) } != 0 {
            return Err(Errno::last("timer_create"));
        }
        let armed = Self(timer);
        let again = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        let first = libc::timespec { tv_sec: LIMIT.as_secs().cast_signed(), tv_nsec: 0 };
        let spec = libc::itimerspec { it_interval: again, it_value: first };
        // SAFETY: the timer was just created, and the pointer is to a local.
        if unsafe { libc::timer_settime(timer, 0, &raw const spec, ptr::null_mut()) } != 0 {
            return Err(Errno::last("timer_settime"));
        }
        Ok(armed)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // SAFETY: the timer is this one's own.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// A signal that is blocked in this thread and pending until this is dropped.
pub(crate) struct Pending(());

impl Pending {
    pub(crate) fn raise() -> Result<Self, Errno> {
        install()?;
        let _ = block_signal(pending_signal());
        let pending = Self(());
        // SAFETY: the thread is this one.
        match unsafe { libc::pthread_kill(libc::pthread_self(), pending_signal()) } {
            0 => Ok(pending),
            number => Err(Errno::new("pthread_kill", number)),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // It arrives here, and its handler does nothing.
        let _ = unblock_signal(pending_signal());
    }
}
