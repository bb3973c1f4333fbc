//! Interrupts of timers: the input that each is routed to, edges and levels, periods, messages.

use crate::{
    inputs::{self, Input},
    rates::Train,
};
use rt::{
    case, check, check_count, check_eq, clock,
    hpet::{self, STATUS, Timer, timer},
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::LocalApic,
    skip,
    vocabulary::Needs,
};

const VECTOR: u8 = 0x61;
const LEAD_MICROS: u64 = 50;
const NEEDS: Needs = Needs::HPET.union(Needs::IO_APIC);

/// Inputs that the 8254 and the real-time clock lead to as well.
const SHARED: [u32; 2] = [2, 8];

/// Every timer with every input that it permits and the I/O APIC has.
fn routes() -> impl Iterator<Item = (Timer, u32)> {
    let nr_inputs = inputs::number().min(32);
    (0..hpet::nr_timers()).map(Timer).flat_map(move |which| {
        let routes = which.routes();
        (0..nr_inputs).filter(move |pin| routes >> pin & 1 != 0 && !SHARED.contains(pin)).map(move |pin| (which, pin))
    })
}

/// Every timer with the first such input.
fn first_routes() -> impl Iterator<Item = (Timer, u32)> {
    (0..hpet::nr_timers()).map(Timer).filter_map(|which| routes().find(|route| route.0 == which))
}

fn start(which: Timer, pin: u32, bits: u64) {
    hpet::reset(0);
    which.configure(u64::from(pin) << timer::ROUTE_SHIFT | bits);
    which.compare(hpet::ticks(LEAD_MICROS));
    hpet::start(0);
}

/// An edge-triggered timer interrupts once, at each input that it permits.
#[case(feature = HpetRouting, spec = [hpet("Interrupt Mapping"), hpet("Non-Periodic Mode")], needs = NEEDS, irqchip = Full)]
fn edge_comes_at_each_permitted_input() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for (which, pin) in routes() {
        let row = which.0 << 8 | u64::from(pin);
        let _input = Input::connect(&apic, pin, VECTOR, false);
        interrupts::clear();
        start(which, pin, timer::ENABLE);
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0);
        check!("it comes", [&[]; row], came);
        check!("once", [&[]; row], !interrupts::wait_for_more() && interrupts::total() == 1);
        check!("not early", [&[]; row], hpet::read(hpet::COUNTER) >= hpet::ticks(LEAD_MICROS));
    }
    hpet::stop();
}

/// A level-triggered timer interrupts until its status is cleared: again behind each end of interrupt, and not after it.
#[case(
    feature = HpetRouting, spec = [hpet("General Interrupt Status Register"), hpet("Interrupt Mapping")], needs = NEEDS,
    irqchip = Full
)]
fn level_stays_until_its_status_is_cleared() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::Not);
    for (which, pin) in first_routes() {
        let row = which.0 << 8 | u64::from(pin);
        let _input = Input::connect(&apic, pin, VECTOR, true);
        interrupts::clear();
        start(which, pin, timer::ENABLE | timer::LEVEL);
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0);
        check!("it comes", [&[]; row], came);
        check!("in service", [&[]; row], apic.is_in_service(VECTOR));
        check!("level-triggered", [&[]; row], apic.is_level(VECTOR));
        check!("active", [&[]; row], which.is_active());
        let is_kept_out = !interrupts::wait_for_more();
        check!("not again before its end", [&[]; row], is_kept_out);
        if !is_kept_out {
            // Of what comes then nothing is told by the timer.
            hpet::write(STATUS, which.bit());
            apic.end_interrupt();
            let _ = interrupts::wait_for_more();
            continue;
        }
        apic.end_interrupt();
        let again = interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= 2);
        check!("again behind its end", [&[]; row], again);
        hpet::write(STATUS, which.bit());
        apic.end_interrupt();
        check!("not when it is cleared", [&[]; row], !interrupts::wait_for_more());
        check_count!("interrupts", [&[]; row], interrupts::total(), 2);
    }
    hpet::stop();
}

/// No interrupt comes of a timer that is disabled, nor while the block is; one that has been told by its status comes when the
/// timer is enabled.
#[case(
    feature = HpetRouting,
    spec = [hpet("Timer N Configuration and Capabilities Register"), hpet("General Configuration Register")],
    needs = NEEDS, irqchip = Full
)]
fn nothing_comes_while_disabled() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for (which, pin) in first_routes() {
        let _input = Input::connect(&apic, pin, VECTOR, false);
        interrupts::clear();
        start(which, pin, 0);
        clock::Deadline::after(2 * LEAD_MICROS).wait(|| false);
        check!("timer disabled", [&[]; which.0], !interrupts::wait_for_more());
        start(which, pin, timer::ENABLE);
        hpet::reset(0);
        which.configure(u64::from(pin) << timer::ROUTE_SHIFT | timer::ENABLE);
        which.compare(hpet::ticks(LEAD_MICROS));
        // The first start may have been long ago.
        let _ = interrupts::wait_for_more();
        interrupts::clear();
        clock::Deadline::after(2 * LEAD_MICROS).wait(|| false);
        check!("block disabled", [&[]; which.0], !interrupts::wait_for_more());
        hpet::start(0);
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0);
        check!("then enabled", [&[]; which.0], came);
    }
    hpet::stop();
}

