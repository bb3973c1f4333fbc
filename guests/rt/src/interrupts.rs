//! Interrupts: a log of those that were taken, the flag that lets them in, and waits that end.
//!
//! A case listens to a range of vectors, makes something interrupt, waits until the log says what it expects, and reads the
//! log: which vectors, in which order, at what time, on which processor.
//!
//! ```ignore
//! let _listening = Listening::to(0x40..=0x4f, End::LocalApic);
//! apic.send_to_self(0x41);
//! check!("it is taken", interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(0x41) == 1));
//! check!("once", !interrupts::wait_for_more());
//! ```
//!
//! Interrupts are let in only by the calls of this module: elsewhere IF is clear, unless a case sets it.
//!
//! Sources: SDM vol. 3A, "Signaling Interrupt Servicing Completion" and "Masking Maskable Hardware Interrupts";
//! 8259A, "OPERATION COMMAND WORDS (OCWs)".

#![expect(unsafe_code, reason = "instructions")]
// UNSAFETY: STI, CLI, HLT and PUSHF, and a transmute of what `identify_processors_by` stored.

use crate::{
    clock::{self, Deadline},
    cpu::port,
    local_apic::interprocessor,
    trap::{self, Handler, TrapFrame},
};
use case::image::board::UNCLAIMED_PORT;
use core::{
    arch::asm,
    ops::RangeInclusive,
    sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

/// How many interrupts the log keeps; later ones are only counted.
pub const CAPACITY: usize = 256;

/// A time in microseconds that no interrupt takes which comes at all, on a machine that does much else: for [`wait_until`].
/// Only an interrupt that is lost costs it.
pub const GENEROUS_MICROS: u64 = 50_000;

/// The same of an interrupt that another processor takes: a busy host may not have let that one run for long.
pub const OTHERS_MICROS: u64 = 2_000_000;

/// What counts of a halt in [`halt_until`], in microseconds: more than any timer lets pass that those who halt have started.
const HALT_MICROS: u64 = 2_000_000;

/// How long a turn of [`wait_until`] may take on average before the time is taken for stolen, in microseconds.
const TURN_MICROS: u64 = 25;

/// How the handler ends an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// Not at all: it stays in service, for the case to end.
    Not = 0,
    /// By the EOI register of the local APIC, in memory or as an MSR, whichever IA32_APIC_BASE says.
    LocalApic = 1,
    /// By a non-specific EOI to the 8259s: to both if bit 3 of the vector is set, to the first if not. So the first must have
    /// a multiple of 16 as its base, and the second that plus 8.
    Pic = 2,
}

/// An interrupt that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its vector.
    pub vector: u8,
    /// The processor, as the function of [`identify_processors_by`] numbers it; 0 without one.
    pub processor: u8,
    /// The time-stamp counter in the handler.
    pub tsc: u64,
    /// The saved RIP.
    pub rip: u64,
}

struct Entry {
    /// Vector, processor in bits 15:8, [`VALID`].
    head: AtomicU32,
    tsc: AtomicU64,
    rip: AtomicU64,
}
/// The entry is complete: another processor may be writing it.
const VALID: u32 = 1 << 31;

static LOG: [Entry; CAPACITY] =
    [const { Entry { head: AtomicU32::new(0), tsc: AtomicU64::new(0), rip: AtomicU64::new(0) } }; CAPACITY];
static NR_TAKEN: AtomicU32 = AtomicU32::new(0);
static COUNTS: [AtomicU32; 256] = [const { AtomicU32::new(0) }; 256];
static ENDS: [AtomicU8; 256] = [const { AtomicU8::new(0) }; 256];
/// A `fn() -> u8`, or 0.
static IDENTIFY: AtomicUsize = AtomicUsize::new(0);

/// Lets the log tell processors apart. `index` runs in the handler, on the processor that is to be named.
pub fn identify_processors_by(index: fn() -> u8) {
    IDENTIFY.store(index as usize, Ordering::Relaxed);
}

fn processor() -> u8 {
    let index = IDENTIFY.load(Ordering::Relaxed);
    if index == 0 {
        return 0;
    }
    // SAFETY: only `identify_processors_by` stores a value that is not 0, and it stores a `fn() -> u8`.
    let index: fn() -> u8 = unsafe { core::mem::transmute(index) };
    index()
}

