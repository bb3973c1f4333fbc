//! One-shot timers: when they match, as the interrupt status of level-triggered timers tells it.
//!
//! A status that is due is waited for, since a host may be late; one that is not must not be set, however late the host is,
//! and the main counter that is read behind it tells whether it was due.

use rt::{
    case, check, check_eq,
    clock::{self, Deadline},
    hpet::{self, COUNTER, STATUS, Timer, timer},
    interrupts::GENEROUS_MICROS,
    vocabulary::Needs,
};

const WAIT_MICROS: u64 = 60;
/// For what must not come.
const ABSENT_MICROS: u64 = 150;

fn timers() -> impl Iterator<Item = Timer> {
    (0..hpet::nr_timers()).map(Timer)
}

/// A level-triggered timer that is enabled and led to the first input that it permits, which the I/O APIC masks.
fn configure(which: Timer, bits: u64) {
    let route = u64::from(which.routes().trailing_zeros() & 0x1f) << timer::ROUTE_SHIFT;
    which.configure(timer::LEVEL | route | bits);
}

fn becomes_active(which: Timer) -> bool {
    Deadline::after(GENEROUS_MICROS).wait(|| which.is_active())
}

/// Whether the status is set before the main counter has come to `due`. The counter is below it at the start.
fn is_early(which: Timer, due: u64) -> bool {
    let mut is_early = false;
    Deadline::after(GENEROUS_MICROS).wait(|| {
        let is_active = which.is_active();
        let now = hpet::read(COUNTER);
        is_early |= is_active && (now.wrapping_sub(due) as i64) < 0;
        is_active || (now.wrapping_sub(due) as i64) >= 0
    });
    is_early
}

/// The status is set when the main counter comes to the comparator and not before; it is cleared by writing one to its bit and
/// by nothing else; it does not come again, and the comparator stays.
#[case(
    feature = HpetComparators, spec = [hpet("Non-Periodic Mode"), hpet("General Interrupt Status Register")],
    needs = Needs::HPET, irqchip = Full
)]
fn one_shot_matches_once() {
    for which in timers() {
        hpet::reset(0);
        configure(which, timer::ENABLE);
        let due = hpet::ticks(WAIT_MICROS);
        which.compare(due);
        check!("not active before", [&[]; which.0], !which.is_active());
        hpet::start(0);
        check!("not early", [&[]; which.0], !is_early(which, due));
        check!("active", [&[]; which.0], becomes_active(which));
        check_eq!("no other is", [&[]; which.0], hpet::read(STATUS), which.bit());
        hpet::write(STATUS, 0);
        check!("zero does not clear it", [&[]; which.0], which.is_active());
        hpet::write(STATUS, !which.bit() & 0xffff_ffff);
        check!("other bits do not clear it", [&[]; which.0], which.is_active());
        hpet::write(STATUS, which.bit());
        check!("one clears it", [&[]; which.0], !which.is_active());
        Deadline::after(ABSENT_MICROS).wait(|| false);
        check!("not again", [&[]; which.0], !which.is_active());
        check_eq!("the comparator stays", [&[]; which.0], which.comparator(), due);
    }
}

/// A timer whose interrupt is disabled operates all the same: its status is set.
#[case(
    feature = HpetComparators, spec = hpet("Timer N Configuration and Capabilities Register"), needs = Needs::HPET,
    irqchip = Full
)]
fn disabled_timer_sets_its_status() {
    for which in timers() {
        hpet::reset(0);
        configure(which, 0);
        which.compare(hpet::ticks(20));
        hpet::start(0);
        let active = Deadline::after(ABSENT_MICROS).wait(|| which.is_active());
        check!("active", [&[]; which.0], active);
    }
}

/// Nothing matches while the main counter stands, nor at what it has passed already.
#[case(
    feature = HpetComparators, spec = [hpet("General Configuration Register"), hpet("Non-Periodic Mode")],
    needs = Needs::HPET, irqchip = Full
)]
fn nothing_matches_without_its_tick() {
    const NOW: u64 = 0x10_0000;
    for (row, distance) in [1_u64, 2, 100, 0x1000, 0xf_0000].into_iter().enumerate() {
        hpet::reset(NOW);
        for which in timers() {
            configure(which, timer::ENABLE);
            which.compare(NOW - distance);
        }
        Deadline::after(ABSENT_MICROS / 2).wait(|| false);
        check_eq!("while it stands", [&[]; row], hpet::read(STATUS), 0);
        hpet::start(0);
        Deadline::after(ABSENT_MICROS).wait(|| false);
        check_eq!("what has passed", [&[]; row], hpet::read(STATUS), 0);
        for which in timers() {
            which.compare(NOW - distance);
        }
        Deadline::after(ABSENT_MICROS).wait(|| false);
        check_eq!("what has passed, written while it counts", [&[]; row], hpet::read(STATUS), 0);
    }
}

/// Timers of one main counter each match in their turn: never one before its time, all in the end.
#[case(feature = HpetComparators, spec = hpet("Non-Periodic Mode"), needs = Needs::HPET, irqchip = Full)]
fn timers_match_in_their_turn() {
    let nr_timers = hpet::nr_timers();
    for downwards in [false, true] {
        let due = |which: Timer| {
            let place = if downwards { nr_timers - which.0 } else { which.0 + 1 };
            hpet::ticks(WAIT_MICROS) * place
        };
        hpet::reset(0);
        for which in timers() {
            configure(which, timer::ENABLE);
            which.compare(due(which));
        }
        hpet::start(0);
        let all = (1 << nr_timers) - 1;
        let mut early = 0;
        let complete = Deadline::after(GENEROUS_MICROS).wait(|| {
            let status = hpet::read(STATUS);
            let now = hpet::read(COUNTER);
            for which in timers() {
                if status & which.bit() != 0 && now < due(which) {
                    early |= which.bit();
                }
            }
            status == all
        });
        check!("all have matched", [&[]; downwards], complete);
        check_eq!("early", [&[]; downwards], early, 0);
    }
}

