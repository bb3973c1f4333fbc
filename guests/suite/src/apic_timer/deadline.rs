//! TSC-deadline mode.

use rt::{
    case, check, check_count, check_eq, clock,
    cpu::msr::{self, number::IA32_TSC_DEADLINE},
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic,
        register::{Register, lvt},
    },
    vocabulary::Needs,
};

const VECTOR: u8 = 0x62;
const DEADLINE: Needs = Needs::LOCAL_APIC.union(Needs::TSC_DEADLINE);

fn arm(deadline: u64) {
    // The MSR takes every value; a subject that refuses it fails what follows.
    let _ = msr::write(IA32_TSC_DEADLINE, deadline);
}

fn armed() -> u64 {
    msr::read(IA32_TSC_DEADLINE).unwrap_or(u64::MAX)
}

fn in_deadline_mode() -> LocalApic {
    let apic = LocalApic::enabled();
    apic.write(Register::LVT_TIMER, lvt::DEADLINE | u32::from(VECTOR));
    apic
}

/// It interrupts once, when the time-stamp counter has reached the deadline and not before; then the MSR reads as zero.
#[case(feature = ApicTimerDeadline, spec = sdm3a("TSC-Deadline Mode"), needs = DEADLINE, irqchip = LocalApic)]
fn deadline_is_kept() {
    let apic = in_deadline_mode();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for (turn, micros) in [2_000, 300, 0, 1_000].into_iter().enumerate() {
        interrupts::clear();
        let deadline = clock::now() + clock::ticks(micros);
        arm(deadline);
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) != 0);
        let _ = interrupts::wait_for_more();
        check_count!("interrupts", [&[]; turn], interrupts::count(VECTOR), 1);
        check!("not too early", [&[]; turn], interrupts::taken(0).is_some_and(|taken| taken.tsc >= deadline));
        check_eq!("disarmed", [&[]; turn], armed(), 0);
    }
    apic.write(Register::LVT_TIMER, lvt::MASKED);
}

/// A deadline that has passed interrupts at once.
#[case(feature = ApicTimerDeadline, spec = sdm3a("TSC-Deadline Mode"), needs = DEADLINE, irqchip = LocalApic)]
fn deadline_in_the_past() {
    let apic = in_deadline_mode();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for (row, deadline) in [1, clock::now() / 2, clock::now()].into_iter().enumerate() {
        interrupts::clear();
        arm(deadline);
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) != 0);
        let _ = interrupts::wait_for_more();
        check_count!("interrupts", [&[]; row], interrupts::count(VECTOR), 1);
        check_eq!("disarmed", [&[]; row], armed(), 0);
    }
    apic.write(Register::LVT_TIMER, lvt::MASKED);
}

/// The MSR reads back as it was written while it is armed, a new deadline replaces it, and zero disarms it.
#[case(feature = ApicTimerDeadline, spec = sdm3a("TSC-Deadline Mode"), needs = DEADLINE, irqchip = LocalApic)]
fn deadline_is_replaced_and_cancelled() {
    let apic = in_deadline_mode();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let far = clock::now() + (1 << 44);
    arm(far);
    check_eq!("armed", armed(), far);
    arm(far + 1);
    check_eq!("replaced", armed(), far + 1);
    let near = clock::now() + clock::ticks(1_000);
    arm(near);
    arm(0);
    // The processor may have stood still for so long that the deadline passed before: then it interrupted by right.
    let was_in_time = clock::now() < near;
    check_eq!("cancelled", armed(), 0);
    let came = interrupts::wait_until(3_000, || interrupts::total() != 0);
    check!("nothing comes", !(came && was_in_time));
    interrupts::clear();
    arm(far);
    arm(clock::now());
    check!("a nearer one replaces", interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0));
    apic.write(Register::LVT_TIMER, lvt::MASKED);
}

/// The initial count is ignored in this mode and the current count reads as zero; outside of it the MSR is ignored and reads as
/// zero; and each change of mode disarms the timer.
#[case(feature = ApicTimerModes, spec = [sdm3a("TSC-Deadline Mode"), sdm3a("APIC Timer")], needs = DEADLINE, irqchip = LocalApic)]
fn deadline_and_count_exclude_each_other() {
    let apic = in_deadline_mode();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let before = apic.read(Register::INITIAL_COUNT);
    apic.write(Register::INITIAL_COUNT, before ^ 0x1000);
    check_eq!("initial count in deadline mode", apic.read(Register::INITIAL_COUNT), before);
    check_eq!("current count in deadline mode", apic.read(Register::CURRENT_COUNT), 0);
    check!("no interrupt by the count", !interrupts::wait_for_more());
    let far = clock::now() + (1 << 44);
    arm(far);
    apic.write(Register::LVT_TIMER, VECTOR.into());
    check_eq!("disarmed by one-shot mode", armed(), 0);
    arm(clock::now());
    check_eq!("MSR in one-shot mode", armed(), 0);
    check!("no interrupt by the deadline", !interrupts::wait_for_more());
    apic.write(Register::INITIAL_COUNT, u32::MAX);
    apic.write(Register::LVT_TIMER, lvt::DEADLINE | u32::from(VECTOR));
    check_eq!("count stopped by deadline mode", apic.read(Register::CURRENT_COUNT), 0);
    arm(far);
    apic.write(Register::LVT_TIMER, lvt::PERIODIC | u32::from(VECTOR));
    check_eq!("disarmed by periodic mode", armed(), 0);
    apic.write(Register::LVT_TIMER, lvt::MASKED);
}
