//! More than one processor: starting the others, and running functions on them.
//!
//! Every processor runs the same code with stacks, TSS, GDT and frames of [`crate::catch`] of its own, at the same
//! linear addresses (see `processor`), so that `catch`, `user` and `trap` work on each. They share the IDT, handlers,
//! the window of [`crate::paging`], and all statics.
//!
//! **Only the first processor reports.** What runs on another returns a number or leaves values in statics; a message
//! from there raises #PF, as the page for messages is not mapped.
//!
//! The processors' local APICs must have the ids from 0 on, the first processor's being 0.

#![expect(unsafe_code, reason = "called from assembly, functions kept as numbers, and instructions")]
// UNSAFETY: one exported function, the entry of the other processors; a transmute of what `begin` stored; STI and HLT; and
// the exception in a mailbox, which belongs to whom its state tells.

mod barrier;
mod idle;
pub(crate) mod processor;
mod start;
pub mod stub;

/// How processors interrupt each other: the local APIC's driver.
pub use crate::local_apic::interprocessor as apic;
use crate::{
    Exception, catch,
    clock::Deadline,
    local_apic::{Registers, register::Register},
    trap::{self, Handling, TrapFrame},
};
use apic::{Message, To};
pub use barrier::Barrier;
use core::{
    arch::asm,
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

/// How many processors can be started besides the first.
pub const MAX_OTHERS: usize = 3;
/// The vector that wakes an idle processor up. Cases use others.
pub const WAKE_VECTOR: u8 = 0xf0;
/// How long a processor may take to start in microseconds, before the start-up IPI is repeated.
const START_MICROS: u64 = 100_000;
/// How long it may take after that.
const START_AGAIN_MICROS: u64 = 3_000_000;
/// How long a function may take on another processor in microseconds, unless a case knows better: only one that is lost costs
/// it, and on a busy host an interpreting subject needs long.
pub const RUN_MICROS: u64 = 2_000_000;

/// What a processor does.
mod state {
    /// It was not started, or waits for a start-up IPI.
    pub(super) const ABSENT: u32 = 0;
    /// It halts until it is woken up.
    pub(super) const IDLE: u32 = 1;
    /// A function waits for it, or runs.
    pub(super) const POSTED: u32 = 2;
    /// The function returned.
    pub(super) const RETURNED: u32 = 3;
    /// The function raised an exception.
    pub(super) const RAISED: u32 = 4;
    /// It stands still after an exception that nothing expected.
    pub(super) const STOPPED: u32 = 5;
}

/// What the first processor and another one tell each other. While `state` is `POSTED` the rest belongs to the other
/// processor, else to the first.
struct Mailbox {
    state: AtomicU32,
    is_caught: AtomicBool,
    function: AtomicUsize,
    argument: AtomicU64,
    result: AtomicU64,
    exception: UnsafeCell<Option<Exception>>,
}

// SAFETY: one processor at a time uses the exception: who that is, is told by `state`, with acquire and release.
unsafe impl Sync for Mailbox {}

static MAILBOXES: [Mailbox; MAX_OTHERS] = [const {
    Mailbox {
        state: AtomicU32::new(state::ABSENT),
        is_caught: AtomicBool::new(true),
        function: AtomicUsize::new(0),
        argument: AtomicU64::new(0),
        result: AtomicU64::new(0),
        exception: UnsafeCell::new(None),
    }
}; MAX_OTHERS];

/// The registers of the local APIC that a processor writes when it starts.
const ENABLED_BY: [Register; 3] = [Register::SVR, Register::TPR, Register::LVT_LINT0];
/// What they were before.
static AT_START: [[AtomicU32; 3]; MAX_OTHERS] = [const { [const { AtomicU32::new(0) }; 3] }; MAX_OTHERS];

/// A function that runs on another processor at CPL 0, with interrupts disabled, on a stack of its own.
pub type Function = fn(u64) -> u64;

/// Which processor this is: 0 is the first.
pub fn index() -> usize {
    processor::read_index()
}

/// Where the code of the other processors starts.
///
/// # Safety
/// Called once by the entry code of a processor that is not the first.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn smp_main() -> ! {
    let registers = Registers::new();
    for (value, register) in AT_START[index().wrapping_sub(1)].iter().zip(ENABLED_BY) {
        value.store(registers.read(register), Ordering::Relaxed);
    }
    apic::enable();
    let mailbox = &MAILBOXES[index().wrapping_sub(1)];
    mailbox.state.store(state::IDLE, Ordering::Release);
    loop {
        // SAFETY: interrupts are off between the question and the halt: no wake-up is lost.
        unsafe { asm!("cli", options(nomem, nostack)) };
        if mailbox.state.load(Ordering::Acquire) == state::POSTED {
            run(mailbox);
        } else {
            idle::halt();
        }
    }
}

