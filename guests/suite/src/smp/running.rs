//! Other processors run code at CPL 0 and CPL 3, and take exceptions and interrupts on stacks of their own.

use case::{Needs, Text};
use core::sync::atomic::{AtomicU64, Ordering};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome, instruction,
    interrupts::{OTHERS_MICROS, wait_until},
    names,
    smp::{
        self, Processors, RunError,
        apic::{self, Message, To},
    },
    trap::{self, TrapFrame},
    user, user_code,
};

/// The outcome of a function on another processor; one that did not come back is like no exception there is.
fn outcome(result: Result<u64, RunError>) -> Outcome {
    match result {
        Ok(_) => Outcome::COMPLETED,
        Err(RunError::Raised(exception)) => exception.into(),
        Err(RunError::Late) => Outcome::exception(0xfe, 0),
        Err(RunError::Stopped(vector)) => Outcome::exception(0xff, vector.into()),
    }
}

pub(crate) const PROCESSORS: &[Text] = names!["0", "1", "2", "3"];

/// Each processor starts, and has the local APIC id that CPUID tells there.
#[case(
    feature = SmpStart,
    spec = [sdm3a("MP Initialization Protocol Algorithm for MP Systems"), sdm3a("Local APIC ID")],
    needs = Needs::LOCAL_APIC,
    vcpus = 4,
    irqchip = LocalApic,
    time = 5,
)]
fn apic_ids_agree_with_cpuid() {
    let started = Processors::start(3);
    check!("three processors start", started.is_ok());
    let Ok(processors) = started else { return };
    for (index, result) in processors.on_all(|_| read_ids()).into_iter().enumerate() {
        check_outcome!("ran", [PROCESSORS; index], outcome(result), Outcome::COMPLETED);
        let ids = result.unwrap_or(u64::MAX);
        check_eq!("local APIC id", [PROCESSORS; index], ids & 0xff, index);
        check_eq!("CPUID leaf 1", [PROCESSORS; index], ids >> 8 & 0xff, index);
        check_eq!("index", [PROCESSORS; index], ids >> 16, index);
    }
}

fn read_ids() -> u64 {
    let leaf = rt::cpu::cpuid::read_leaf(1, 0).ebx >> 24;
    u64::from(apic::read_id()) | u64::from(leaf) << 8 | (smp::index() as u64) << 16
}

user_code!(add_one: "lea rax, [rdi + 1]", "ret");
user_code!(undefined: "ud2", "ret");

/// Exceptions are delivered on whichever processor raises them.
#[case(
    feature = SmpStart,
    spec = [sdm3a("Exception and Interrupt Handling"), sdm3a("Multiple-Processor Management")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 5,
)]
fn exceptions_on_another_processor() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    check_outcome!("no exception", outcome(processors.run_on(1, |_| 7, 0)), Outcome::COMPLETED);
    let undefined_opcode = processors.run_on(1, |_| u64::from(instruction!("ud2").is_err()), 0);
    check_eq!("#UD, caught there", undefined_opcode.unwrap_or(0), 1);
    check_outcome!("page fault", outcome(processors.run_on(1, touch_unmapped, 0)), Outcome::pf(0));
    check_eq!("CPL 3", processors.run_on(1, |n| user::call(add_one, n).unwrap_or(0), 41).unwrap_or(0), 42);
    let at_cpl_3 = processors.run_on(1, |_| Outcome::from(user::call(undefined, 0)).0, 0);
    check_outcome!("#UD at CPL 3", at_cpl_3.map_or(Outcome::COMPLETED, Outcome), Outcome::UD);
}

fn touch_unmapped(_: u64) -> u64 {
    u64::from(rt::mmio::read_u8(rt::layout::UNMAPPED))
}

const VECTOR: u8 = 0x51;
static TAKEN: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

fn count(_: &mut TrapFrame) {
    if let Some(taken) = TAKEN.get(smp::index()) {
        taken.fetch_add(1, Ordering::Relaxed);
    }
    apic::end_interrupt();
}

/// An interprocessor interrupt reaches the processor it is sent to, and no other.
#[case(
    feature = SmpInterrupts,
    spec = sdm3a("Issuing Interprocessor Interrupts"),
    needs = Needs::LOCAL_APIC,
    vcpus = 4,
    irqchip = LocalApic,
    time = 5,
)]
fn an_interrupt_reaches_its_destination() {
    let started = Processors::start(3);
    check!("three processors start", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = trap::handle(VECTOR, count);
    apic::enable();
    for to in 0..=3_u8 {
        apic::send(To::Id(to), Message::Fixed(VECTOR));
        let taken = &TAKEN[usize::from(to)];
        let came = wait_until(OTHERS_MICROS, || taken.load(Ordering::Relaxed) != 0);
        check!("taken", [PROCESSORS; to], came);
    }
    drop(processors);
    for (index, taken) in TAKEN.iter().enumerate() {
        check_count!("taken once", [PROCESSORS; index], taken.load(Ordering::Relaxed), 1);
    }
}
