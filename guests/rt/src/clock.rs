//! Time: the rate of the time-stamp counter, and deadlines that bound a wait.
//!
//! The rate is found once, by the first of these that tells it: the command line, CPUID leaf 15H, CPUID leaf 40000010H of
//! the hypervisor, a measurement against the ACPI timer, and one against channel 2 of the 8254.
//!
//! Sources: SDM vol. 3B, "Time-Stamp Counter", "Determining the Processor Base Frequency"; SDM vol. 2,
//! "CPUID—CPU Identification"; ACPI, "Power Management Timer"; 8254, "Mode 0: Interrupt on Terminal Count".

#![expect(unsafe_code, reason = "an instruction")]
// UNSAFETY: RDTSC, which changes nothing but its output registers.

use crate::{cpu::cpuid, select};
use core::{
    arch::x86_64::_rdtsc,
    sync::atomic::{AtomicU64, Ordering},
};

mod measure;
pub mod rate;

pub use measure::{bound_by_pm_timer, measure_by_pm_timer};
use measure::{measure_by_pit, measure_closely_by_pm_timer};

/// Who told the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Source {
    /// The command line: the host knows it.
    CommandLine = 1,
    /// CPUID leaf 15H.
    Cpuid = 2,
    /// CPUID leaf 40000010H.
    Hypervisor = 3,
    /// Measured against the ACPI timer.
    PmTimer = 4,
    /// Measured against channel 2 of the 8254.
    Pit = 5,
    /// Nothing told it: [`ASSUMED_KHZ`].
    Assumed = 6,
}

/// A rate that no processor exceeds, so that a deadline made of it comes late and not early.
pub const ASSUMED_KHZ: u64 = 6_000_000;

const SOURCES: [Source; 6] =
    [Source::CommandLine, Source::Cpuid, Source::Hypervisor, Source::PmTimer, Source::Pit, Source::Assumed];

/// Rate in kHz, with the source in the topmost byte; 0 before it was asked for.
static RATE: AtomicU64 = AtomicU64::new(0);
const SOURCE_SHIFT: u32 = 56;

/// The time-stamp counter, as RDTSC reads it: not ordered with what stands around it. For CPL 0 and CPL 3.
pub fn now() -> u64 {
    // SAFETY: every processor in long mode has it. CR4.TSD is a case's, which then calls nothing here at CPL 3.
    unsafe { _rdtsc() }
}

/// How often the time-stamp counter counts in a millisecond. Only the first call costs something: at CPL 0.
pub fn tsc_khz() -> u64 {
    rate().0
}

/// The rate in kHz, and who told it.
pub fn rate() -> (u64, Source) {
    let known = RATE.load(Ordering::Relaxed);
    if known != 0 {
        let source = SOURCES.get((known >> SOURCE_SHIFT) as usize - 1).copied().unwrap_or(Source::Assumed);
        return (known & ((1 << SOURCE_SHIFT) - 1), source);
    }
    let (khz, source) = find();
    RATE.store(khz | (source as u64) << SOURCE_SHIFT, Ordering::Relaxed);
    (khz, source)
}

fn find() -> (u64, Source) {
    if let Some(khz) = from_command_line() {
        return (khz, Source::CommandLine);
    }
    if let Some(khz) = read_cpuid_khz() {
        return (khz, Source::Cpuid);
    }
    if let Some(khz) = read_hypervisor_khz() {
        return (khz, Source::Hypervisor);
    }
    if let Some(khz) = measure_closely_by_pm_timer() {
        return (khz, Source::PmTimer);
    }
    match measure_by_pit() {
        Some(khz) => (khz, Source::Pit),
        None => (ASSUMED_KHZ, Source::Assumed),
    }
}

/// The word of the command line that tells the rate, in decimal digits.
const KEY: &[u8] = b"vp.tsc_khz=";

fn from_command_line() -> Option<u64> {
    let khz = rate::decimal(select::value_of_key(KEY)?);
    (khz != 0).then_some(khz)
}