/// Enables interrupts, halts until there is one, and disables them again: `STI; HLT; CLI`.
pub fn wait_for_interrupt() {
    // SAFETY: handlers preserve all registers; they may write memory, so it is not `nomem`.
    unsafe { asm!("sti", "hlt", "cli") };
}

/// Waits by MONITOR and MWAIT while a word has this value. It may return earlier: so does MWAIT.
pub fn wait_for_store(word: &AtomicU32, value: u32) {
    // SAFETY: at CPL 0, where the processor has the instruction. It reads the word's address, and writes nothing.
    unsafe { asm!("monitor", in("rax") word.as_ptr(), in("ecx") 0, in("edx") 0, options(nostack, preserves_flags)) };
    if word.load(Ordering::Acquire) == value {
        // SAFETY: as above. A store that came since the question ends it at once.
        unsafe { asm!("mwait", in("eax") 0, in("ecx") 0, options(nostack, preserves_flags)) };
    }
}

fn run(mailbox: &Mailbox) {
    // SAFETY: only `begin` stores the function, and it stores a `Function`.
    let function: Function = unsafe { core::mem::transmute(mailbox.function.load(Ordering::Relaxed)) };
    let argument = mailbox.argument.load(Ordering::Relaxed);
    let result =
        if mailbox.is_caught.load(Ordering::Relaxed) { catch(|| function(argument)) } else { Ok(function(argument)) };
    let next = match result {
        Ok(value) => {
            mailbox.result.store(value, Ordering::Relaxed);
            state::RETURNED
        }
        Err(exception) => {
            // SAFETY: the state is `POSTED`, so it is this processor's.
            unsafe { *mailbox.exception.get() = Some(exception) };
            state::RAISED
        }
    };
    mailbox.state.store(next, Ordering::Release);
}

/// Stops a processor that is not the first, instead of reporting: what it ran never ends.
pub(crate) fn stop_if_not_first(frame: &TrapFrame) {
    let index = index();
    if index == 0 {
        return;
    }
    let mailbox = &MAILBOXES[index - 1];
    mailbox.result.store(frame.vector, Ordering::Relaxed);
    mailbox.state.store(state::STOPPED, Ordering::Release);
    loop {
        // SAFETY: nothing follows.
        unsafe { asm!("cli", "hlt") };
    }
}

/// Why a function on another processor gave no result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RunError {
    /// It raised an exception.
    Raised(Exception),
    /// It did not return in time.
    Late,
    /// The processor met an exception outside of every function; its vector.
    Stopped(u8),
}

/// The processor whose index this is did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotStarted(pub usize);

/// Processors 1 to some number, started and idle. Dropping it stops them by INIT: they wait for a start-up IPI again.
#[derive(Debug)]
pub struct Processors {
    count: usize,
    _wake: Handling,
}

fn woken(frame: &mut TrapFrame) {
    apic::end_interrupt();
    idle::wake(frame);
}

impl Processors {
    /// Starts processors 1 to `count` by INIT and a start-up IPI each. One start-up IPI is enough on every processor since
    /// the Pentium 4; a second one follows if it was not. Enables the first processor's local APIC.
    ///
    /// # Errors
    /// [`NotStarted`] for the first that did not come up.
    ///
    /// # Panics
    /// If `count` is more than [`MAX_OTHERS`].
    pub fn start(count: usize) -> Result<Self, NotStarted> {
        assert!(count <= MAX_OTHERS, "no tables for so many processors");
        let processors = Self { count, _wake: trap::handle(WAKE_VECTOR, woken) };
        apic::enable();
        let mut pages = [0; MAX_OTHERS];
        for (index, page) in pages.iter_mut().take(count).enumerate() {
            *page = start::prepare(index);
            MAILBOXES[index].state.store(state::ABSENT, Ordering::Release);
            apic::send(To::Id(index as u8 + 1), Message::Init);
        }
        for micros in [START_MICROS, START_AGAIN_MICROS] {
            for (index, &page) in pages.iter().take(count).enumerate() {
                if !is_there(index) {
                    apic::send(To::Id(index as u8 + 1), Message::StartUp(page));
                }
            }
            if Deadline::after(micros).wait(|| (0..count).all(is_there)) {
                return Ok(processors);
            }
        }
        Err(NotStarted((0..count).find(|&index| !is_there(index)).unwrap_or(0) + 1))
    }

