//! TSC-deadline mode beside writes to the time-stamp counter, and behind a mask.

use rt::{
    case, check, check_count, check_eq, clock,
    cpu::msr::{
        self,
        number::{IA32_TIME_STAMP_COUNTER, IA32_TSC_ADJUST, IA32_TSC_DEADLINE},
    },
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic,
        register::{Register, lvt},
    },
    names,
    vocabulary::{Needs, Text},
};

const VECTOR: u8 = 0x64;
const DEADLINE: Needs = Needs::LOCAL_APIC.union(Needs::TSC_DEADLINE);
/// How late a timer of the host may be, in microseconds, where an interrupt must not come that a late one would make.
const LATE_MICROS: u64 = 3_000;

fn arm(deadline: u64) {
    let _ = msr::write(IA32_TSC_DEADLINE, deadline);
}

fn armed() -> u64 {
    msr::read(IA32_TSC_DEADLINE).unwrap_or(u64::MAX)
}

fn in_deadline_mode() -> LocalApic {
    let apic = LocalApic::enabled();
    apic.write(Register::LVT_TIMER, lvt::DEADLINE | u32::from(VECTOR));
    // The rate has to be known before anybody writes the counter.
    let _ = clock::tsc_khz();
    apic
}

const WAYS: &[Text] = names!["by the counter", "by its adjustment"];

/// Moves the time-stamp counter by a distance, which wraps.
fn move_counter(way: usize, distance: u64) {
    let _ = match way {
        0 => msr::write(IA32_TIME_STAMP_COUNTER, clock::now().wrapping_add(distance)),
        _ => msr::write(IA32_TSC_ADJUST, msr::read(IA32_TSC_ADJUST).unwrap_or(0).wrapping_add(distance)),
    };
}

/// Whether the counter can be moved both ways here.
const fn needs() -> Needs {
    DEADLINE.union(Needs::TSC_ADJUST)
}

/// A counter that is written to what is behind the deadline has reached it: the interrupt comes at once.
#[case(feature = ApicTimerDeadline, spec = [sdm3a("TSC-Deadline Mode"), sdm3b("Time-Stamp Counter Adjustment")], needs = needs(), irqchip = LocalApic)]
fn a_counter_moved_past_the_deadline_reaches_it() {
    const FAR: u64 = 1 << 44;
    let apic = in_deadline_mode();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for way in 0..2_usize {
        interrupts::clear();
        arm(clock::now() + FAR);
        check!("not yet", [WAYS; way], !interrupts::wait_for_more());
        move_counter(way, FAR + clock::ticks(1));
        // No generous wait: what a host has not noticed by then waits for as long as the deadline was away.
        let came = interrupts::wait_until(LATE_MICROS, || interrupts::total() != 0);
        check!("reached", [WAYS; way], came);
        check_eq!("disarmed", [WAYS; way], armed(), 0);
        arm(0);
        move_counter(way, FAR.wrapping_neg());
    }
    apic.write(Register::LVT_TIMER, lvt::MASKED);
}

/// A counter that is written back has its deadline farther ahead: the interrupt does not come before the counter is there.
#[case(feature = ApicTimerDeadline, spec = [sdm3a("TSC-Deadline Mode"), sdm3b("Time-Stamp Counter Adjustment")], needs = needs(), irqchip = LocalApic)]
fn a_counter_moved_back_is_waited_for() {
    const AHEAD_MICROS: u64 = 2_000;
    // More than the second within which some hypervisors take a write for an attempt to set several counters to one value.
    const BACK_MICROS: u64 = 3_000_000;
    let apic = in_deadline_mode();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let back = clock::ticks(BACK_MICROS);
    // So that it does not go below zero, whatever number of attempts it takes.
    move_counter(0, back * u64::from(2 * clock::NR_ATTEMPTS + 2));
    for way in 0..2_usize {
        let (was_in_time, (moved, came, armed)) = clock::undisturbed(|| {
            interrupts::clear();
            let start = clock::now();
            let deadline = start + clock::ticks(AHEAD_MICROS);
            arm(deadline);
            move_counter(way, back.wrapping_neg());
            let moved = clock::now().wrapping_add(back / 2) < start;
            // The host may have held the processor up until the deadline had passed: then this attempt tells nothing.
            let was_in_time = clock::now() + back - start < clock::ticks(AHEAD_MICROS);
            // What was requested in such an attempt is not to come in the next one.
            let came = interrupts::let_in_for(if was_in_time { AHEAD_MICROS + LATE_MICROS } else { LATE_MICROS });
            let armed = [armed(), deadline];
            arm(0);
            (was_in_time || !moved, (moved, came, armed))
        });
        check!("the counter moves", [WAYS; way], moved);
        if was_in_time && moved {
            check!("not at the old time", [WAYS; way], !came);
            check_eq!("still armed", [WAYS; way], armed[0], armed[1]);
        }
    }
    apic.write(Register::LVT_TIMER, lvt::MASKED);
}

/// A deadline that passes while the entry is masked makes no interrupt then. Whether it is over by that, the manual leaves open: if
/// it is, nothing comes later; if it is not, it is over once its interrupt has come.
#[case(feature = ApicTimerModes, spec = [sdm3a("TSC-Deadline Mode"), sdm3a("Local Vector Table")], needs = DEADLINE, irqchip = LocalApic)]
fn a_masked_deadline() {
    let apic = in_deadline_mode();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    apic.write(Register::LVT_TIMER, lvt::MASKED | lvt::DEADLINE | u32::from(VECTOR));
    let deadline = clock::now() + clock::ticks(300);
    arm(deadline);
    check!("masked", !interrupts::let_in_for(300 + LATE_MICROS));
    let rest = armed();
    check!("over or as it was", rest == 0 || rest == deadline);
    apic.write(Register::LVT_TIMER, lvt::DEADLINE | u32::from(VECTOR));
    let came = interrupts::let_in_for(LATE_MICROS);
    check!("what is over does not come", rest != 0 || !came);
    check!("what came is over", !came || armed() == 0);
    arm(0);
    interrupts::clear();
    arm(clock::now() + clock::ticks(300));
    check!("the next comes", interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0));
    check_count!("once", interrupts::total(), 1);
    apic.write(Register::LVT_TIMER, lvt::MASKED);
}

/// Deadlines one behind the other each interrupt once, each not before it is due.
#[case(feature = ApicTimerDeadline, spec = sdm3a("TSC-Deadline Mode"), needs = DEADLINE, irqchip = LocalApic, time = 2)]
fn many_deadlines_interrupt_once_each() {
    const NR: u32 = 16;
    let apic = in_deadline_mode();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let mut nr_early = 0;
    for turn in 0..NR {
        let deadline = clock::now() + clock::ticks(u64::from(turn) * 13);
        arm(deadline);
        if !interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) > turn) {
            break;
        }
        nr_early += u32::from(interrupts::taken(turn as usize).is_none_or(|taken| taken.tsc < deadline));
    }
    let _ = interrupts::wait_for_more();
    check_count!("interrupts", interrupts::count(VECTOR), NR);
    check_count!("too early", nr_early, 0);
    apic.write(Register::LVT_TIMER, lvt::MASKED);
}
