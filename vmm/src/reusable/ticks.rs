//! A tick that interrupts a thread's vCPU every so much of the thread's processor time.
//!
//! An execution is short and there are millions of them: arming a timer for each would cost more than it does. So a
//! timer runs all the time, its signal gets the vCPU out of the guest, and whoever runs it counts.

#![expect(unsafe_code, reason = "timers that signal one thread have no safe wrapper among our dependencies")]
// UNSAFETY: timer_create, timer_settime and timer_delete, with structures on the stack and a timer that its owner deletes.

use crate::control;
use std::{cell::RefCell, io, ptr};
use vmm_sys_util::signal::{SIGRTMIN, unblock_signal};

/// Distance of two ticks in milliseconds of the thread's processor time.
pub const TICK_MS: u32 = 20;

thread_local! {
    static TIMER: RefCell<Option<Timer>> = const { RefCell::new(None) };
}

/// Starts the ticks of the calling thread, if it is the first call there; they end with the thread.
///
/// # Errors
/// Those of timer_create and timer_settime.
pub(super) fn start() -> io::Result<()> {
    TIMER.with_borrow_mut(|timer| {
        if timer.is_none() {
            *timer = Some(Timer::new()?);
        }
        Ok(())
    })
}

/// A timer of one thread.
struct Timer(libc::timer_t);

impl Timer {
    fn new() -> io::Result<Self> {
        control::install_signal_handler()?;
        // It fails only for numbers that are no signals.
        let _ = unblock_signal(SIGRTMIN());
        // SAFETY: all zeros is a value of this plain structure.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = SIGRTMIN();
        // SAFETY: gettid has no conditions.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer = ptr::null_mut();
        // SAFETY: both structures are locals.
        if unsafe { libc::timer_create(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut event, &raw mut timer) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let timer = Self(timer);
        let tick = libc::timespec { tv_sec: 0, tv_nsec: i64::from(TICK_MS) * 1_000_000 };
        let period = libc::itimerspec { it_interval: tick, it_value: tick };
        // SAFETY: the timer was just created; the structure is a local, and nothing is asked back.
        if unsafe { libc::timer_settime(timer.0, 0, &raw const period, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(timer)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the timer exists, and nobody else deletes it.
        unsafe { libc::timer_delete(self.0) };
    }
}
