//! Changes while the timer counts: of mode, of divisor, of the mask; and the count in between.

use super::{
    counting::{measure, read_closely, stop},
    rate::{Rate, divide_configuration},
};
use rt::{
    case, check, check_eq,
    clock::{self, Deadline},
    cpu::cpuid,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic,
        register::{Register, lvt},
    },
    names, skip,
    vocabulary::{Needs, Text},
};

const VECTOR: u8 = 0x63;
/// How late a timer of the host may be, in microseconds, where an interrupt must not come that a late one would make.
const LATE_MICROS: u64 = 3_000;
/// How far apart two rates may be that ought to be equal.
const TOLERANCE_PPM: u64 = 1_000;

/// Counts of so many microseconds, with the divisor 1.
fn counts_of(rate: Rate, micros: u64) -> u32 {
    ((rate.least * clock::ticks(micros)) >> 32).clamp(1, u32::MAX.into()) as u32
}

fn start_measuring(apic: &LocalApic) -> Option<Rate> {
    apic.write(Register::DIVIDE, divide_configuration(0));
    apic.write(Register::LVT_TIMER, lvt::MASKED);
    apic.write(Register::INITIAL_COUNT, u32::MAX);
    measure(apic, 1_000)
}

const CHANGES: &[Text] = names!["one-shot to periodic", "periodic to one-shot"];

/// A change between one-shot and periodic mode does not start the count anew. The manual says that a change of mode disarms the
/// timer, and processors are known that go on counting: either is taken, but nothing else.
#[case(feature = ApicTimerModes, spec = [sdm3a("APIC Timer"), sdm3a("TSC-Deadline Mode")], needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn modes_change_while_it_counts() {
    let apic = LocalApic::enabled();
    apic.write(Register::DIVIDE, divide_configuration(0));
    for (row, [from, to]) in [[0, lvt::PERIODIC], [lvt::PERIODIC, 0]].into_iter().enumerate() {
        apic.write(Register::LVT_TIMER, lvt::MASKED | from | u32::from(VECTOR));
        apic.write(Register::INITIAL_COUNT, u32::MAX);
        let mut previous = u32::MAX;
        Deadline::after(100).wait(|| false);
        let before = apic.read(Register::CURRENT_COUNT);
        check!("it counts", [CHANGES; row], before < previous && before != 0);
        previous = before;
        apic.write(Register::LVT_TIMER, lvt::MASKED | to | u32::from(VECTOR));
        for _ in 0..4 {
            let count = apic.read(Register::CURRENT_COUNT);
            check!("it is disarmed or goes on", [CHANGES; row], count == 0 || count <= previous);
            check!("once disarmed, it stays so", [CHANGES; row], count == 0 || previous != 0);
            previous = count;
        }
        stop(&apic);
    }
}

/// A one-shot count that is over does not begin again in periodic mode, until an initial count is written.
#[case(feature = ApicTimerModes, spec = sdm3a("APIC Timer"), needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn what_is_over_stays_over_in_periodic_mode() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let Some(rate) = start_measuring(&apic) else { return skip!("the timer does not count, which another case tells") };
    apic.write(Register::LVT_TIMER, VECTOR.into());
    apic.write(Register::INITIAL_COUNT, counts_of(rate, 300));
    check!("one-shot", interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() == 1));
    apic.write(Register::LVT_TIMER, lvt::PERIODIC | u32::from(VECTOR));
    check!("nothing comes", !interrupts::let_in_for(LATE_MICROS));
    check_eq!("count", apic.read(Register::CURRENT_COUNT), 0);
    apic.write(Register::INITIAL_COUNT, counts_of(rate, 300));
    check!("it counts again", interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= 3));
    stop(&apic);
}

