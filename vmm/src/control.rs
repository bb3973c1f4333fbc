//! Getting vCPU threads out of the guest, whatever it does.
//!
//! A signal to the thread ends KVM_RUN. One that arrives between two KVM_RUNs would be lost, so its handler also sets
//! `immediate_exit` in the page of the vCPU that the thread runs (Linux, "Documentation/virt/kvm/api.rst" § 5).

#![expect(unsafe_code, reason = "signals to threads have no safe wrapper for the calling thread")]
// UNSAFETY: pthread_self, pthread_kill and processor clocks; the list under a lock holds only threads that have not left it.

use crate::{
    confinement::Confinement,
    gate::Gate,
    platform::Platform,
    run_delay,
    run_page::RunPage,
    spares::{SpareError, Spares},
};
use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
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

/// Controls a VM's run from any thread; it may outlive the VM.
#[derive(Clone)]
pub struct VmHandle {
    pub(crate) control: Arc<Control>,
    pub(crate) platform: Weak<Platform>,
    pub(crate) spares: Weak<Spares>,
}

/// Why a VM did not do what its handle asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// It has no power button.
    #[error("the VM has no power button: it comes with ACPI's fixed hardware")]
    NoPowerButton,
    /// The interrupt did not reach its controller.
    #[error("the interrupt of ACPI could not be sent")]
    Interrupt,
}

impl VmHandle {
    /// Gets every vCPU out of the guest, for good: a run that is under way ends with
    /// [`crate::StopReason::Requested`], and one that is still to start ends so at once. Harmless after the end.
    pub fn stop(&self) {
        self.control.requested.store(true, Ordering::SeqCst);
        self.control.interrupt();
    }

    /// Gets every vCPU out of the guest, so that it can go on in another run or be saved: a run that is under way ends with
    /// [`crate::StopReason::Suspended`], unless something else ends it at the same time. Without effect where there is none.
    pub fn suspend(&self) {
        self.control.end();
    }

    /// Pauses the guest: when this returns no vCPU is in it; a run that is still to start waits, too. Whether it went until now.
    /// All clocks of the VM go on, time-stamp counters among them, and what comes due meanwhile comes when the guest goes on. Not for
    /// a run by [`crate::Vm::debug`], which a debugger pauses.
    pub fn pause(&self) -> bool {
        let _turn = self.control.pausing();
        if self.is_paused() {
            return false;
        }
        self.control.gate.hold(|| self.control.interrupt());
        if let Some(platform) = self.platform.upgrade() {
            platform.set_held(true);
        }
        true
    }

    /// Lets the guest go on where it stood; whether it was paused.
    pub fn resume(&self) -> bool {
        let _turn = self.control.pausing();
        if !self.is_paused() {
            return false;
        }
        if let Some(platform) = self.platform.upgrade() {
            platform.set_held(false);
        }
        self.control.gate.release();
        true
    }

    /// Whether the guest is paused.
    pub fn is_paused(&self) -> bool {
        self.control.gate.is_held()
    }

    /// Each vCPU that a thread runs now, and the number of that thread.
    pub fn vcpu_threads(&self) -> Vec<(u8, i32)> {
        let mut threads: Vec<_> = self.control.threads().iter().map(|thread| (thread.vcpu, thread.tid)).collect();
        threads.sort_unstable();
        threads
    }

    /// Presses the power button, by which a guest that has enabled it is asked to turn itself off. Without effect once the VM is gone.
    ///
    /// # Errors
    /// If the VM has none.
    pub fn press_power_button(&self) -> Result<(), HandleError> {
        self.platform.upgrade().map_or(Err(HandleError::NoPowerButton), |platform| platform.press_power_button())
    }

    /// Adds a vCPU to those that are there, one of [`crate::VmConfig::spare_vcpus`], and tells the guest: it waits for its start-up
    /// interrupt then.
    ///
    /// # Errors
    /// See [`SpareError`].
    pub fn plug_vcpu(&self, index: u8) -> Result<(), SpareError> {
        self.spares.upgrade().ok_or(SpareError::None)?.plug(index)
    }

    /// Asks the guest to give such a vCPU back, which it does some time later or never.
    ///
    /// # Errors
    /// See [`SpareError`].
    pub fn request_vcpu_removal(&self, index: u8) -> Result<(), SpareError> {
        self.spares.upgrade().ok_or(SpareError::None)?.request_removal(index)
    }

    /// Whether such a vCPU is there now.
    pub fn has_spare_vcpu(&self, index: u8) -> bool {
        self.spares.upgrade().is_some_and(|spares| spares.is_present(index))
    }

    /// What the run that is under way has used of processors, over all vCPUs: unlike a clock it does not go on while
    /// other programs hold the processors. A guest that waits uses none. Zero if no run is under way.
    pub fn processor_time(&self) -> Duration {
        self.control.processor_time()
    }

    /// How long a vCPU of the run that is under way was ready and had no processor, since this was asked for the first time in the
    /// run: of the one that had to wait longest. Zero if no run is under way, and where the system does not tell.
    pub fn waited_for_processors(&self) -> Duration {
        self.control.waited_for_processors()
    }
}

impl fmt::Debug for VmHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VmHandle").field("control", &self.control).finish_non_exhaustive()
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
