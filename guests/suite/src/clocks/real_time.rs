//! The real-time clock, whose one count is the half second from the release of its divider to its first update.

use super::{
    model::{self, Rate, Reading},
    sources::{Source, WITH_REAL_TIME},
};
use crate::rtc::wait::Halting;
use rt::{
    case, check,
    clock::{self, Deadline, now},
    note,
    rtc::{self, b, flag},
    vocabulary::Needs,
};

/// Where polling begins, before the update is due.
const APPROACH_MICROS: u64 = 480_000;
const SOURCES: [Source; 3] = [Source::Tsc, Source::Hpet, Source::PmTimer];

/// The half second agrees with the time-stamp counter, the HPET and the ACPI timer.
#[case(
    feature = ClockAgreement,
    spec = [rtc("Divider Control"), rtc("Update Cycle"), hpet("Main Counter Value Register"), acpi("Power Management Timer"), sdm3b("Invariant TSC")],
    needs = Needs::RTC | Needs::HPET | Needs::PM_TIMER | Needs::LOCAL_APIC | Needs::INVARIANT_TSC, irqchip = Full
)]
fn the_real_time_clock_agrees() {
    let halting = Halting::new();
    let hertz = SOURCES.map(Source::hertz);
    for source in SOURCES {
        source.start();
    }
    rtc::hold(b::HOURS_24);
    let first = SOURCES.map(Source::read_closely);
    let before = now();
    rtc::release(b::HOURS_24, 0);
    let released = Reading { before, count: 0, after: now() };
    let approach = before + clock::ticks(APPROACH_MICROS);
    let _ = halting.until(APPROACH_MICROS, || now() >= approach);
    let mut looked = released.after;
    let mut updated = None;
    let came = Deadline::after(2_000_000).wait(|| {
        let before = now();
        if rtc::read(rtc::C) & flag::UPDATED == 0 {
            looked = before;
            return false;
        }
        updated = Some(Reading { before: looked, count: 1, after: now() });
        true
    });
    check!("the update comes", came);
    let second = SOURCES.map(Source::read_closely);
    let Some(updated) = updated else { return };
    let real_time = model::half_second(released, updated);
    note!("width of the interval in parts in a million", real_time.map_or(u64::MAX, Rate::width));
    let longest = clock::ticks(2_000_000);
    for (index, source) in SOURCES.into_iter().enumerate() {
        if second[index].after - first[index].before > longest {
            // Counters may have gone round.
            continue;
        }
        let other = model::rate(first[index], second[index], hertz[index], source.bits());
        let agrees = real_time.zip(other).is_some_and(|(one, other)| one.agrees(other));
        check!("they agree", [WITH_REAL_TIME; index], agrees);
    }
}
