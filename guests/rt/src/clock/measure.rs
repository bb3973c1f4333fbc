//! The rate of the time-stamp counter by other timers.
//!
//! Sources: ACPI, "Power Management Timer"; 8254, "Mode 0: Interrupt on Terminal Count".

use super::{Deadline, RATE, SOURCE_SHIFT, Source, now, rate};
use crate::cpu::port;
use core::sync::atomic::Ordering;

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

/// Measures the rate against the ACPI timer, again where the host took the processor away around a reading: what is measured
/// is then known within its bounds. `None` if there is no such timer.
pub(super) fn measure_closely_by_pm_timer() -> Option<u64> {
    const ATTEMPTS: u32 = 6;
    let first = measure_by_pm_timer(PM_TIMER_SAMPLE_MICROS)?;
    // The rate is not known here, on which other waits are built.
    RATE.store(first | (Source::PmTimer as u64) << SOURCE_SHIFT, Ordering::Relaxed);
    let (mut best, mut narrowest) = (first, u64::MAX);
    for _ in 0..ATTEMPTS {
        let Some((least, most)) = bound_by_pm_timer(PM_TIMER_SAMPLE_MICROS) else { continue };
        let width = most.saturating_sub(least);
        if width < narrowest {
            (best, narrowest) = (least + width / 2, width);
        }
        if width <= least / 300 {
            break;
        }
    }
    Some(best)
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
pub(super) fn measure_by_pit() -> Option<u64> {
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
