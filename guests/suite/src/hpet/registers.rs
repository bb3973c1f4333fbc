//! General registers: what they tell, and what can be written.

use super::model;
use rt::{
    case, check, check_eq,
    hpet::{self, CAPABILITIES, CONFIGURATION, COUNTER, STATUS, Timer, capability, configuration},
    vocabulary::Needs,
};

/// Revision, three timers or more, a vendor, and a period of at most 100 ns; each bit that is set is one that is wrong.
#[case(feature = HpetRegisters, spec = hpet("General Capabilities and ID Register"), needs = Needs::HPET, irqchip = Full)]
fn capabilities_are_valid() {
    let capabilities = hpet::read(CAPABILITIES);
    check_eq!("wrong", model::wrong_capabilities(capabilities), 0);
    let timers = 0..hpet::nr_timers();
    check!("a timer is periodic", timers.clone().any(|index| Timer(index).can(hpet::timer::PERIODIC_CAPABLE)));
    let is_wide = capabilities & capability::WIDE != 0;
    for index in timers {
        check_eq!("wrong of a timer", [&[]; index], model::wrong_timer(Timer(index).configuration(), is_wide), 0);
    }
}

/// Writes change no capability.
#[case(
    feature = HpetRegisters,
    spec = [hpet("General Capabilities and ID Register"), hpet("Timer N Configuration and Capabilities Register")],
    needs = Needs::HPET, irqchip = Full
)]
fn capabilities_are_read_only() {
    const TIMER: u64 = 0xffff_ffff_0000_8030;
    hpet::reset(0);
    let before = hpet::read(CAPABILITIES);
    for value in [0, u64::MAX, !before] {
        hpet::write(CAPABILITIES, value);
        check_eq!("general", [&[]; value & 3], hpet::read(CAPABILITIES), before);
        hpet::write_half(CAPABILITIES + 4, value as u32);
        check_eq!("period", [&[]; value & 3], hpet::read(CAPABILITIES), before);
    }
    for index in 0..hpet::nr_timers() {
        let timer = Timer(index);
        let before = timer.configuration() & TIMER;
        for half in [0, u32::MAX] {
            hpet::write_half(timer.configuration_at() + 4, half);
            check_eq!(
                "inputs of a timer",
                [&[]; index << 1 | u64::from(half & 1)],
                timer.configuration() & TIMER,
                before
            );
        }
        timer.configure(0);
        check_eq!("capabilities of a timer", [&[]; index], timer.configuration() & TIMER, before);
    }
}

/// Two halves read as the whole does, of every register.
#[case(feature = HpetRegisters, spec = hpet("Register Overview"), needs = Needs::HPET, irqchip = Full)]
fn halves_make_the_whole() {
    hpet::reset(0x1234_5678_9abc_def0);
    let timers = (0..hpet::nr_timers()).flat_map(|index| {
        let timer = Timer(index);
        timer.compare(0x0fed_cba9_8765_4321);
        [timer.configuration_at(), timer.comparator_at()]
    });
    for register in [CAPABILITIES, CONFIGURATION, STATUS, COUNTER].into_iter().chain(timers) {
        let whole = hpet::read(register);
        check_eq!("low", [&[]; register], hpet::read_half(register), whole as u32);
        check_eq!("high", [&[]; register], hpet::read_half(register + 4), (whole >> 32) as u32);
    }
}

/// Comparators hold all ones before any software wrote them, as many as the timer has.
#[case(feature = HpetRegisters, spec = hpet("Timer N Comparator Register"), needs = Needs::HPET, irqchip = Full)]
fn comparators_are_all_ones_at_first() {
    for index in 0..hpet::nr_timers() {
        let timer = Timer(index);
        let expected = if timer.can(hpet::timer::WIDE) { u64::MAX } else { u32::MAX.into() };
        check_eq!("comparator", [&[]; index], timer.comparator() & expected, expected);
    }
}

/// Both bits of the general configuration are kept, legacy replacement where it is offered; the reserved ones read as zero.
#[case(feature = HpetRegisters, spec = hpet("General Configuration Register"), needs = Needs::HPET, irqchip = Full)]
fn configuration_keeps_its_bits() {
    hpet::reset(0);
    let legacy = if hpet::read(CAPABILITIES) & capability::LEGACY != 0 { configuration::LEGACY } else { 0 };
    let kept = configuration::ENABLE | legacy;
    for row in 0..8_u64 {
        let value = row & 3;
        if row & 4 == 0 {
            hpet::write(CONFIGURATION, value);
        } else {
            hpet::write_half(CONFIGURATION, value as u32);
        }
        check_eq!("configuration", [&[]; row], hpet::read(CONFIGURATION), value & kept);
    }
    hpet::stop();
}

/// Bits of the interrupt status that are not set stay so, whatever is written.
#[case(feature = HpetRegisters, spec = hpet("General Interrupt Status Register"), needs = Needs::HPET, irqchip = Full)]
fn writing_sets_no_status() {
    hpet::reset(0);
    for (row, value) in [u64::MAX, 0, 1, 0xffff_ffff].into_iter().enumerate() {
        hpet::write(STATUS, value);
        check_eq!("status", [&[]; row], hpet::read(STATUS), 0);
    }
}