/// How many rounds there are until one has an interrupt in time, each of a longer period than the one before.
const NR_ROUNDS: u64 = 8;
const PERIOD_MICROS: u64 = 1_500;
const NR_PERIODS: usize = 16;

/// Periodic interrupts come one after the other, and not sooner than their periods: a host may be late, and never early.
#[case(feature = HpetRouting, spec = [hpet("Periodic Mode"), hpet("Timer Accuracy Rules")], needs = NEEDS, irqchip = Full)]
fn periodic_interrupts_come_at_their_rate() {
    if clock::rate().1 == clock::Source::Assumed {
        skip!("nothing tells the rate of the time-stamp counter");
        return;
    }
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for (which, pin) in first_routes().filter(|(which, _)| which.can(timer::PERIODIC_CAPABLE)) {
        let _input = Input::connect(&apic, pin, VECTOR, false);
        interrupts::clear();
        hpet::reset(0);
        which.configure(u64::from(pin) << timer::ROUTE_SHIFT | timer::ENABLE | timer::PERIODIC | timer::SET_VALUE);
        which.compare(hpet::ticks(PERIOD_MICROS));
        which.compare(hpet::ticks(PERIOD_MICROS));
        let begin = clock::now();
        hpet::start(0);
        // A host that is busy may join two; then it takes longer.
        let came = interrupts::halt_until(4_000_000, || interrupts::total() as usize >= NR_PERIODS);
        hpet::stop();
        check!("they come", [&[]; which.0], came);
        let last = interrupts::taken(NR_PERIODS - 1).map_or(0, |taken| taken.tsc);
        let least = clock::ticks(PERIOD_MICROS) * NR_PERIODS as u64;
        // By half a percent for the measurement of the time-stamp counter.
        check!("not early", [&[]; which.0], last.wrapping_sub(begin) >= least - least / 200);
        let _ = interrupts::wait_for_more();
    }
}

/// Of many interrupts of a periodic timer none comes too soon, by 0.5 % of the time-stamp counter, and in one of some rounds one of
/// the later ones is in time by as much. A host may delay and join them as it likes, but not in every round.
#[case(feature = HpetRouting, spec = [hpet("Periodic Mode"), hpet("Timer Accuracy Rules")], needs = NEEDS, irqchip = Full)]
fn periodic_interrupts_have_the_period() {
    const SHORTEST_MICROS: u64 = 20_000;
    const NR: usize = 6;
    if clock::rate().1 == clock::Source::Assumed {
        skip!("nothing tells the rate of the time-stamp counter");
        return;
    }
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let Some((which, pin)) = first_routes().find(|(which, _)| which.can(timer::PERIODIC_CAPABLE)) else {
        skip!("no timer is periodic and leads to an input");
        return;
    };
    let _input = Input::connect(&apic, pin, VECTOR, false);
    let (mut came, mut is_early, mut is_in_time) = (true, false, false);
    // The longer a period, the less it counts what a host delays: half a percent of the last round is 5 ms.
    for period in (1..=NR_ROUNDS).map(|round| round * SHORTEST_MICROS) {
        interrupts::clear();
        hpet::reset(0);
        which.configure(u64::from(pin) << timer::ROUTE_SHIFT | timer::ENABLE | timer::PERIODIC | timer::SET_VALUE);
        which.compare(hpet::ticks(period));
        which.compare(hpet::ticks(period));
        let after = clock::now();
        hpet::start(0);
        let train = Train { period: clock::ticks(period), after, before: clock::now() };
        // Nothing else interrupts: without the timer this would not end, as the case's time does.
        came &= interrupts::halt_until(4_000_000, || interrupts::total() as usize >= NR);
        hpet::stop();
        let _ = interrupts::wait_for_more();
        for (number, taken) in (1..).zip((0..NR).filter_map(interrupts::taken)) {
            is_early |= train.is_early(number, taken.tsc);
            is_in_time |= number > NR as u64 / 2 && train.is_in_time(number, taken.tsc);
        }
        if is_in_time || !came {
            break;
        }
    }
    check!("they come", came);
    check!("none too soon", !is_early);
    check!("one in time", is_in_time);
}

/// Where it is offered, a timer sends the message of its FSB route instead of using an input.
#[case(feature = HpetRouting, spec = hpet("Timer N FSB Interrupt Route Register"), needs = Needs::HPET, irqchip = Full)]
fn message_is_sent_where_it_is_offered() {
    let mut is_offered = false;
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for which in (0..hpet::nr_timers()).map(Timer).filter(|which| which.can(timer::FSB_CAPABLE)) {
        is_offered = true;
        hpet::reset(0);
        let message = (0xfee0_0000 | u64::from(apic.id()) << 12) << 32 | u64::from(VECTOR);
        hpet::write(which.route_at(), message);
        check_eq!("route", [&[]; which.0], hpet::read(which.route_at()), message);
        interrupts::clear();
        which.configure(timer::ENABLE | timer::FSB);
        which.compare(hpet::ticks(LEAD_MICROS));
        hpet::start(0);
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0);
        check!("it comes", [&[]; which.0], came);
        check!("once", [&[]; which.0], !interrupts::wait_for_more() && interrupts::total() == 1);
    }
    hpet::stop();
    if !is_offered {
        skip!("no timer offers messages");
    }
}
