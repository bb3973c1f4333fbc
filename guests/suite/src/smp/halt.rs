//! HLT on another processor, and what wakes it.

use super::running::PROCESSORS;
use case::Needs;
use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    clock::Deadline,
    instruction,
    smp::{
        self, Processors, RunError,
        apic::{self, Message, To},
    },
    trap::{self, TrapFrame},
};

const VECTOR: u8 = 0x61;
const MICROS: u64 = 2_000_000;

static NR_TAKEN: AtomicU32 = AtomicU32::new(0);
static NR_AWAKE: AtomicU32 = AtomicU32::new(0);

fn count(_: &mut TrapFrame) {
    NR_TAKEN.fetch_add(1, Ordering::AcqRel);
    apic::end_interrupt();
}

/// Halts until so many interrupts were taken, and tells after each HLT that it is awake.
fn halt_repeatedly(nr_interrupts: u64) -> u64 {
    while u64::from(NR_TAKEN.load(Ordering::Acquire)) < nr_interrupts {
        smp::wait_for_interrupt();
        NR_AWAKE.fetch_add(1, Ordering::AcqRel);
    }
    1
}

/// An interrupt wakes a processor out of HLT, whenever it comes: before STI, between STI and HLT, or later.
#[case(
    feature = SmpHalt,
    spec = [sdm2("HLT—Halt"), sdm2("STI—Set Interrupt Flag")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 10,
)]
fn interrupts_wake_whenever_they_come() {
    const NR_SENT: u32 = 64;
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = trap::handle(VECTOR, count);
    let running = processors.begin(1, halt_repeatedly, NR_SENT.into());
    for sent in 0..NR_SENT {
        // The one before was taken, and what follows HLT runs, for as long as these waits: so each comes at another place.
        for _ in 0..sent % 16 {
            core::hint::spin_loop();
        }
        apic::send(To::Id(1), Message::Fixed(VECTOR));
        if !Deadline::after(MICROS).wait(|| NR_TAKEN.load(Ordering::Acquire) > sent) {
            break;
        }
    }
    check!("comes to its end", running.wait(smp::RUN_MICROS).is_ok());
    check_count!("taken", NR_TAKEN.load(Ordering::Acquire), NR_SENT);
    // One more is the wake-up of an idle processor that found its function without it.
    check!("each HLT ended by an interrupt", NR_AWAKE.load(Ordering::Acquire) <= NR_SENT + 1);
}

/// How often each processor wakes the other one.
const NR_TURNS: u32 = 400;
/// Interrupts that were taken, by processor.
static WOKEN: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

fn wake(_: &mut TrapFrame) {
    if let Some(woken) = WOKEN.get(smp::index()) {
        woken.fetch_add(1, Ordering::AcqRel);
    }
    apic::end_interrupt();
}

/// Wakes the other processor and halts until it is woken, so many times; the second one halts first.
fn take_turns(_: u64) -> u64 {
    let own = smp::index();
    let Some(woken) = WOKEN.get(own) else { return 0 };
    for turn in 0..NR_TURNS {
        if own == 0 {
            apic::send(To::Id(1), Message::Fixed(VECTOR));
        }
        // Between STI and HLT no interrupt is taken: one that came before ends HLT at once. A loop of HLT would hide nothing,
        // because nothing else wakes it.
        while woken.load(Ordering::Acquire) <= turn {
            smp::wait_for_interrupt();
        }
        if own != 0 {
            apic::send(To::Id(0), Message::Fixed(VECTOR));
        }
    }
    1
}

/// Two processors that wake each other and halt in turn: one lost wake-up stops both for ever, and hangs the case.
#[case(
    feature = SmpHalt,
    spec = [sdm2("HLT—Halt"), sdm2("STI—Set Interrupt Flag")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 20,
)]
fn no_wake_up_is_lost() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = trap::handle(VECTOR, wake);
    let running = processors.begin(1, take_turns, 0);
    check_eq!("the first comes to its end", take_turns(0), 1);
    check_eq!("the other comes to its end", running.wait(smp::RUN_MICROS).unwrap_or(0), 1);
    for (index, woken) in WOKEN.iter().enumerate() {
        check_count!("interrupts", [PROCESSORS; index], woken.load(Ordering::Acquire), NR_TURNS);
    }
}

/// What was true when the halted processor told.
fn halt_with_interrupts_disabled(_: u64) -> u64 {
    NR_AWAKE.store(1, Ordering::Release);
    let result = instruction!("hlt");
    NR_AWAKE.store(2 + NR_TAKEN.load(Ordering::Acquire), Ordering::Release);
    Outcome::from(result).0
}

/// With interrupts disabled an NMI wakes a processor out of HLT, and a maskable interrupt before it does not.
#[case(
    feature = SmpHalt,
    spec = [sdm2("HLT—Halt"), sdm3a("Nonmaskable Interrupt (NMI)"), sdm3a("Masking Maskable Hardware Interrupts")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 10,
)]
fn nmi_wakes_with_interrupts_disabled() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = trap::handle(VECTOR, count);
    let running = processors.begin(1, halt_with_interrupts_disabled, 0);
    check!("is about to halt", Deadline::after(MICROS).wait(|| NR_AWAKE.load(Ordering::Acquire) == 1));
    apic::send(To::Id(1), Message::Fixed(VECTOR));
    // Some exits' time: enough for an interrupt that wrongly wakes.
    check!("a maskable interrupt does not wake it", !rt::interrupts::wait_until(2_000, || running.is_over()));
    apic::send(To::Id(1), Message::Nmi);
    let outcome = match running.wait(smp::RUN_MICROS) {
        Ok(value) => Outcome(value),
        Err(RunError::Raised(exception)) => exception.into(),
        Err(_) => Outcome::COMPLETED,
    };
    check_outcome!("the NMI does", outcome, Outcome::exception(2, 0));
    // On a busy host the NMI may come before HLT does, and nothing is told behind it then.
    check!("the interrupt was not taken before", NR_AWAKE.load(Ordering::Acquire) <= 2);
}

/// What the first processor stores and the other one waits for.
static STORED: AtomicU32 = AtomicU32::new(0);
/// The last of it that the other one has seen.
static SEEN: AtomicU32 = AtomicU32::new(0);
const NR_STORES: u32 = 32;

fn see_each_store(_: u64) -> u64 {
    for number in 1..=NR_STORES {
        while STORED.load(Ordering::Acquire) < number {
            smp::wait_for_store(&STORED, number - 1);
        }
        SEEN.store(number, Ordering::Release);
    }
    1
}

/// A store to the monitored line ends MWAIT, whenever it comes: before MONITOR, between the two, or later.
#[case(
    feature = SmpHalt,
    spec = [sdm2("MWAIT—Monitor Wait"), sdm2("MONITOR—Set Up Monitor Address")],
    needs = Needs::LOCAL_APIC | Needs::MONITOR,
    vcpus = 2,
    irqchip = LocalApic,
    time = 10,
)]
fn stores_end_monitor_wait() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let running = processors.begin(1, see_each_store, 0);
    for number in 1..=NR_STORES {
        for _ in 0..number % 8 * 4 {
            core::hint::spin_loop();
        }
        STORED.store(number, Ordering::Release);
        if !Deadline::after(MICROS).wait(|| SEEN.load(Ordering::Acquire) == number) {
            break;
        }
    }
    check_count!("stores that were seen", SEEN.load(Ordering::Acquire), NR_STORES);
    // It waits for no store any more.
    STORED.store(NR_STORES, Ordering::Release);
    check!("comes to its end", running.wait(smp::RUN_MICROS).is_ok());
}
