//! Getting vCPU threads out of the guest, whatever it does.
//!
//! A signal to the thread ends KVM_RUN. One that arrives between two KVM_RUNs would be lost, so its handler also sets
//! `immediate_exit` in the page of the vCPU that the thread runs (Linux, "Documentation/virt/kvm/api.rst" § 5).

#![expect(unsafe_code, reason = "signals to threads have no safe wrapper for the calling thread")]
// UNSAFETY: pthread_self, pthread_kill and processor clocks; the list under a lock holds only threads that have not left it.

mod handle;

pub use handle::{HandleError, VmHandle};

use crate::{confinement::Confinement, gate::Gate, run_delay, run_page::RunPage};
use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    io,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use vmm_sys_util::signal::{SIGRTMIN, register_signal_handler, unblock_signal};

thread_local! {
    /// The vCPU that this thread runs. Const and without destructor, so that a signal handler can use it.
    static RUNNING: Cell<Option<RunPage>> = const { Cell::new(None) };
    /// How many signals this thread got; in the same way.
    static TICKS: AtomicU64 = const { AtomicU64::new(0) };
}

extern "C" fn interrupt_vcpu(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    TICKS.with(|ticks| ticks.fetch_add(1, Ordering::SeqCst));
    if let Some(page) = RUNNING.get() {
        page.set_immediate_exit(true);
    }
}

/// How many signals the calling thread got so far.
pub(crate) fn ticks() -> u64 {
    TICKS.with(|ticks| ticks.load(Ordering::SeqCst))
}

/// Says which vCPU a signal to the calling thread interrupts from now on; gives the one until now.
pub(crate) fn replace_running(page: Option<RunPage>) -> Option<RunPage> {
    RUNNING.replace(page)
}

/// Installs the handler of the signal, once for the process.
pub(crate) fn install_signal_handler() -> io::Result<()> {
    static RESULT: OnceLock<Result<(), i32>> = OnceLock::new();
    RESULT
        .get_or_init(|| register_signal_handler(SIGRTMIN(), interrupt_vcpu).map_err(|error| error.errno()))
        .map_err(io::Error::from_raw_os_error)
}

/// What the threads of a VM and its handles share.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Set by a handle, for good.
    requested: AtomicBool,
    /// Set when one vCPU ended the run; cleared when the next run starts.
    ended: AtomicBool,
    threads: Mutex<Vec<Thread>>,
    /// What vCPUs pass before they enter the guest.
    gate: Gate,
    /// What threads of the run may ask of the kernel.
    confinement: Confinement,
    /// Taken to pause the guest and to let it go on.
    pausing: Mutex<()>,
}

/// A thread that runs a vCPU.
#[derive(Debug)]
struct Thread {
    id: libc::pthread_t,
    /// To wake it, if it waits outside of KVM_RUN.
    handle: thread::Thread,
    /// Its number as the system's programs show it.
    tid: i32,
    vcpu: u8,
    /// The processor time it had used when it began to.
    used_before: Duration,
    /// How long it had waited for a processor when that was asked for the first time.
    waited_before: Option<Duration>,
}

impl Thread {
    /// How long it has waited for a processor since this was asked for the first time; zero where the system does not tell.
    fn waited(&mut self) -> Duration {
        let waited = run_delay(format!("/proc/self/task/{}", self.tid).as_ref());
        waited.saturating_sub(*self.waited_before.get_or_insert(waited))
    }
}

impl Control {
    pub(crate) fn new(confinement: Confinement) -> Self {
        Self { confinement, ..Self::default() }
    }

