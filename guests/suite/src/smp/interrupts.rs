//! Interprocessor interrupts under load: none is lost and none comes twice.

use super::running::PROCESSORS;
use case::{Needs, Text};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use rt::{
    case, check, check_count, check_eq,
    interrupts::wait_until,
    names,
    smp::{
        self, Barrier, Processors,
        apic::{self, Message, To},
    },
    trap::{self, TrapFrame},
    user, user_code,
};

/// The first of a vector for each sender, each in a priority class of its own.
const FIRST_VECTOR: u8 = 0x42;
const VECTORS: [u8; 4] = [FIRST_VECTOR, FIRST_VECTOR + 0x10, FIRST_VECTOR + 0x20, FIRST_VECTOR + 0x30];
/// How many interrupts each processor sends to each other one.
const NR_ROUNDS: u32 = 4;
/// How long one may take, in microseconds.
const MICROS: u64 = 1_500_000;

/// Interrupts taken, by receiver and sender.
static TAKEN: [[AtomicU32; 4]; 4] = [const { [const { AtomicU32::new(0) }; 4] }; 4];
static MEETING: Barrier = Barrier::new();

fn taken(receiver: usize, sender: usize) -> u32 {
    TAKEN.get(receiver).and_then(|row| row.get(sender)).map_or(0, |count| count.load(Ordering::Acquire))
}

fn count(frame: &mut TrapFrame) {
    let sender = (frame.vector as usize - usize::from(FIRST_VECTOR)) >> 4;
    if let Some(count) = TAKEN.get(smp::index()).and_then(|row| row.get(sender)) {
        count.fetch_add(1, Ordering::AcqRel);
    }
    apic::end_interrupt();
}

/// Sends to each other processor in turn, and goes on when the one before was taken. The result is 1 if all were.
fn send_to_each(_: u64) -> u64 {
    let own = smp::index();
    let Some(&vector) = VECTORS.get(own) else { return 0 };
    for round in 0..NR_ROUNDS {
        for distance in 1..4 {
            let to = (own + distance) % 4;
            apic::send(To::Id(to as u8), Message::Fixed(vector));
            if !wait_until(MICROS, || taken(to, own) > round) {
                return 0;
            }
        }
    }
    // The others still need this one to take theirs.
    u64::from(wait_until(MICROS, || (0..4).all(|sender| sender == own || taken(own, sender) >= NR_ROUNDS)))
}

const PAIRS: &[Text] = names![
    "0 to 0", "1 to 0", "2 to 0", "3 to 0", "0 to 1", "1 to 1", "2 to 1", "3 to 1", "0 to 2", "1 to 2", "2 to 2",
    "3 to 2", "0 to 3", "1 to 3", "2 to 3", "3 to 3",
];

