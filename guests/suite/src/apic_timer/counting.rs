//! One-shot and periodic mode: counting, dividing, interrupting, and changes of mode.

use super::rate::{Rate, Reading, divide_configuration};
use rt::{
    case, check, check_count, check_eq, clock,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic,
        register::{Register, lvt},
    },
    skip,
    vocabulary::Needs,
};

const VECTOR: u8 = 0x61;
/// How far apart the rates of two dividers may be.
const TOLERANCE_PPM: u64 = 1_000;

pub(super) fn read(apic: &LocalApic) -> Reading {
    let before = clock::now();
    let count = apic.read(Register::CURRENT_COUNT);
    Reading { before, count, after: clock::now() }
}

/// Of several readings the one that took the shortest time.
pub(super) fn read_closely(apic: &LocalApic) -> Reading {
    let mut best = read(apic);
    for _ in 0..7 {
        let reading = read(apic);
        if reading.after - reading.before < best.after - best.before {
            best = reading;
        }
    }
    best
}

/// The rate at which the count goes down now, measured over this many microseconds.
pub(super) fn measure(apic: &LocalApic, micros: u64) -> Option<Rate> {
    let first = read_closely(apic);
    clock::Deadline::after(micros).wait(|| false);
    Rate::between(first, read_closely(apic))
}

pub(super) fn stop(apic: &LocalApic) {
    apic.write(Register::INITIAL_COUNT, 0);
    apic.write(Register::LVT_TIMER, lvt::MASKED);
}

/// The timer's clock is divided by 1, 2, 4, 8, 16, 32, 64 and 128.
#[case(feature = ApicTimerOneShot, spec = [sdm3a("APIC Timer"), apm2("APIC Timer Interrupt")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic, time = 2)]
fn dividers() {
    let apic = LocalApic::enabled();
    apic.write(Register::LVT_TIMER, lvt::MASKED | u32::from(VECTOR));
    let mut first = None;
    for power in 0..8 {
        apic.write(Register::DIVIDE, divide_configuration(power));
        apic.write(Register::INITIAL_COUNT, u32::MAX);
        let Some(rate) = measure(&apic, 2_000) else { return check!("it counts", [&[]; 1 << power], false) };
        let rate = rate.undivided(1 << power);
        check!("it counts", [&[]; 1 << power], rate.most != 0);
        let other = *first.get_or_insert(rate);
        if rate.is_known(100_000) {
            check!("divided by", [&[]; 1 << power], rate.agrees(other, TOLERANCE_PPM));
        }
    }
    stop(&apic);
    apic.write(Register::DIVIDE, 0);
}

/// In one-shot mode the count goes down to zero, stays there, and interrupts once and not before.
#[case(feature = ApicTimerOneShot, spec = [sdm3a("APIC Timer"), apm2("APIC Timer Interrupt")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn one_shot() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    apic.write(Register::DIVIDE, divide_configuration(0));
    apic.write(Register::LVT_TIMER, lvt::MASKED);
    apic.write(Register::INITIAL_COUNT, u32::MAX);
    let rate = measure(&apic, 2_000);
    stop(&apic);
    let Some(rate) = rate else { return check!("it counts", false) };
    check_eq!("stopped by an initial count of 0", apic.read(Register::CURRENT_COUNT), 0);
    apic.write(Register::LVT_TIMER, VECTOR.into());
    // Some 500 microseconds, whatever the rate.
    let count = ((rate.least * clock::ticks(500)) >> 32).clamp(1, u32::MAX.into());
    for turn in 0..4_u32 {
        interrupts::clear();
        let start = clock::now();
        apic.write(Register::INITIAL_COUNT, count as u32);
        let reading = read(&apic);
        check!("it counts down from there", [&[]; turn], u64::from(reading.count) <= count);
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) != 0);
        let _ = interrupts::wait_for_more();
        check_count!("interrupts", [&[]; turn], interrupts::count(VECTOR), 1);
        let shortest = (count << 32) / rate.most.max(1);
        let passed = interrupts::taken(0).map_or(0, |taken| taken.tsc.wrapping_sub(start));
        // A host that counts in its own nanoseconds may be a little off.
        check!("not too early", [&[]; turn], passed + shortest / 500 >= shortest);
        check_eq!("current count", [&[]; turn], apic.read(Register::CURRENT_COUNT), 0);
        check_eq!("initial count", [&[]; turn], apic.read(Register::INITIAL_COUNT), count);
    }
    stop(&apic);
}