/// A timer of 32 bits, by its nature or because it is forced, compares the low half only; it matches again with each wrap.
#[case(
    feature = HpetComparators,
    spec = [hpet("Non-Periodic Mode"), hpet("Timer N Configuration and Capabilities Register")], needs = Needs::HPET,
    irqchip = Full
)]
fn timer_of_32_bits_compares_the_low_half() {
    for which in timers() {
        let force = if which.can(timer::WIDE) { timer::FORCE_32 } else { 0 };
        let lead = hpet::ticks(WAIT_MICROS);
        // Main counter and comparator: another high half, a match behind the carry, and one in the upper half of the numbers.
        let rows = [
            (5 << 32 | 0x1000, 0x1000 + lead),
            (0xffff_ffff_0000_1000, 0x1000 + lead),
            (7 << 32 | (0x1_0000_0000 - lead / 2), lead / 2),
            (0x7fff_ff00, 0x7fff_ff00 + lead),
            (0x8000_0000, 0x8000_0000 + lead),
        ];
        for (index, (counter, comparator)) in rows.into_iter().enumerate() {
            let row = which.0 << 8 | index as u64;
            hpet::reset(counter);
            configure(which, timer::ENABLE | force);
            which.compare(comparator);
            hpet::start(0);
            check!("not early", [&[]; row], !is_early(which, counter + lead));
            check!("active", [&[]; row], becomes_active(which));
        }
        // Behind the wrap, to which the main counter is set, it comes again.
        let (counter, comparator) = rows[0];
        hpet::reset(counter);
        configure(which, timer::ENABLE | force);
        which.compare(comparator);
        for turn in 0..3_u64 {
            hpet::stop();
            hpet::write(STATUS, which.bit());
            hpet::write(COUNTER, counter + (turn << 32));
            hpet::start(0);
            check!("again", [&[]; which.0 << 8 | turn], becomes_active(which));
        }
    }
}

/// A timer of 64 bits compares all of them: also around the sign, and behind the last number.
#[case(feature = HpetComparators, spec = hpet("Non-Periodic Mode"), needs = Needs::HPET, irqchip = Full)]
fn timer_of_64_bits_compares_them_all() {
    for which in timers().filter(|which| which.can(timer::WIDE)) {
        let lead = hpet::ticks(WAIT_MICROS);
        let starts =
            [0, 0xffff_ff00, 0x7fff_ffff_ffff_ff00, 0x8000_0000_0000_0000, u64::MAX - 0x80, 0x1234_5678_ffff_ff80];
        for (index, counter) in starts.into_iter().enumerate() {
            let row = which.0 << 8 | index as u64;
            let due = counter.wrapping_add(lead);
            hpet::reset(counter);
            configure(which, timer::ENABLE);
            which.compare(due);
            hpet::start(0);
            check!("not early", [&[]; row], !is_early(which, due));
            check!("active", [&[]; row], becomes_active(which));
            // The low half is the same once more, with another high half.
            hpet::reset(counter);
            configure(which, timer::ENABLE);
            which.compare(due.wrapping_add(1 << 32));
            hpet::start(0);
            Deadline::after(2 * WAIT_MICROS).wait(|| false);
            check!("not with another high half", [&[]; row], !which.is_active());
        }
    }
}

/// A comparator that is written while the main counter counts is what counts from then on: later, and sooner.
#[case(feature = HpetComparators, spec = hpet("Timer N Comparator Register"), needs = Needs::HPET, irqchip = Full)]
fn comparator_is_changed_while_counting() {
    for which in timers() {
        hpet::reset(0);
        configure(which, timer::ENABLE);
        which.compare(hpet::ticks(2_000));
        hpet::start(0);
        which.compare(hpet::ticks(1_000_000));
        let due = hpet::read(COUNTER) + hpet::ticks(WAIT_MICROS);
        which.compare(due);
        // On a host that was late the first value has matched: what is active from here on is the last one.
        hpet::write(STATUS, which.bit());
        check!("sooner: not early", [&[]; which.0], !is_early(which, due));
        // A host that was late may have missed the tick: then it is written again.
        let active = Deadline::after(GENEROUS_MICROS).wait(|| {
            if which.is_active() {
                return true;
            }
            if hpet::read(COUNTER) > which.comparator() + hpet::ticks(1_000) {
                which.compare(hpet::read(COUNTER) + hpet::ticks(500));
            }
            false
        });
        check!("sooner: active", [&[]; which.0], active);
        let (is_known, is_active) = clock::undisturbed(|| {
            let first = hpet::read(COUNTER) + hpet::ticks(1_000);
            which.compare(first);
            // Now, since what was written again above may match until here.
            hpet::write(STATUS, which.bit());
            let second = hpet::read(COUNTER) + hpet::ticks(1_000_000);
            which.compare(second);
            // On a host that was late the first has matched, or even the second: nothing is known then.
            let was_in_time = hpet::read(COUNTER) < first;
            Deadline::after(1_200).wait(|| false);
            let is_active = which.is_active();
            (was_in_time && hpet::read(COUNTER) < second, is_active)
        });
        check!("later: not active", [&[]; which.0], !is_active || !is_known);
    }
}