/// Four processors send to each other at the same time, and each interrupt is taken once, where it was sent to.
#[case(
    feature = SmpInterrupts,
    spec = [sdm3a("Issuing Interprocessor Interrupts"), sdm3a("Interrupt Acceptance for Fixed Interrupts")],
    needs = Needs::LOCAL_APIC,
    vcpus = 4,
    irqchip = LocalApic,
    time = 20,
)]
fn all_pairs() {
    let started = Processors::start(3);
    check!("three processors start", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = VECTORS.map(|vector| trap::handle(vector, count));
    for (index, result) in processors.on_all(send_to_each).into_iter().enumerate() {
        check_eq!("all it sent were taken", [PROCESSORS; index], result.unwrap_or(0), 1);
    }
    for receiver in 0..4 {
        for sender in 0..4 {
            let expected = if receiver == sender { 0 } else { NR_ROUNDS };
            check_count!("taken", [PAIRS; receiver * 4 + sender], taken(receiver, sender), expected);
        }
    }
}

/// Takes interrupts until processor 0 has sent one to all and one to all others.
fn take_broadcasts(_: u64) -> u64 {
    let own = smp::index();
    u64::from(wait_until(MICROS, || taken(own, 0) >= 1) && wait_until(MICROS, || taken(own, 1) >= 1))
}

/// Shorthands reach all processors, all but the sender, and the sender alone.
#[case(
    feature = SmpInterrupts,
    spec = sdm3a("Determining IPI Destination"),
    needs = Needs::LOCAL_APIC,
    vcpus = 4,
    irqchip = LocalApic,
    time = 10,
)]
fn shorthands() {
    let started = Processors::start(3);
    check!("three processors start", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = VECTORS.map(|vector| trap::handle(vector, count));
    let running = [1, 2, 3].map(|index| processors.begin(index, take_broadcasts, 0));
    apic::send(To::All, Message::Fixed(VECTORS[0]));
    apic::send(To::Others, Message::Fixed(VECTORS[1]));
    apic::send(To::Own, Message::Fixed(VECTORS[2]));
    let own = wait_until(MICROS, || taken(0, 0) >= 1 && taken(0, 2) >= 1);
    check!("the sender takes its own", own);
    for (index, running) in running.into_iter().enumerate() {
        check_eq!("takes both", [PROCESSORS; index + 1], running.wait(smp::RUN_MICROS).unwrap_or(0), 1);
    }
    for index in 0..4 {
        check_count!("to all", [PROCESSORS; index], taken(index, 0), 1);
        check_count!("to all others", [PROCESSORS; index], taken(index, 1), u64::from(index != 0));
        check_count!("to the sender", [PROCESSORS; index], taken(index, 2), u64::from(index == 0));
    }
}

/// What the loop at CPL 3 looks at.
static STOP: AtomicU64 = AtomicU64::new(0);

user_code!(
    /// Counts in RAX until the quadword at RDI is not 0; every register that it keeps is checked on the way.
    spin: "xor eax, eax", "mov rcx, 0x123456789abcdef", "mov rdx, rcx",
    "2:", "inc rax", "cmp rcx, rdx", "jne 3f", "cmp qword ptr [rdi], 0", "je 2b", "ret",
    "3:", "xor eax, eax", "ret"
);

const RFLAGS_IF: u64 = 1 << 9;

fn run_spin(_: u64) -> u64 {
    MEETING.wait(2, MICROS);
    user::call_with_flags(spin, STOP.as_ptr() as u64, user::RFLAGS_CLEAR | RFLAGS_IF).unwrap_or(0)
}

/// A processor at CPL 3 takes each interrupt that another one sends, and goes on where it was.
#[case(
    feature = SmpInterrupts,
    spec = [sdm3a("Interrupt Acceptance for Fixed Interrupts"), sdm3a("Maskable Hardware Interrupts")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 10,
)]
fn to_cpl_3() {
    const NR_SENT: u32 = 32;
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = trap::handle(VECTORS[0], count);
    let running = processors.begin(1, run_spin, 0);
    check!("the processors meet", MEETING.wait(2, MICROS));
    let mut nr_lost = 0;
    for sent in 0..NR_SENT {
        apic::send(To::Id(1), Message::Fixed(VECTORS[0]));
        if !wait_until(MICROS, || taken(1, 0) > sent) {
            nr_lost += 1;
            break;
        }
    }
    STOP.store(1, Ordering::Release);
    check!("goes on", running.wait(smp::RUN_MICROS).unwrap_or(0) != 0);
    check_count!("lost", nr_lost, 0);
    check_count!("taken", taken(1, 0), NR_SENT);
}

static NR_NMIS: AtomicU32 = AtomicU32::new(0);

fn count_nmi(_: &mut TrapFrame) {
    NR_NMIS.fetch_add(1, Ordering::AcqRel);
}

fn run_until_stopped(_: u64) -> u64 {
    MEETING.wait(2, MICROS);
    u64::from(rt::clock::Deadline::after(MICROS * 2).wait(|| STOP.load(Ordering::Acquire) != 0))
}

/// A processor takes each NMI that another one sends, though its interrupts are disabled.
#[case(
    feature = SmpInterrupts,
    spec = [sdm3a("Issuing Interprocessor Interrupts"), sdm3a("Nonmaskable Interrupt (NMI)")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    irqchip = LocalApic,
    time = 10,
)]
fn nmi_to_another() {
    const NR_SENT: u32 = 8;
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = trap::handle(2, count_nmi);
    let running = processors.begin_uncaught(1, run_until_stopped, 0);
    check!("the processors meet", MEETING.wait(2, MICROS));
    for sent in 0..NR_SENT {
        apic::send(To::Id(1), Message::Nmi);
        if !wait_until(MICROS, || NR_NMIS.load(Ordering::Acquire) > sent) {
            break;
        }
    }
    STOP.store(1, Ordering::Release);
    check_eq!("goes on", running.wait(smp::RUN_MICROS * 2).unwrap_or(0), 1);
    check_count!("taken", NR_NMIS.load(Ordering::Acquire), NR_SENT);
}
