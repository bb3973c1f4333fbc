//! What each processor's local APIC has of its own: priorities, what is in service, and what INIT leaves of it.

use super::four::{Four, PROCESSORS, VECTOR};
use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    case, check, check_count, check_eq,
    interrupts::{self, OTHERS_MICROS},
    local_apic::{
        LocalApic, Mode, Registers,
        interprocessor::{self, Message, To},
        register::{Register, lvt},
    },
    names, smp,
    smp::Processors,
    trap::{self, TrapFrame},
    vocabulary::{Needs, Text},
};

fn start() -> Option<(LocalApic, Four)> {
    let apic = LocalApic::in_mode(Mode::XApic).ok();
    let four = Four::start();
    check!("three processors start", apic.is_some() && four.is_some());
    apic.zip(four)
}

fn write_tpr(value: u64) -> u64 {
    Registers::new().write(Register::TPR, value as u32);
    1
}

fn is_requested(vector: u64) -> u64 {
    Registers::new().is_requested(vector as u8).into()
}

/// A processor's task priority keeps an interrupt out of it alone, and it comes when that one falls.
#[case(feature = ApicPriorities, spec = sdm3a("Task and Processor Priorities"), needs = Needs::LOCAL_APIC, vcpus = 4,
       irqchip = LocalApic, time = 5)]
fn task_priority_of_each_processor() {
    const HIGH: u8 = 0x9a;
    static TAKEN: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];
    fn count(_: &mut TrapFrame) {
        if let Some(counter) = TAKEN.get(smp::index()) {
            counter.fetch_add(1, Ordering::AcqRel);
        }
        interprocessor::end_interrupt();
    }
    let taken = || super::four::digits(|index| TAKEN[index].load(Ordering::Acquire));
    let Some((_apic, four)) = start() else { return };
    let _handling = [HIGH, 0x77].map(|vector| trap::handle(vector, count));
    for index in 1..4_usize {
        for counter in &TAKEN {
            counter.store(0, Ordering::Release);
        }
        let others = 0x1111 & !(0xf << (index * 4));
        check_eq!("raised", [PROCESSORS; index], four.processors.run_on(index, write_tpr, 0x7f).unwrap_or(0), 1);
        interprocessor::send(To::All, Message::Fixed(0x77));
        check!(
            "taken by the others",
            [PROCESSORS; index],
            interrupts::wait_until(OTHERS_MICROS, || taken() & others == others)
        );
        let waits = four.processors.run_on(index, is_requested, 0x77).unwrap_or(0);
        check_eq!("waits", [PROCESSORS; index], waits, 1);
        check_eq!("taken, a digit for each processor", [PROCESSORS; index], taken(), others);
        let lowered = four.processors.run_on(index, write_tpr, 0).unwrap_or(0);
        check_eq!("lowered", [PROCESSORS; index], lowered, 1);
        check!("taken by all then", [PROCESSORS; index], interrupts::wait_until(OTHERS_MICROS, || taken() == 0x1111));
    }
}

/// An interrupt in service on one processor ends by the EOI of that one alone.
#[case(feature = ApicEndOfInterrupt, spec = sdm3a("Signaling Interrupt Servicing Completion"), needs = Needs::LOCAL_APIC,
       vcpus = 4, irqchip = LocalApic, time = 5)]
fn end_of_interrupt_of_each_processor() {
    const KEPT: u8 = 0x4b;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    fn keep(_: &mut TrapFrame) {
        TAKEN.fetch_add(1, Ordering::AcqRel);
    }
    let Some((apic, four)) = start() else { return };
    let _handling = trap::handle(KEPT, keep);
    interprocessor::send(To::All, Message::Fixed(KEPT));
    check!("taken by all", interrupts::wait_until(OTHERS_MICROS, || TAKEN.load(Ordering::Acquire) == 4));
    let in_service = || {
        let read = |vector: u64| u64::from(Registers::new().is_in_service(vector as u8));
        super::four::digits(|index| match index {
            0 => read(KEPT.into()) as u32,
            _ => four
                .processors
                .run_on(index, |vector| u64::from(Registers::new().is_in_service(vector as u8)), KEPT.into())
                .unwrap_or(9) as u32,
        })
    };
    check_eq!("in service, a digit for each processor", in_service(), 0x1111);
    for (row, expected) in [(1_usize, 0x1101), (3, 0x0101)] {
        let _ = four.processors.run_on(
            row,
            |_| {
                Registers::new().end_interrupt();
                1
            },
            0,
        );
        check_eq!("in service after the end on one", [PROCESSORS; row], in_service(), expected);
    }
    apic.end_interrupt();
    check_eq!("in service after the end on one", [PROCESSORS; 0], in_service(), 0x0100);
    let _ = four.processors.run_on(
        2,
        |_| {
            Registers::new().end_interrupt();
            1
        },
        0,
    );
    check_eq!("in service after the end on one", [PROCESSORS; 2], in_service(), 0);
}

