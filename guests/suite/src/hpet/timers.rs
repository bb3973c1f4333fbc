//! Configuration and comparator of each timer as registers.

use super::model;
use rt::{
    case, check, check_eq,
    hpet::{self, Timer, timer},
    vocabulary::Needs,
};

/// Bits that are written, in all combinations.
const BITS: [u64; 5] = [timer::LEVEL, timer::ENABLE, timer::PERIODIC, timer::FORCE_32, timer::FSB];

/// The bits of a configuration are kept where the timer has the capability, and read as zero where not.
#[case(
    feature = HpetRegisters, spec = hpet("Timer N Configuration and Capabilities Register"), needs = Needs::HPET,
    irqchip = Full
)]
fn configuration_keeps_what_the_timer_can() {
    hpet::reset(0);
    for index in 0..hpet::nr_timers() {
        let timer = Timer(index);
        let capabilities = timer.configuration();
        let route = u64::from(timer.routes().trailing_zeros() & 0x1f) << timer::ROUTE_SHIFT;
        for row in 0..1_u64 << BITS.len() {
            let chosen = BITS.iter().enumerate().filter(|(bit, _)| row >> bit & 1 != 0);
            let written = chosen.fold(route, |written, (_, bit)| written | bit);
            timer.configure(written);
            let right = model::is_written(capabilities, written, timer.configuration());
            check!("configuration", [&[]; index << 8 | row], right);
        }
        timer.configure(route);
    }
}

/// An input that a timer may be routed to reads back, another does not.
#[case(
    feature = HpetRouting, spec = hpet("Timer N Configuration and Capabilities Register"), needs = Needs::HPET,
    irqchip = Full
)]
fn only_permitted_inputs_read_back() {
    hpet::reset(0);
    for index in 0..hpet::nr_timers() {
        let timer = Timer(index);
        let capabilities = timer.configuration();
        let first = u64::from(timer.routes().trailing_zeros() & 0x1f);
        for input in 0..32 {
            timer.configure(first << timer::ROUTE_SHIFT);
            let written = input << timer::ROUTE_SHIFT;
            timer.configure(written);
            let right = model::is_written(capabilities, written, timer.configuration());
            check!("input", [&[]; index << 8 | input], right);
        }
    }
}

/// A comparator that is not periodic keeps what is written: 64 bits, or the low 32 of a timer that has no more.
#[case(feature = HpetComparators, spec = hpet("Timer N Comparator Register"), needs = Needs::HPET, irqchip = Full)]
fn comparator_keeps_what_is_written() {
    hpet::reset(0);
    for index in 0..hpet::nr_timers() {
        let timer = Timer(index);
        let is_wide = timer.can(timer::WIDE);
        let mask = if is_wide { u64::MAX } else { u64::from(u32::MAX) };
        for bit in 0..64_u64 {
            let row = index << 8 | bit;
            timer.compare(!(1 << bit));
            check_eq!("all but a bit", [&[]; row], timer.comparator(), !(1 << bit) & mask);
        }
        hpet::write_half(timer.comparator_at() + 4, 0x8765_4321);
        hpet::write_half(timer.comparator_at(), 0x1234_5678);
        check_eq!("halves", [&[]; index], timer.comparator(), 0x8765_4321_1234_5678 & mask);
    }
}

/// The bit that lets the accumulator be set clears itself with the write of the comparator.
#[case(
    feature = HpetComparators, spec = hpet("Timer N Configuration and Capabilities Register"), needs = Needs::HPET,
    irqchip = Full
)]
fn value_set_clears_itself() {
    hpet::reset(0);
    for index in 0..hpet::nr_timers() {
        let timer = Timer(index);
        if !timer.can(timer::PERIODIC_CAPABLE) {
            continue;
        }
        timer.configure(timer::PERIODIC | timer::SET_VALUE);
        timer.compare(0x10_0000);
        check_eq!("the bit", [&[]; index], timer.configuration() & timer::SET_VALUE, 0);
        check_eq!("the accumulator", [&[]; index], timer.comparator(), 0x10_0000);
        timer.compare(0x1_0000);
        check_eq!("the second write is the period", [&[]; index], timer.comparator(), 0x10_0000);
        timer.configure(timer::PERIODIC | timer::SET_VALUE);
        timer.compare(0x20_0000);
        check_eq!("set again", [&[]; index], timer.comparator(), 0x20_0000);
    }
}
