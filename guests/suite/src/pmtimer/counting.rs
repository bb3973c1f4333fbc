//! The timer: its rate, its direction, its width, and accesses of every size.

use super::model;
use crate::rates::{Reading, TOLERANCE};
use rt::{
    acpi::{self, Root},
    case, check, check_eq, clock,
    cpu::port,
    note,
    pm_timer::{self, Block, FADT, PORT},
    skip,
    vocabulary::Needs,
};

/// What every timer has.
const WIDTH: u32 = 24;

fn read() -> Reading {
    let before = clock::now();
    let count = pm_timer::read() & model::mask(WIDTH);
    Reading { before, count: count.into(), after: clock::now() }
}

const APART_MICROS: u64 = 5_000;
const MAX_TURNS: u32 = 8;
/// Within which it goes round once at most: 24 bits last for 4.7 s.
const ONCE_MICROS: u64 = 4_000_000;

/// It counts at 3.579545 MHz, within 0.5 % of the time-stamp counter. However the host delays the readings, bounds of the rate
/// are known; a turn that leaves them far apart is made again.
#[case(feature = PmTimer, spec = acpi("Power Management Timer"), needs = Needs::PM_TIMER, irqchip = Full)]
fn timer_counts_at_its_rate() {
    if matches!(clock::rate().1, clock::Source::Assumed | clock::Source::PmTimer) {
        // What was measured by this timer proves nothing of it.
        skip!("only this timer tells the rate of the time-stamp counter");
        return;
    }
    let expected = ((pm_timer::FREQUENCY << 32) / 1_000) / clock::tsc_khz();
    let (mut rate, mut is_known) = (None, false);
    for _ in 0..MAX_TURNS {
        let first = Reading::closest(read);
        clock::Deadline::after(APART_MICROS).wait(|| false);
        let mut second = Reading::closest(read);
        if second.after - first.before > clock::ticks(ONCE_MICROS) {
            // The host took so much time away that the counter may have gone round twice.
            rate = None;
            is_known = false;
            continue;
        }
        is_known = true;
        if second.count < first.count {
            second.count += 1 << WIDTH;
        }
        rate = first.rate_until(second);
        if rate.is_none_or(|rate| rate.is_known(TOLERANCE)) {
            break;
        }
    }
    if !is_known {
        note!("turns in which the host left time to measure", 0_u64);
        return;
    }
    let Some(rate) = rate else {
        check!("it counts", false);
        return;
    };
    note!("least", rate.least);
    note!("most", rate.most);
    note!("expected", expected);
    check!("within 0.5 %", rate.can_be(expected, TOLERANCE));
}

/// It never goes back: less than half of its range passes between two readings.
#[case(feature = PmTimer, spec = acpi("Power Management Timer"), needs = Needs::PM_TIMER, irqchip = Full)]
fn timer_never_goes_back() {
    let mut last = pm_timer::read();
    let mut most = 0;
    for _ in 0..200_u32 {
        let now = pm_timer::read();
        most = most.max(model::passed(last, now, WIDTH));
        last = now;
    }
    check!("forwards only", most < 1 << (WIDTH - 1));
}

/// Bits above the width that the FADT tells are zero.
#[case(
    feature = PmTimer, spec = [acpi("Power Management Timer"), acpi("Fixed ACPI Description Table (FADT)")],
    needs = Needs::PM_TIMER | Needs::FIRMWARE_TABLES, irqchip = Full
)]
fn bits_above_the_width_are_zero() {
    let Some(fadt) = acpi::search_root().map(Root::read).and_then(|root| root.find(FADT)) else {
        check!("the FADT is found", false);
        return;
    };
    let block = Block::of(fadt);
    check_eq!("port", block.timer, PORT);
    for turn in 0..16_u8 {
        let value = port::read_u32(block.timer);
        check_eq!("bits above", [&[]; turn], value & !model::mask(block.width()), 0);
    }
}

/// Reads of one and two bytes at every offset are those bytes of the timer.
#[case(feature = PmTimer, spec = acpi("PM1 Event Grouping"), needs = Needs::PM_TIMER, irqchip = Full)]
fn parts_are_those_of_the_whole() {
    for offset in 0..4_u16 {
        for size in [1_u32, 2] {
            if u32::from(offset) + size > 4 || size == 2 && offset == 1 {
                continue;
            }
            // All turns are one answer: other bytes are the right ones by chance now and then.
            let mut holds = true;
            for _ in 0..8 {
                let before = pm_timer::read();
                let part = match size {
                    1 => port::read_u8(PORT + offset).into(),
                    _ => port::read_u16(PORT + offset).into(),
                };
                holds &= model::is_part(before, part, pm_timer::read(), offset.into(), size);
            }
            check!("part", [&[]; u32::from(offset) << 4 | size], holds);
        }
    }
}

/// Writes do not change it.
#[case(feature = PmTimer, spec = acpi("Power Management Timer"), needs = Needs::PM_TIMER, irqchip = Full)]
fn timer_is_read_only() {
    for (row, value) in [0, u32::MAX, 0x80_0000, 0x1234_5678].into_iter().enumerate() {
        let (begin, before) = (clock::now(), pm_timer::read());
        port::write_u32(PORT, value);
        port::write_u16(PORT, value as u16);
        port::write_u8(PORT + 2, value as u8);
        let passed = u64::from(model::passed(before, pm_timer::read(), WIDTH));
        // Ticks that this took at most, by the time-stamp counter.
        let most = clock::nanoseconds(clock::now() - begin) * pm_timer::FREQUENCY / 1_000_000_000;
        check!("it goes on", [&[]; row], passed <= most + most / 64 + 2);
    }
}

/// Its rate is right by the HPET too, within 0.5 %.
#[case(feature = PmTimer, spec = acpi("Power Management Timer"), needs = Needs::PM_TIMER.union(Needs::HPET), irqchip = Full)]
fn timer_agrees_with_the_hpet() {
    use rt::hpet;
    const FEMTOSECONDS: u128 = 1_000_000_000_000_000;
    hpet::reset(0);
    hpet::start(0);
    let read = || {
        let before = hpet::read(hpet::COUNTER);
        let count = pm_timer::read() & model::mask(WIDTH);
        Reading { before, count: count.into(), after: hpet::read(hpet::COUNTER) }
    };
    let period = u128::from(hpet::period());
    // Ticks of this timer in 2^32 of the other.
    let expected = ((u128::from(pm_timer::FREQUENCY) * period) << 32) / FEMTOSECONDS;
    let (mut rate, mut is_known) = (None, false);
    for _ in 0..MAX_TURNS {
        let first = Reading::closest(read);
        let end = first.before + hpet::ticks(APART_MICROS);
        let passed = clock::Deadline::after(10 * APART_MICROS).wait(|| hpet::read(hpet::COUNTER) >= end);
        if !passed {
            // It stands.
            is_known = true;
            break;
        }
        let mut second = Reading::closest(read);
        if second.after - first.before > hpet::ticks(ONCE_MICROS) {
            rate = None;
            is_known = false;
            continue;
        }
        is_known = true;
        if second.count < first.count {
            second.count += 1 << WIDTH;
        }
        rate = first.rate_until(second);
        if rate.is_none_or(|rate| rate.is_known(TOLERANCE)) {
            break;
        }
    }
    hpet::stop();
    if !is_known {
        note!("turns in which the host left time to measure", 0_u64);
        return;
    }
    check!("both count", rate.is_some());
    check!("within 0.5 %", rate.is_some_and(|rate| rate.can_be(expected as u64, TOLERANCE)));
}