/// What INIT resets, and what it resets it to.
const RESET: [(Register, u32, u32); 11] = [
    (Register::LDR, 0x0400_0000, 0),
    (Register::DFR, 0x0fff_ffff, u32::MAX),
    (Register::ICR_HIGH, 0x0900_0000, 0),
    (Register::LVT_TIMER, 0x45, lvt::MASKED),
    (Register::LVT_LINT1, lvt::NMI, lvt::MASKED),
    (Register::LVT_ERROR, 0x46, lvt::MASKED),
    (Register::DIVIDE, 0xb, 0),
    (Register::INITIAL_COUNT, u32::MAX, 0),
    (Register::CURRENT_COUNT, 0, 0),
    (Register::ESR, 0, 0),
    (Register::ICR, 0, 0),
];
const RESET_NAMES: &[Text] = names![
    "LDR",
    "DFR",
    "ICR 63:32",
    "LVT timer",
    "LVT LINT1",
    "LVT error",
    "divide configuration",
    "initial count",
    "current count",
    "ESR",
    "ICR"
];
const AT_START: &[Text] = names!["SVR", "TPR", "LVT LINT0"];

fn change_registers(_: u64) -> u64 {
    let registers = Registers::new();
    registers.write(Register::TPR, 0xf0);
    registers.send_to_self(0x55);
    for (register, value, _) in RESET {
        if register != Register::CURRENT_COUNT && register != Register::ICR {
            registers.write(register, value);
        }
    }
    u64::from(registers.is_requested(0x55))
}

/// INIT resets the registers of a local APIC but its ID, and forgets what waits.
#[case(feature = ApicRegisters, spec = [sdm3a("Local APIC State After It Receives an INIT-Deassert IPI"), sdm3a("Local APIC State After Power-Up or Reset")],
       needs = Needs::LOCAL_APIC, vcpus = 2, irqchip = LocalApic, time = 5)]
fn registers_after_init() {
    let Ok(_apic) = LocalApic::in_mode(Mode::XApic) else { return check!("xAPIC mode", false) };
    let first = Processors::start(1);
    check!("it starts", first.is_ok());
    let Ok(first) = first else { return };
    check_eq!("an interrupt waits", first.run_on(1, change_registers, 0).unwrap_or(0), 1);
    // Sends INIT; so does the next start.
    drop(first);
    let again = Processors::start(1);
    check!("it starts again", again.is_ok());
    let Ok(again) = again else { return };
    for (row, value) in again.at_start(1).into_iter().enumerate() {
        check_eq!("at its start", [AT_START; row], value, [0xff, 0, lvt::MASKED][row]);
    }
    for (row, (register, _, expected)) in RESET.into_iter().enumerate() {
        let value = again.run_on(1, |number| Registers::new().read(Register(number as u8)).into(), register.0.into());
        check_eq!("after INIT", [RESET_NAMES; row], value.unwrap_or(u64::MAX), expected);
    }
    check_eq!("ID", again.run_on(1, |_| Registers::new().id().into(), 0).unwrap_or(u64::MAX), 1);
    check_count!("interrupts that wait", again.run_on(1, nr_requested, 0).unwrap_or(u64::MAX), 0);
}

/// How many interrupts the local APIC of this processor has requests of.
fn nr_requested(_: u64) -> u64 {
    (0..8).map(|index| u64::from(Registers::new().read(Register(Register::IRR.0 + index)).count_ones())).sum()
}

/// What comes while a processor waits for its start-up interrupt is not requested, not even directly behind its INIT: messages of
/// one processor to another arrive in their order.
#[case(feature = ApicRegisters, spec = [sdm3a("Local APIC State After It Receives an INIT-Deassert IPI"), sdm3a("Local APIC State After Power-Up or Reset")],
       needs = Needs::LOCAL_APIC, vcpus = 2, irqchip = LocalApic, time = 5)]
fn nothing_is_requested_behind_init() {
    let Ok(_apic) = LocalApic::in_mode(Mode::XApic) else { return check!("xAPIC mode", false) };
    let first = Processors::start(1);
    check!("it starts", first.is_ok());
    drop(first);
    interprocessor::send(To::Id(1), Message::Fixed(VECTOR));
    let again = Processors::start(1);
    check!("it starts again", again.is_ok());
    let Ok(again) = again else { return };
    check_count!("interrupts that wait", again.run_on(1, nr_requested, 0).unwrap_or(u64::MAX), 0);
}

/// INIT does not change the mode of a local APIC: one in x2APIC mode starts in x2APIC mode, with its ID.
#[case(feature = ApicModes, spec = [sdm3a("x2APIC State Transitions"), sdm3a("x2APIC After Reset")],
       needs = Needs::LOCAL_APIC.union(Needs::X2APIC), vcpus = 2, irqchip = LocalApic, time = 5)]
fn init_in_x2apic_mode() {
    let Ok(_apic) = LocalApic::in_mode(Mode::X2Apic) else { return check!("x2APIC mode", false) };
    let first = Processors::start(1);
    check!("it starts", first.is_ok());
    let Ok(first) = first else { return };
    let to_mode = |_| u64::from(LocalApic::in_mode(Mode::X2Apic).map(core::mem::forget).is_ok());
    check_eq!("to the mode", first.run_on(1, to_mode, 0).unwrap_or(0), 1);
    drop(first);
    let again = Processors::start(1);
    check!("it starts again", again.is_ok());
    let Ok(again) = again else { return };
    check_eq!("registers are MSRs", again.run_on(1, |_| Registers::new().are_msrs().into(), 0).unwrap_or(0), 1);
    check_eq!("ID", again.run_on(1, |_| Registers::new().id().into(), 0).unwrap_or(u64::MAX), 1);
    let logical = again.run_on(1, |_| Registers::new().read(Register::LDR).into(), 0);
    check_eq!("logical ID", logical.unwrap_or(u64::MAX), 1 << 1);
}