/// How many processors the host has, if the command line tells.
pub fn host_processors() -> Option<u64> {
    let number = rate::decimal(select::value_of_key(b"vp.host_cpus=")?);
    (number != 0).then_some(number)
}

/// What CPUID leaf 15H tells: `None` if it leaves the crystal's rate or the ratio open.
pub fn read_cpuid_khz() -> Option<u64> {
    const LEAF: u32 = 0x15;
    if cpuid::read_leaf(0, 0).eax < LEAF {
        return None;
    }
    let leaf = cpuid::read_leaf(LEAF, 0);
    rate::khz_from_crystal(leaf.eax, leaf.ebx, leaf.ecx)
}

/// What CPUID leaf 40000010H tells: EAX is the rate in kHz.
pub fn read_hypervisor_khz() -> Option<u64> {
    const LEAF: u32 = cpuid::HYPERVISOR_BASE + 0x10;
    let has_hypervisor = cpuid::read_leaf(1, 0).ecx >> 31 & 1 != 0;
    if !has_hypervisor || !(LEAF..LEAF + 0x1000).contains(&cpuid::read_leaf(cpuid::HYPERVISOR_BASE, 0).eax) {
        return None;
    }
    let khz = u64::from(cpuid::read_leaf(LEAF, 0).eax);
    (khz != 0).then_some(khz)
}

/// So many counts of the time-stamp counter pass in so many microseconds.
pub fn ticks(micros: u64) -> u64 {
    micros.saturating_mul(tsc_khz()) / 1000
}

/// So many nanoseconds pass in so many counts of the time-stamp counter; below some hours.
pub fn nanoseconds(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000) / tsc_khz()
}

/// How often [`undisturbed`] tries at most.
pub const NR_ATTEMPTS: u32 = 8;

/// What the first attempt tells that the host did not disturb by taking time away, or the last of [`NR_ATTEMPTS`]. An attempt tells
/// whether it was undisturbed, and what it saw.
pub fn undisturbed<T>(mut attempt: impl FnMut() -> (bool, T)) -> (bool, T) {
    let mut last = attempt();
    for _ in 1..NR_ATTEMPTS {
        if last.0 {
            break;
        }
        last = attempt();
    }
    last
}

/// What counts of the time between two questions of a wait, in microseconds: more than a turn takes anywhere, and less than
/// what a host gives to others at once.
const TURN_MICROS: u64 = 2_000;

/// When a wait ends. It counts on the time-stamp counter of one processor, which nothing writes meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    begin: u64,
    end: u64,
}

impl Deadline {
    /// So many microseconds from now.
    pub fn after(micros: u64) -> Self {
        // First: this may measure the rate of the counter, which is not to take from the time.
        let ticks = ticks(micros);
        let begin = now();
        Self { begin, end: begin.wrapping_add(ticks) }
    }

    /// Asks `done` until it is true, with a PAUSE between two questions; false if the deadline passed first. It asks once
    /// more after that, and of the time before the first question and between two only [`TURN_MICROS`] count: a processor that
    /// does not run waits no less for what others do, who may not have run either.
    pub fn wait(&self, done: impl FnMut() -> bool) -> bool {
        self.wait_with(TURN_MICROS, core::hint::spin_loop, done)
    }

    /// The same with `rest` between two questions; of the time before the first and between two only so many microseconds count.
    pub(crate) fn wait_with(&self, turn_micros: u64, mut rest: impl FnMut(), mut done: impl FnMut() -> bool) -> bool {
        let longest = ticks(turn_micros);
        let (mut end, mut last) = (self.end, self.begin);
        loop {
            let at = now();
            let stolen = at.wrapping_sub(last).saturating_sub(longest);
            if stolen != 0 {
                end = end.wrapping_add(stolen);
            }
            last = at;
            let is_over = at.wrapping_sub(end) as i64 >= 0;
            if done() {
                return true;
            }
            if is_over {
                return false;
            }
            rest();
        }
    }
}