/// In periodic mode the count begins anew whenever it reaches zero, and interrupts each time, never too often.
#[case(feature = ApicTimerPeriodic, spec = [sdm3a("APIC Timer"), apm2("APIC Timer Interrupt")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic, time = 2)]
fn periodic() {
    const NR: u32 = 8;
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    apic.write(Register::DIVIDE, divide_configuration(0));
    apic.write(Register::LVT_TIMER, lvt::MASKED);
    apic.write(Register::INITIAL_COUNT, u32::MAX);
    let Some(rate) = measure(&apic, 2_000) else { return check!("it counts", false) };
    let count = ((rate.least * clock::ticks(1_000)) >> 32).clamp(1, u32::MAX.into());
    apic.write(Register::INITIAL_COUNT, 0);
    apic.write(Register::LVT_TIMER, lvt::PERIODIC | u32::from(VECTOR));
    let start = clock::now();
    apic.write(Register::INITIAL_COUNT, count as u32);
    // A host that is busy may hold the processor up for many periods, which then come as one.
    let came = interrupts::wait_until(GENEROUS_MICROS * 10, || interrupts::count(VECTOR) >= NR);
    let end = clock::now();
    // It may be zero for a moment: until a host that is late begins it anew.
    let mut running = 0;
    clock::Deadline::after(GENEROUS_MICROS).wait(|| {
        running = apic.read(Register::CURRENT_COUNT);
        running != 0
    });
    stop(&apic);
    check!("it interrupts again and again", came);
    check!("the count goes on", running != 0 && u64::from(running) <= count);
    let shortest = (count << 32) / rate.most.max(1);
    for index in 0..NR.min(interrupts::count(VECTOR)) {
        let passed = interrupts::taken(index as usize).map_or(0, |taken| taken.tsc.wrapping_sub(start));
        let due = shortest * u64::from(index + 1);
        check!("not too early", [&[]; index], passed + due / 500 >= due);
    }
    let most = (end - start) / (shortest - shortest / 500).max(1);
    check!("not too many", u64::from(interrupts::count(VECTOR)) <= most);
    let _ = interrupts::wait_for_more();
    interrupts::clear();
    check!("none when stopped", !interrupts::wait_for_more());
}

/// A change between one-shot and periodic mode while it counts holds from the next time that it reaches zero.
#[case(feature = ApicTimerModes, spec = sdm3a("APIC Timer"), needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn a_new_count_starts_over() {
    let apic = LocalApic::enabled();
    apic.write(Register::DIVIDE, divide_configuration(7));
    apic.write(Register::LVT_TIMER, lvt::MASKED);
    for (row, count) in [u32::MAX, 0x8000_0000, 0xf000_0000, 0x4000_0000].into_iter().enumerate() {
        apic.write(Register::INITIAL_COUNT, count);
        let reading = apic.read(Register::CURRENT_COUNT);
        check!("from the new count", [&[]; row], reading <= count && reading > count - 0x1000_0000);
        check_eq!("initial count", [&[]; row], apic.read(Register::INITIAL_COUNT), count);
    }
    apic.write(Register::INITIAL_COUNT, 0);
    check_eq!("stopped", apic.read(Register::CURRENT_COUNT), 0);
    apic.write(Register::DIVIDE, 0);
}

/// The local vector's mask keeps the interrupt out and lets the timer count: in periodic mode it comes as soon as it is lifted.
#[case(feature = ApicTimerModes, spec = [sdm3a("APIC Timer"), sdm3a("Local Vector Table")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn masked_periodic() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    apic.write(Register::DIVIDE, divide_configuration(0));
    apic.write(Register::LVT_TIMER, lvt::MASKED);
    apic.write(Register::INITIAL_COUNT, u32::MAX);
    let Some(rate) = measure(&apic, 1_000) else { return skip!("the timer does not count, which another case tells") };
    let count = ((rate.least * clock::ticks(500)) >> 32).clamp(1, u32::MAX.into());
    apic.write(Register::LVT_TIMER, lvt::MASKED | lvt::PERIODIC | u32::from(VECTOR));
    apic.write(Register::INITIAL_COUNT, count as u32);
    let came = interrupts::wait_until(2_000, || interrupts::total() != 0);
    check!("not while masked", !came);
    apic.write(Register::LVT_TIMER, lvt::PERIODIC | u32::from(VECTOR));
    check!("as soon as not", interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0));
    stop(&apic);
}
