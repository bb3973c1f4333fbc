//! Time: the rate of the time-stamp counter, and deadlines that bound a wait.
//!
//! The rate is found once, by the first of these that tells it: the command line, CPUID leaf 15H, CPUID leaf 40000010H of
//! the hypervisor, a measurement against the ACPI timer, and one against channel 2 of the 8254.
//!
//! Sources: SDM vol. 3B, "Time-Stamp Counter", "Determining the Processor Base Frequency"; SDM vol. 2,
//! "CPUID—CPU Identification"; ACPI, "Power Management Timer"; 8254, "Mode 0: Interrupt on Terminal Count".

#![expect(unsafe_code, reason = "an instruction")]
// UNSAFETY: RDTSC, which changes nothing but its output registers.

use crate::{
    cpu::{cpuid, port},
    select,
};
use core::{
    arch::x86_64::_rdtsc,
    sync::atomic::{AtomicU64, Ordering},
};

pub mod rate;

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
    if let Some(khz) = measure_by_pm_timer(PM_TIMER_SAMPLE_MICROS) {
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

/// Port of the ACPI timer.
const PM_TIMER_PORT: u16 = 0x608;
const PM_TIMER_SAMPLE_MICROS: u64 = 3000;
/// Rate of the ACPI timer in Hz (ACPI, "Power Management Timer").
const PM_TIMER_HZ: u64 = 3_579_545;
/// The least that every ACPI timer counts with.
const PM_TIMER_MASK: u32 = 0xff_ffff;
/// How many reads of a port a measurement makes: some seconds' worth, on a timer that stands.
const MAX_READS: u32 = 1 << 16;

/// Reads the ACPI timer between two readings of the time-stamp counter, of which it returns the middle.
fn read_pm_timer() -> (u64, u32) {
    let before = now();
    let timer = port::read_u32(PM_TIMER_PORT);
    (before + now().wrapping_sub(before) / 2, timer & PM_TIMER_MASK)
}

/// How many readings an end of a measurement takes, of which the shortest counts: in another one the host may have taken the
/// processor away.
const NR_READINGS: u32 = 8;

/// The same by the reading of several that took the shortest time.
fn read_pm_timer_closely() -> (u64, u32) {
    let (mut best, mut shortest) = ((0, 0), u64::MAX);
    for _ in 0..NR_READINGS {
        let before = now();
        let reading = read_pm_timer();
        let took = now().wrapping_sub(before);
        if took < shortest {
            (best, shortest) = (reading, took);
        }
    }
    best
}

/// Measures the rate against the ACPI timer, for at least this time; `None` if there is no such timer.
pub fn measure_by_pm_timer(micros: u64) -> Option<u64> {
    let (start_tsc, start) = read_pm_timer_closely();
    let enough = (micros * PM_TIMER_HZ / 1_000_000) as u32;
    for turn in 0..MAX_READS {
        let (_, timer) = read_pm_timer();
        let passed = timer.wrapping_sub(start) & PM_TIMER_MASK;
        if passed >= enough {
            let (tsc, timer) = read_pm_timer_closely();
            let passed = timer.wrapping_sub(start) & PM_TIMER_MASK;
            return rate::khz_of(tsc.wrapping_sub(start_tsc), u64::from(passed), PM_TIMER_HZ);
        }
        // Where no device answers, every read gives the same.
        if passed == 0 && turn >= 64 {
            return None;
        }
    }
    None
}

/// The reading of the ACPI timer, of some, that the processor stood still least around.
fn read_bracketed_pm_timer() -> rate::Bracketed {
    const TRIES: u32 = 4;
    let read = || {
        let before = now();
        let count = port::read_u32(PM_TIMER_PORT) & PM_TIMER_MASK;
        rate::Bracketed { before, count, after: now() }
    };
    let mut best = read();
    for _ in 1..TRIES {
        let other = read();
        if other.width() < best.width() {
            best = other;
        }
    }
    best
}

/// The least and the greatest rate in kHz that the ACPI timer leaves possible, after at least this time; `None` if it does not
/// count.
pub fn bound_by_pm_timer(micros: u64) -> Option<(u64, u64)> {
    let first = read_bracketed_pm_timer();
    Deadline::after(micros).wait(|| false);
    let second = read_bracketed_pm_timer();
    let passed = second.count.wrapping_sub(first.count) & PM_TIMER_MASK;
    rate::khz_between(first, second, u64::from(passed), PM_TIMER_HZ)
}

/// Rate of the 8254 in Hz.
const PIT_HZ: u64 = 1_193_182;
const PIT_CHANNEL_2: u16 = 0x42;
const PIT_CONTROL: u16 = 0x43;
const PORT_61: u16 = 0x61;

/// Measures the rate against channel 2 of the 8254; `None` if there is none. Uses the channel up.
fn measure_by_pit() -> Option<u64> {
    const COUNT: u16 = 2386;
    let gate = port::read_u8(PORT_61);
    // Gate on, speaker off. Mode 0, low byte and then high byte; counting starts with the second one.
    port::write_u8(PORT_61, gate & !2 | 1);
    port::write_u8(PIT_CONTROL, 0xb0);
    port::write_u8(PIT_CHANNEL_2, COUNT as u8);
    port::write_u8(PIT_CHANNEL_2, (COUNT >> 8) as u8);
    let start = now();
    let mut khz = None;
    for turn in 0..MAX_READS {
        // Bit 5 is the channel's output, which rises at the terminal count.
        if port::read_u8(PORT_61) & 1 << 5 != 0 {
            // Where no device answers, the bit is set from the start.
            khz = if turn == 0 { None } else { rate::khz_of(now().wrapping_sub(start), COUNT.into(), PIT_HZ) };
            break;
        }
    }
    port::write_u8(PORT_61, gate & 3);
    khz
}

/// So many counts of the time-stamp counter pass in so many microseconds.
pub fn ticks(micros: u64) -> u64 {
    micros.saturating_mul(tsc_khz()) / 1000
}

/// So many nanoseconds pass in so many counts of the time-stamp counter; below some hours.
pub fn nanoseconds(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000) / tsc_khz()
}

/// When a wait ends. It counts on the time-stamp counter of one processor, which nothing writes meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(u64);

impl Deadline {
    /// So many microseconds from now.
    pub fn after(micros: u64) -> Self {
        Self(now().wrapping_add(ticks(micros)))
    }

    /// Whether it has passed.
    pub fn is_over(&self) -> bool {
        now().wrapping_sub(self.0) as i64 >= 0
    }

    /// The value of the time-stamp counter at which it passes.
    pub fn tsc(&self) -> u64 {
        self.0
    }

    /// Asks `done` until it is true, with a PAUSE between two questions; false if the deadline passed first. It asks once
    /// more after that, so that a processor which did not run meanwhile counts for nothing.
    pub fn wait(&self, mut done: impl FnMut() -> bool) -> bool {
        loop {
            let is_over = self.is_over();
            if done() {
                return true;
            }
            if is_over {
                return false;
            }
            core::hint::spin_loop();
        }
    }
}