    pub(crate) fn confinement(&self) -> Confinement {
        self.confinement
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Whether vCPUs have to leave the guest.
    pub(crate) fn must_stop(&self) -> bool {
        self.is_requested() || self.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn start(&self) {
        self.ended.store(false, Ordering::SeqCst);
    }

    /// Ends the run on all vCPUs.
    pub(crate) fn end(&self) {
        // Every thread calls this when it leaves, and the first has told all: who registers later looks at the flag.
        if !self.ended.swap(true, Ordering::SeqCst) {
            self.interrupt();
        }
    }

    /// Gets all vCPUs out of KVM_RUN once.
    pub(crate) fn interrupt(&self) {
        self.gate.notify();
        for thread in self.threads().iter() {
            // SAFETY: a thread leaves the list, under the lock held here, before it ends. The signal has a handler,
            // because a VM can be made only with a `Hypervisor`, which installs it. The result can only tell of a
            // number that is no signal.
            unsafe { libc::pthread_kill(thread.id, SIGRTMIN()) };
            thread.handle.unpark();
        }
    }

    /// Keeps all vCPUs out of the guest for a time. The caller may be the thread of one.
    pub(crate) fn pause(&self, duration: Duration) {
        self.gate.set_closed(true);
        self.interrupt();
        thread::sleep(duration);
        self.gate.set_closed(false);
    }

    /// What vCPUs pass before they enter the guest. Pass it after [`crate::vcpu::Runner::allow_entry`], so that a pause that begins
    /// after this interrupts the entry.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    fn pausing(&self) -> MutexGuard<'_, ()> {
        self.pausing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets one vCPU out of KVM_RUN once, unless the caller is its thread: that is not in there.
    pub(crate) fn interrupt_one(&self, vcpu: u8) {
        // SAFETY: the function has no conditions.
        let caller = unsafe { libc::pthread_self() };
        for thread in self.threads().iter().filter(|thread| thread.vcpu == vcpu && thread.id != caller) {
            // SAFETY: as in `interrupt`.
            unsafe { libc::pthread_kill(thread.id, SIGRTMIN()) };
            thread.handle.unpark();
        }
    }

    /// What the threads have used of processors since they began to run vCPUs, all together.
    fn processor_time(&self) -> Duration {
        // SAFETY: a thread leaves the list, under the lock held here, before it ends.
        let used = |thread: &Thread| unsafe { processor_time(thread.id) }.saturating_sub(thread.used_before);
        self.threads().iter().map(used).sum()
    }

    fn waited_for_processors(&self) -> Duration {
        self.threads().iter_mut().map(Thread::waited).max().unwrap_or_default()
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Thread>> {
        // The list is whole at every point where a thread could have panicked.
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread has used of processors; zero where the system does not tell.
///
/// # Safety
/// The thread has not been joined, and has not ended if it is detached.
unsafe fn processor_time(thread: libc::pthread_t) -> Duration {
    let mut clock = 0;
    // SAFETY: the thread exists by the contract; the result goes to a local.
    if unsafe { libc::pthread_getcpuclockid(thread, &raw mut clock) } != 0 {
        return Duration::ZERO;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the result goes to a local.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Duration::ZERO;
    }
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// While it lives, the calling thread runs a vCPU and can be interrupted.
pub(crate) struct Registration<'a> {
    control: &'a Control,
    thread: libc::pthread_t,
    outer: Option<RunPage>,
}

impl<'a> Registration<'a> {
    /// Registers the calling thread as that of a vCPU; also unblocks the signal for it.
    pub(crate) fn new(control: &'a Control, vcpu: u8, page: RunPage) -> Self {
        // It fails only for numbers that are no signals.
        let _ = unblock_signal(SIGRTMIN());
        let outer = RUNNING.replace(Some(page));
        // SAFETY: the function has no conditions.
        let thread = unsafe { libc::pthread_self() };
        // SAFETY: the calling thread has not ended.
        let used_before = unsafe { processor_time(thread) };
        // SAFETY: the function has no conditions.
        let tid = unsafe { libc::gettid() };
        control.threads().push(Thread {
            id: thread,
            handle: thread::current(),
            tid,
            vcpu,
            used_before,
            waited_before: None,
        });
        Self { control, thread, outer }
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut threads = self.control.threads();
        if let Some(index) = threads.iter().rposition(|thread| thread.id == self.thread) {
            threads.swap_remove(index);
        }
        drop(threads);
        RUNNING.set(self.outer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// How long the calling thread waited while it was busy for a quarter of a second.
    fn be_busy() -> Duration {
        // SAFETY: the functions have no conditions.
        let (id, tid) = unsafe { (libc::pthread_self(), libc::gettid()) };
        let used_before = Duration::ZERO;
        let mut thread = Thread { id, handle: thread::current(), tid, vcpu: 0, used_before, waited_before: None };
        assert_eq!(thread.waited(), Duration::ZERO);
        let start = Instant::now();
        while start.elapsed().as_millis() < 250 {}
        thread.waited()
    }

    #[test]
    fn threads_that_share_processors_wait_for_them() {
        if !std::fs::exists("/proc/self/schedstat").unwrap() {
            eprintln!("this kernel does not tell how long a thread waited");
            return;
        }
        // Three for each processor, so that they wait two thirds of their time.
        let nr_threads = 3 * thread::available_parallelism().unwrap().get();
        let threads: Vec<_> = (0..nr_threads).map(|_| thread::spawn(be_busy)).collect();
        let waited: Duration = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!(waited.as_millis() >= 250, "{waited:?}");
    }
}
