//! Timers of two processors, which know nothing of each other.

use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    case, check, check_count, check_eq, clock,
    interrupts::{self, GENEROUS_MICROS, OTHERS_MICROS},
    local_apic::{
        LocalApic, Registers, interprocessor,
        register::{Register, lvt},
    },
    smp::{self, Processors},
    trap::{self, TrapFrame},
    vocabulary::Needs,
};

const VECTOR: u8 = 0x65;
const DIVISOR_1: u32 = 0b1011;
static TAKEN: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

fn count(_: &mut TrapFrame) {
    if let Some(counter) = TAKEN.get(smp::index()) {
        counter.fetch_add(1, Ordering::AcqRel);
    }
    interprocessor::end_interrupt();
}

fn taken(index: usize) -> u32 {
    TAKEN[index].load(Ordering::Acquire)
}

/// Counts in a millisecond at the divisor 1, or so: a million at a billion in a second, as most timers have, and never more.
fn millisecond() -> u32 {
    const FIRST: u32 = u32::MAX;
    let registers = Registers::new();
    registers.write(Register::LVT_TIMER, lvt::MASKED);
    registers.write(Register::DIVIDE, DIVISOR_1);
    registers.write(Register::INITIAL_COUNT, FIRST);
    clock::Deadline::after(1_000).wait(|| false);
    let counted = FIRST - registers.read(Register::CURRENT_COUNT);
    registers.write(Register::INITIAL_COUNT, 0);
    counted.clamp(100, 1_000_000)
}

/// Starts this processor's timer with bits of its entry in the high half, and an initial count.
fn start_timer(argument: u64) -> u64 {
    let registers = Registers::new();
    registers.write(Register::DIVIDE, DIVISOR_1);
    registers.write(Register::LVT_TIMER, (argument >> 32) as u32 | u32::from(VECTOR));
    registers.write(Register::INITIAL_COUNT, argument as u32);
    1
}

fn stop_timer(_: u64) -> u64 {
    let registers = Registers::new();
    registers.write(Register::LVT_TIMER, lvt::MASKED);
    registers.write(Register::INITIAL_COUNT, 0);
    1
}

/// Takes what waits for this processor.
fn let_in(_: u64) -> u64 {
    let _ = interrupts::wait_for_more();
    1
}

/// One processor's timer runs in periodic mode and wakes it out of HLT, while the other's stands, and then runs in one-shot mode:
/// each interrupts its own processor.
#[case(feature = ApicTimerPeriodic, spec = [sdm3a("APIC Timer"), sdm3a("The Local APIC Block Diagram")], needs = Needs::LOCAL_APIC, vcpus = 2,
       irqchip = LocalApic, time = 5)]
fn timers_of_two_processors() {
    const NR: u32 = 4;
    let apic = LocalApic::enabled();
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = trap::handle(VECTOR, count);
    let count = millisecond();
    let periodic = u64::from(lvt::PERIODIC) << 32 | u64::from(count);
    check_eq!("the other's runs", processors.run_on(1, start_timer, periodic).unwrap_or(0), 1);
    let came = interrupts::wait_until(OTHERS_MICROS, || taken(1) >= NR);
    check!("it interrupts the other", came);
    check_count!("and not the first", taken(0), 0);
    check_eq!("whose own stands", apic.read(Register::CURRENT_COUNT), 0);
    let _ = start_timer(u64::from(count / 10));
    check!("the first's interrupts the first", interrupts::wait_until(GENEROUS_MICROS, || taken(0) != 0));
    check_eq!("stopped", processors.run_on(1, stop_timer, 0).unwrap_or(0), 1);
    // One that had expired before is in IRR, and is taken when the other lets it in: it has when it did so.
    check_eq!("let in", processors.run_on(1, let_in, 0).unwrap_or(0), 1);
    let before = taken(1);
    clock::Deadline::after(3_000).wait(|| false);
    check_eq!("let in again", processors.run_on(1, let_in, 0).unwrap_or(0), 1);
    check_count!("the other's is over", taken(1) - before, 0);
    check_count!("the first's came once", taken(0), 1);
    let _ = stop_timer(0);
}