/// Writes an interrupt to the log: for handlers of a case's own. [`Listening`] does it by itself.
pub fn log(frame: &TrapFrame) {
    let tsc = clock::now();
    let vector = frame.vector as u8;
    let index = NR_TAKEN.fetch_add(1, Ordering::AcqRel);
    if let Some(entry) = LOG.get(index as usize) {
        entry.tsc.store(tsc, Ordering::Relaxed);
        entry.rip.store(frame.rip, Ordering::Relaxed);
        entry.head.store(VALID | u32::from(processor()) << 8 | u32::from(vector), Ordering::Release);
    }
    // Last, so that who sees the count finds the entry.
    COUNTS[usize::from(vector)].fetch_add(1, Ordering::Release);
}

/// Ends an interrupt with this vector: what the handlers of [`Listening`] do by themselves.
pub fn end(vector: u8, how: End) {
    match how {
        End::Not => (),
        End::LocalApic => interprocessor::end_interrupt(),
        End::Pic => {
            const NON_SPECIFIC_EOI: u8 = 0x20;
            if vector & 8 != 0 {
                port::write_u8(0xa0, NON_SPECIFIC_EOI);
            }
            port::write_u8(0x20, NON_SPECIFIC_EOI);
        }
    }
}

fn take(frame: &mut TrapFrame) {
    log(frame);
    let vector = frame.vector as u8;
    let how = match ENDS[usize::from(vector)].load(Ordering::Relaxed) {
        1 => End::LocalApic,
        2 => End::Pic,
        _ => End::Not,
    };
    end(vector, how);
}

/// Handlers for a range of vectors, until this is dropped.
///
/// A vector below 32 reaches them only outside of [`crate::catch`] and [`crate::user`] calls. Handlers of one processor
/// share a stack, and run with IF clear.
#[derive(Debug)]
pub struct Listening {
    first: u8,
    last: u8,
}

impl Listening {
    /// Writes interrupts with these vectors to the log and ends them as told. Does not clear the log. On vectors that others
    /// listen to already, the last one counts; nobody listens any more after any of them is dropped.
    #[must_use = "the handlers are removed when this is dropped"]
    pub fn to(vectors: RangeInclusive<u8>, how: End) -> Self {
        Self::with_handler(vectors, how, take)
    }

    /// The same with a handler of the case's own, which may call [`log`] and [`end`].
    #[must_use = "the handlers are removed when this is dropped"]
    pub fn with_handler(vectors: RangeInclusive<u8>, how: End, handler: Handler) -> Self {
        for vector in vectors.clone() {
            ENDS[usize::from(vector)].store(how as u8, Ordering::Relaxed);
            trap::install(vector, Some(handler));
        }
        Self { first: *vectors.start(), last: *vectors.end() }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        for vector in self.first..=self.last {
            trap::install(vector, None);
        }
    }
}

/// Forgets all that was taken. No interrupt may come meanwhile.
pub fn clear() {
    let nr_taken = total() as usize;
    for entry in LOG.iter().take(nr_taken) {
        // Most vectors have counted nothing, and each store costs.
        let vector = entry.head.swap(0, Ordering::Relaxed) & 0xff;
        COUNTS[vector as usize].store(0, Ordering::Relaxed);
    }
    if nr_taken > CAPACITY {
        for count in &COUNTS {
            count.store(0, Ordering::Relaxed);
        }
    }
    NR_TAKEN.store(0, Ordering::Release);
}

/// How many interrupts with this vector were taken since the log was cleared.
pub fn count(vector: u8) -> u32 {
    COUNTS[usize::from(vector)].load(Ordering::Acquire)
}

/// How many interrupts were taken since the log was cleared.
pub fn total() -> u32 {
    NR_TAKEN.load(Ordering::Acquire)
}

/// Number `index` of the interrupts that were taken, 0 the first; `None` if there was none, or the log had no place for it.
pub fn taken(index: usize) -> Option<Taken> {
    let entry = LOG.get(index)?;
    let head = entry.head.load(Ordering::Acquire);
    (head & VALID != 0).then(|| Taken {
        vector: head as u8,
        processor: (head >> 8) as u8,
        tsc: entry.tsc.load(Ordering::Relaxed),
        rip: entry.rip.load(Ordering::Relaxed),
    })
}