    /// How many there are besides the first.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Lets processor `index` run a function; an exception in it becomes the error.
    ///
    /// # Panics
    /// If there is no processor of this index besides the first.
    pub fn begin(&self, index: usize, function: Function, argument: u64) -> Running<'_> {
        self.post(index, function, argument, true)
    }

    /// The same, but exceptions go to the handlers of [`trap::handle`], so that they can be returned from; what has none
    /// stops the processor.
    ///
    /// # Panics
    /// If there is no processor of this index besides the first.
    pub fn begin_uncaught(&self, index: usize, function: Function, argument: u64) -> Running<'_> {
        self.post(index, function, argument, false)
    }

    fn post(&self, index: usize, function: Function, argument: u64, is_caught: bool) -> Running<'_> {
        assert!((1..=self.count).contains(&index), "no such processor");
        let mailbox = &MAILBOXES[index - 1];
        // One that is late with what it ran before, or stands still, gets nothing to do: waiting for it tells why.
        if mailbox.state.load(Ordering::Acquire) == state::IDLE {
            mailbox.function.store(function as usize, Ordering::Relaxed);
            mailbox.argument.store(argument, Ordering::Relaxed);
            mailbox.is_caught.store(is_caught, Ordering::Relaxed);
            mailbox.state.store(state::POSTED, Ordering::Release);
            apic::send(To::Id(index as u8), Message::Fixed(WAKE_VECTOR));
        }
        Running { mailbox, _processors: self }
    }

    /// SVR, TPR and LINT0 of processor `index` as its start left them: it has written them since, to take interrupts.
    ///
    /// # Panics
    /// If there is no processor of this index besides the first.
    pub fn at_start(&self, index: usize) -> [u32; 3] {
        assert!((1..=self.count).contains(&index), "no such processor");
        AT_START[index - 1].each_ref().map(|value| value.load(Ordering::Relaxed))
    }

    /// Runs a function on processor `index`, and waits [`RUN_MICROS`] for it.
    ///
    /// # Errors
    /// See [`RunError`].
    ///
    /// # Panics
    /// If there is no processor of this index besides the first.
    pub fn run_on(&self, index: usize, function: Function, argument: u64) -> Result<u64, RunError> {
        self.begin(index, function, argument).wait(RUN_MICROS)
    }

    /// Runs a function on all processors, the first too, at about the same time, with the processor's index as its argument.
    /// The first processor's result comes first.
    pub fn on_all(&self, function: Function) -> [Result<u64, RunError>; MAX_OTHERS + 1] {
        let mut running = [const { None }; MAX_OTHERS];
        for (index, slot) in running.iter_mut().take(self.count).enumerate() {
            *slot = Some(self.begin(index + 1, function, index as u64 + 1));
        }
        let mut results = [Ok(0); MAX_OTHERS + 1];
        results[0] = catch(|| function(0)).map_err(RunError::Raised);
        for (result, slot) in results.iter_mut().skip(1).zip(running) {
            if let Some(running) = slot {
                *result = running.wait(RUN_MICROS);
            }
        }
        results
    }
}

impl Drop for Processors {
    fn drop(&mut self) {
        for (index, mailbox) in MAILBOXES.iter().enumerate().take(self.count) {
            apic::send(To::Id(index as u8 + 1), Message::Init);
            mailbox.state.store(state::ABSENT, Ordering::Release);
        }
    }
}

fn is_there(index: usize) -> bool {
    MAILBOXES[index].state.load(Ordering::Acquire) == state::IDLE
}

/// A function that runs on another processor.
#[derive(Debug)]
#[must_use = "what it leads to is told by `wait`"]
pub struct Running<'a> {
    mailbox: &'a Mailbox,
    _processors: &'a Processors,
}

impl core::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Mailbox")
    }
}

impl Running<'_> {
    /// Whether it came to an end.
    pub fn is_over(&self) -> bool {
        self.mailbox.state.load(Ordering::Acquire) != state::POSTED
    }

    /// Waits at most so many microseconds for it.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn wait(self, micros: u64) -> Result<u64, RunError> {
        Deadline::after(micros).wait(|| self.is_over());
        let result = match self.mailbox.state.load(Ordering::Acquire) {
            state::RETURNED => Ok(self.mailbox.result.load(Ordering::Relaxed)),
            // SAFETY: the state is not `POSTED`, so it is the first processor's.
            state::RAISED => Err(unsafe { *self.mailbox.exception.get() }.map_or(RunError::Late, RunError::Raised)),
            state::STOPPED => return Err(RunError::Stopped(self.mailbox.result.load(Ordering::Relaxed) as u8)),
            _ => return Err(RunError::Late),
        };
        self.mailbox.state.store(state::IDLE, Ordering::Release);
        result
    }
}
