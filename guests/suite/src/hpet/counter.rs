//! The main counter: written while it stands, counting while it is enabled, at the rate that it tells.

use crate::rates::{Reading, TOLERANCE};
use rt::{
    case, check, check_eq, clock,
    hpet::{self, CAPABILITIES, COUNTER, capability},
    note, skip,
    vocabulary::Needs,
};

fn mask() -> u64 {
    if hpet::read(CAPABILITIES) & capability::WIDE != 0 { u64::MAX } else { u64::from(u32::MAX) }
}

/// What is written to it while it stands is what it reads as: each bit, by 64 and by 32 bits.
#[case(feature = HpetRegisters, spec = hpet("Main Counter Value Register"), needs = Needs::HPET, irqchip = Full)]
fn halted_counter_keeps_what_is_written() {
    hpet::reset(0);
    let mask = mask();
    for bit in 0..64_u64 {
        let value = 1 << bit;
        hpet::write(COUNTER, value);
        check_eq!("a bit", [&[]; bit], hpet::read(COUNTER), value & mask);
        hpet::write(COUNTER, !value);
        check_eq!("all but a bit", [&[]; bit], hpet::read(COUNTER), !value & mask);
    }
    for (row, value) in [0x0123_4567_89ab_cdef_u64, 0xfedc_ba98_7654_3210].into_iter().enumerate() {
        hpet::write_half(COUNTER, value as u32);
        hpet::write_half(COUNTER + 4, (value >> 32) as u32);
        check_eq!("halves, low one first", [&[]; row], hpet::read(COUNTER), value & mask);
        hpet::write_half(COUNTER + 4, !value as u32);
        hpet::write_half(COUNTER, (!value >> 32) as u32);
        check_eq!("halves, high one first", [&[]; row], hpet::read(COUNTER), (!value).rotate_left(32) & mask);
    }
}

/// It counts up from what was written while it is enabled, stands otherwise, and goes on from there.
#[case(
    feature = HpetRegisters, spec = [hpet("Main Counter Value Register"), hpet("General Configuration Register")],
    needs = Needs::HPET, irqchip = Full
)]
fn counter_counts_while_enabled() {
    const START: u64 = 0x1_0000;
    hpet::reset(START);
    clock::Deadline::after(50).wait(|| false);
    check_eq!("it stands before", hpet::read(COUNTER), START);
    for turn in 0..4_u64 {
        let before = clock::now();
        let first = hpet::read(COUNTER);
        hpet::start(0);
        let moves = clock::Deadline::after(10_000).wait(|| hpet::read(COUNTER) > first + 100);
        check!("it counts", [&[]; turn], moves);
        hpet::stop();
        let stopped = hpet::read(COUNTER);
        // Twice as many as could have been is no clock, one that went on while it stood neither.
        let most = hpet::ticks(clock::nanoseconds(clock::now() - before) / 1_000 + 2);
        check!("no more than the time", [&[]; turn], stopped - first <= most + most / 64 + 2);
        clock::Deadline::after(100).wait(|| false);
        check_eq!("it stands", [&[]; turn], hpet::read(COUNTER), stopped);
    }
}

/// It never goes back, and its halves carry.
#[case(feature = HpetRegisters, spec = hpet("Main Counter Value Register"), needs = Needs::HPET, irqchip = Full)]
fn counter_never_goes_back() {
    hpet::reset(0);
    if mask() != u64::MAX {
        skip!("the counter has 32 bits");
        return;
    }
    // Few ticks before a carry into the high half, and before its last bit.
    for (row, high) in [0_u64, 1, 0x7fff_ffff, 0xffff_fffe].into_iter().enumerate() {
        hpet::reset(high << 32 | 0xffff_ff80);
        hpet::start(0);
        let mut last = hpet::read(COUNTER);
        let mut goes_back = false;
        let carried = clock::Deadline::after(10_000).wait(|| {
            let now = hpet::read(COUNTER);
            goes_back |= now < last;
            last = now;
            now >> 32 > high
        });
        check!("it carries", [&[]; row], carried);
        check!("not back", [&[]; row], !goes_back);
        check_eq!("high half", [&[]; row], u64::from(hpet::read_half(COUNTER + 4)), high + 1);
    }
    hpet::reset(u64::MAX - 100);
    hpet::start(0);
    let wrapped = clock::Deadline::after(10_000).wait(|| hpet::read(COUNTER) < 1 << 32);
    check!("behind the last number comes zero", wrapped);
    hpet::stop();
}

fn read() -> Reading {
    let before = clock::now();
    let count = hpet::read(COUNTER);
    Reading { before, count, after: clock::now() }
}

const APART_MICROS: u64 = 3_000;
const MAX_TURNS: u32 = 8;

/// Its ticks take the time that the capabilities tell, within 0.5 % of the time-stamp counter. However the host delays the
/// readings, bounds of the rate are known; a turn that leaves them far apart is made again.
#[case(
    feature = HpetRegisters, spec = [hpet("Main Counter Value Register"), hpet("Timer Accuracy Rules")], needs = Needs::HPET,
    irqchip = Full
)]
fn counter_has_the_rate_that_it_tells() {
    if clock::rate().1 == clock::Source::Assumed {
        skip!("nothing tells the rate of the time-stamp counter");
        return;
    }
    hpet::reset(0);
    let femtoseconds = (1_000_000_000_000_u128 << 32) / u128::from(clock::tsc_khz());
    let expected = (femtoseconds / u128::from(hpet::period().max(1))) as u64;
    hpet::start(0);
    let mut rate = None;
    for _ in 0..MAX_TURNS {
        let first = Reading::closest(read);
        clock::Deadline::after(APART_MICROS).wait(|| false);
        rate = first.rate_until(Reading::closest(read));
        if rate.is_none_or(|rate| rate.is_known(TOLERANCE)) {
            break;
        }
    }
    hpet::stop();
    let Some(rate) = rate else {
        check!("it counts", false);
        return;
    };
    note!("least", rate.least);
    note!("most", rate.most);
    note!("expected", expected);
    check!("within 0.5 %", rate.can_be(expected, TOLERANCE));
}