/// IF with another value until this is dropped, which restores the one before.
#[derive(Debug)]
#[must_use = "IF is restored when this is dropped"]
pub struct Flag {
    was_set: bool,
    /// IF is that of one processor.
    _not_send: core::marker::PhantomData<*const ()>,
}

/// Whether IF is set.
pub fn are_enabled() -> bool {
    let flags: u64;
    // SAFETY: reads the flags by way of the stack.
    unsafe { asm!("pushfq", "pop {}", out(reg) flags, options(preserves_flags)) };
    flags & 1 << 9 != 0
}

/// Sets IF: interrupts are let in, from behind the instruction after STI on.
pub fn enable() -> Flag {
    let was_set = are_enabled();
    // SAFETY: at CPL 0. Handlers preserve all registers. NOP stands in the shadow of STI.
    unsafe { asm!("sti", "nop", options(nostack)) };
    Flag { was_set, _not_send: core::marker::PhantomData }
}

/// Clears IF.
pub fn disable() -> Flag {
    let was_set = are_enabled();
    // SAFETY: at CPL 0.
    unsafe { asm!("cli", options(nostack)) };
    Flag { was_set, _not_send: core::marker::PhantomData }
}

impl Drop for Flag {
    fn drop(&mut self) {
        if self.was_set {
            // SAFETY: as above; IF was set before.
            unsafe { asm!("sti", options(nostack)) };
        } else {
            // SAFETY: as above.
            unsafe { asm!("cli", options(nostack)) };
        }
    }
}

/// Reads a port that no device claims: the processor leaves the guest, and takes what waits when it returns.
fn exit() {
    let _ = port::read_u8(UNCLAIMED_PORT);
}

/// Lets interrupts in until `done` is true; false if that many microseconds passed first, as [`Deadline::wait`] counts them. It
/// exits before each question, and asks as often at least as that time is worth at [`TURN_MICROS`].
pub fn wait_until(micros: u64, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Deadline::after(micros);
    let mut nr_turns_left = micros / TURN_MICROS;
    let _enabled = enable();
    loop {
        let is_done = deadline.wait(|| {
            exit();
            nr_turns_left = nr_turns_left.saturating_sub(1);
            done()
        });
        if is_done || nr_turns_left == 0 {
            return is_done;
        }
    }
}

/// Lets interrupts in for some exits, in which whatever has been requested comes; true if any came. For checks that nothing
/// (more) comes: on silicon a self-IPI takes less than one of them.
pub fn wait_for_more() -> bool {
    const TURNS: u32 = 8;
    let before = total();
    let _enabled = enable();
    for _ in 0..TURNS {
        exit();
    }
    total() != before
}

/// Lets interrupts in for two exits; true if any came. For checks that something does not come (any more) which the processor
/// sent to itself, and which so has been requested already: cheaper than [`wait_for_more`], which is also for what devices do.
pub fn let_in() -> bool {
    let before = total();
    let _enabled = enable();
    exit();
    exit();
    total() != before
}

/// Lets interrupts in for so many microseconds without an exit, and then for some exits; true if any came. For checks that
/// nothing comes of a timer: a hypervisor may look at its timers only when the guest exits for another reason than a device.
pub fn let_in_for(micros: u64) -> bool {
    let before = total();
    let enabled = enable();
    Deadline::after(micros).wait(|| false);
    drop(enabled);
    wait_for_more() || total() != before
}

/// Halts with interrupts let in, again after each one, until `done` is true; false if that many microseconds passed first,
/// which it only learns when something wakes it. So a timer must be running that surely interrupts. Of each halt only
/// [`HALT_MICROS`] count: a machine may have stood still.
pub fn halt_until(micros: u64, done: impl FnMut() -> bool) -> bool {
    let _disabled = disable();
    // SAFETY: at CPL 0. No interrupt is taken between STI and HLT, so none is missed that `done` waits for.
    let halt = || unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
    Deadline::after(micros).wait_with(HALT_MICROS, halt, done)
}