/// What a one-shot count would have interrupted with while its entry was masked is lost; masked and unmasked before its end, it
/// comes.
#[case(feature = ApicTimerModes, spec = [sdm3a("APIC Timer"), sdm3a("Local Vector Table")], needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn one_shot_is_masked_for_a_while() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let Some(rate) = start_measuring(&apic) else { return skip!("the timer does not count, which another case tells") };
    // Where a host takes time away, the count is over before the mask is lifted: with more time, it is not.
    for micros in [1_000, 5_000, 30_000, 30_000] {
        apic.write(Register::INITIAL_COUNT, 0);
        let _ = interrupts::wait_for_more();
        interrupts::clear();
        let begin = clock::now();
        let count = counts_of(rate, micros);
        apic.write(Register::LVT_TIMER, VECTOR.into());
        apic.write(Register::INITIAL_COUNT, count);
        apic.write(Register::LVT_TIMER, lvt::MASKED | u32::from(VECTOR));
        apic.write(Register::LVT_TIMER, VECTOR.into());
        let shortest = (u64::from(count) << 32) / rate.most.max(1);
        if clock::now() - begin >= shortest - shortest / 100 {
            continue;
        }
        check!("it comes", interrupts::wait_until(micros + GENEROUS_MICROS, || interrupts::total() != 0));
        break;
    }
    apic.write(Register::INITIAL_COUNT, 0);
    let _ = interrupts::wait_for_more();
    interrupts::clear();
    // Long enough that it is masked before its end on a busy host, too.
    apic.write(Register::LVT_TIMER, lvt::MASKED | u32::from(VECTOR));
    apic.write(Register::INITIAL_COUNT, counts_of(rate, 200));
    check!("masked", !interrupts::let_in_for(200 + LATE_MICROS));
    check_eq!("count", apic.read(Register::CURRENT_COUNT), 0);
    apic.write(Register::LVT_TIMER, VECTOR.into());
    check!("lost", !interrupts::let_in_for(LATE_MICROS));
    stop(&apic);
}

/// Readings of a running one-shot count never grow, and an initial count of 0 stops it at once.
#[case(feature = ApicTimerOneShot, spec = [sdm3a("APIC Timer"), apm2("APIC Timer Interrupt")], needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn the_count_never_grows() {
    let apic = LocalApic::enabled();
    apic.write(Register::LVT_TIMER, lvt::MASKED | u32::from(VECTOR));
    for power in [0, 4] {
        apic.write(Register::DIVIDE, divide_configuration(power));
        apic.write(Register::INITIAL_COUNT, u32::MAX);
        let mut previous = u32::MAX;
        let mut never_grows = true;
        for _ in 0..200 {
            let count = apic.read(Register::CURRENT_COUNT);
            never_grows &= count <= previous && count != 0;
            previous = count;
        }
        check!("never grows", [&[]; 1 << power], never_grows);
        check!("it counts", [&[]; 1 << power], previous != u32::MAX);
        apic.write(Register::INITIAL_COUNT, 0);
        check_eq!("stopped", [&[]; 1 << power], apic.read(Register::CURRENT_COUNT), 0);
    }
    stop(&apic);
}

/// A divisor that is changed while the timer counts holds from then on: the count neither jumps up nor keeps the rate.
#[case(feature = ApicTimerOneShot, spec = sdm3a("APIC Timer"), needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn the_divisor_changes_while_it_counts() {
    let apic = LocalApic::enabled();
    let Some(first) = start_measuring(&apic) else {
        return skip!("the timer does not count, which another case tells");
    };
    for power in [3, 1, 6, 0] {
        let before = read_closely(&apic);
        apic.write(Register::DIVIDE, divide_configuration(power));
        let after = read_closely(&apic);
        check!("it does not jump up", [&[]; 1 << power], after.count <= before.count);
        let Some(rate) = measure(&apic, 2_000) else { return check!("it goes on", [&[]; 1 << power], false) };
        let rate = rate.undivided(1 << power);
        if rate.is_known(100_000) {
            check!("divided by", [&[]; 1 << power], rate.agrees(first, TOLERANCE_PPM));
        }
    }
    stop(&apic);
    apic.write(Register::DIVIDE, 0);
}

/// Against the time-stamp counter the timer's rate is steady, and that of the crystal where CPUID leaf 15H tells it.
#[case(feature = ApicTimerOneShot, spec = [sdm3a("APIC Timer"), sdm2("CPUID—CPU Identification")], needs = Needs::LOCAL_APIC | Needs::INVARIANT_TSC,
       irqchip = LocalApic)]
fn the_rate_is_steady() {
    const LEAF: u32 = 0x15;
    let apic = LocalApic::enabled();
    let Some(first) = start_measuring(&apic) else {
        return skip!("the timer does not count, which another case tells");
    };
    for turn in 0..3_u32 {
        let Some(rate) = measure(&apic, 3_000) else { return check!("it goes on", [&[]; turn], false) };
        if rate.is_known(100_000) {
            check!("as before", [&[]; turn], rate.agrees(first, TOLERANCE_PPM));
        }
    }
    if cpuid::read_leaf(0, 0).eax >= LEAF {
        let leaf = cpuid::read_leaf(LEAF, 0);
        // EBX / EAX is the time-stamp counter's rate in terms of the crystal's, which is the timer's.
        if leaf.eax != 0 && leaf.ebx != 0 {
            let crystal = (u64::from(leaf.eax) << 32) / u64::from(leaf.ebx);
            check!("that of the crystal", first.agrees(Rate { least: crystal, most: crystal }, TOLERANCE_PPM));
        }
    }
    stop(&apic);
}
