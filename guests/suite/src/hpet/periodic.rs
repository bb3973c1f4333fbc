//! Periodic timers: the comparator goes on by the period with each match.

use super::model;
use rt::{
    case, check, check_eq,
    clock::Deadline,
    hpet::{self, COUNTER, STATUS, Timer, timer},
    interrupts::GENEROUS_MICROS,
    vocabulary::Needs,
};

fn timers() -> impl Iterator<Item = Timer> {
    (0..hpet::nr_timers()).map(Timer).filter(|which| which.can(timer::PERIODIC_CAPABLE))
}

/// Level-triggered, periodic, enabled; the first match and the period.
fn configure(which: Timer, bits: u64, first: u64, period: u64) {
    let route = u64::from(which.routes().trailing_zeros() & 0x1f) << timer::ROUTE_SHIFT;
    which.configure(timer::LEVEL | timer::PERIODIC | timer::ENABLE | timer::SET_VALUE | route | bits);
    which.compare(first);
    which.compare(period);
}

/// Whether the comparator is what it ought to be beside the main counter, now or soon: a host may be late.
fn is_ahead(which: Timer, first: u64, period: u64, bits: u32) -> bool {
    Deadline::after(GENEROUS_MICROS).wait(|| {
        let before = hpet::read(COUNTER);
        let comparator = which.comparator();
        let after = hpet::read(COUNTER);
        model::is_ahead(first, period, comparator, before, after, bits)
    })
}

fn bits_of(which: Timer) -> u32 {
    if which.can(timer::WIDE) { 64 } else { 32 }
}

/// First match and period of a row, in microseconds.
const ROWS: [(u64, u64); 3] = [(30, 30), (80, 20), (10, 100)];

/// The comparator starts with the accumulator, and is always the next multiple of the period behind it.
#[case(feature = HpetComparators, spec = [hpet("Periodic Mode"), hpet("Timer N Comparator Register")], needs = Needs::HPET, irqchip = Full)]
fn comparator_goes_on_by_the_period() {
    for which in timers() {
        for (index, (first, period)) in ROWS.into_iter().enumerate() {
            let (first, period) = (hpet::ticks(first), hpet::ticks(period));
            let row = which.0 << 8 | index as u64;
            hpet::reset(0);
            configure(which, 0, first, period);
            check_eq!("at the start", [&[]; row], which.comparator(), first);
            hpet::start(0);
            for turn in 0..6_u64 {
                let right = is_ahead(which, first, period, bits_of(which));
                check!("ahead of the counter", [&[]; row << 4 | turn], right);
                Deadline::after(23).wait(|| false);
            }
            hpet::stop();
        }
    }
}

/// Each match sets the status again after it was cleared, and none does before the comparator has gone on.
#[case(feature = HpetComparators, spec = hpet("Periodic Mode"), needs = Needs::HPET, irqchip = Full)]
fn each_match_sets_the_status() {
    const NR_MATCHES: u64 = 5;
    for which in timers() {
        let period = hpet::ticks(60);
        hpet::reset(0);
        configure(which, 0, period, period);
        hpet::start(0);
        for turn in 0..NR_MATCHES {
            let active = Deadline::after(GENEROUS_MICROS).wait(|| which.is_active());
            check!("active", [&[]; which.0 << 8 | turn], active);
            hpet::write(STATUS, which.bit());
        }
        check!("not more often than the period", [&[]; which.0], hpet::read(COUNTER) >= NR_MATCHES * period);
        hpet::stop();
    }
}

/// A period that is written while it runs counts from the next match on; the comparator stays until then.
#[case(feature = HpetComparators, spec = hpet("Periodic Mode"), needs = Needs::HPET, irqchip = Full)]
fn new_period_counts_from_the_next_match_on() {
    for which in timers() {
        let (long, short) = (hpet::ticks(400_000), hpet::ticks(50));
        let mut comparator = 0;
        // Where a host takes the time away in between, the first period may be taken already: with more time, it is not.
        let first = [150, 1_000, 20_000, 20_000].map(hpet::ticks).into_iter().find(|&first| {
            hpet::reset(0);
            configure(which, 0, first, long);
            hpet::start(0);
            which.compare(short);
            comparator = which.comparator();
            hpet::read(COUNTER) < first
        });
        let Some(first) = first else { continue };
        check_eq!("the comparator stays until the match", [&[]; which.0], comparator, first);
        let active = Deadline::after(GENEROUS_MICROS).wait(|| which.is_active());
        check!("active", [&[]; which.0], active);
        check!("then by the new period", [&[]; which.0], is_ahead(which, first, short, bits_of(which)));
        hpet::stop();
    }
}

/// The sum of a comparator of 32 bits wraps, of a forced one too, and of one of 64 bits carries.
#[case(feature = HpetComparators, spec = [hpet("Periodic Mode"), hpet("Timer N Configuration and Capabilities Register")], needs = Needs::HPET, irqchip = Full)]
fn sums_of_comparators_wrap_at_their_width() {
    for which in timers() {
        for forced in [false, true] {
            if forced && !which.can(timer::WIDE) {
                continue;
            }
            let bits = if forced { 32 } else { bits_of(which) };
            let mask = if bits == 64 { u64::MAX } else { u64::from(u32::MAX) };
            let period = hpet::ticks(40);
            for (index, high) in [0_u64, 0x7fff_ffff, 0xffff_ffff].into_iter().enumerate() {
                let row = which.0 << 8 | u64::from(forced) << 4 | index as u64;
                let counter = (high << 32 | 0xffff_ffff) - period / 2;
                let first = counter.wrapping_add(period / 4) & mask;
                hpet::reset(counter);
                configure(which, if forced { timer::FORCE_32 } else { 0 }, first, period);
                hpet::start(0);
                let carried = Deadline::after(GENEROUS_MICROS).wait(|| hpet::read(COUNTER) >> 32 != high);
                check!("the counter carries", [&[]; row], carried);
                check!("ahead of the counter", [&[]; row], is_ahead(which, first, period, bits));
                check!("active", [&[]; row], which.is_active());
                hpet::stop();
            }
        }
    }
}
