//! Storms of interprocessor interrupts, in which lost, late and doubled ones can be told apart.
//!
//! An interrupt whose bit in IRR is set already is joined with the one that set it, so that numbers say something only where it is
//! known what each interrupt found there. In the one case nobody takes anything before all have sent: what is sent first finds
//! the bit clear, and all others find it set. In the other one each handler notes which was the last that its sender had sent: the
//! last one of all either found the bit clear, or was joined with one that had not been taken, and must be noted in the end.

use super::running::PROCESSORS;
use case::{Needs, Text};
use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    case, check, check_count, check_eq,
    clock::Deadline,
    interrupts::{self, OTHERS_MICROS, wait_until},
    local_apic::{
        Registers,
        register::{Register, icr},
    },
    names, note,
    smp::{
        self, Barrier, Processors,
        apic::{self, Message, To},
    },
    trap::{self, TrapFrame},
};

const NR: usize = 4;
/// The vector of each sender, each in a priority class of its own.
const FIRST_VECTOR: u8 = 0x45;
const VECTORS: [u8; NR] = [FIRST_VECTOR, FIRST_VECTOR + 0x10, FIRST_VECTOR + 0x20, FIRST_VECTOR + 0x30];
const NR_ROUNDS: u32 = 4;
/// How often each sends to each other one in a round.
const NR_AGAIN: u32 = 3;
/// How often each sends to each other one in the storm.
const NR_SENT: u32 = 16;

static MEETING: Barrier = Barrier::new();
/// Interrupts taken, by receiver and sender.
static TAKEN: [[AtomicU32; NR]; NR] = [const { [const { AtomicU32::new(0) }; NR] }; NR];
/// The last that a sender sent to each, counted from 1.
static LAST: [AtomicU32; NR] = [const { AtomicU32::new(0) }; NR];
/// What a receiver found there when it took one, by receiver and sender.
static NOTED: [[AtomicU32; NR]; NR] = [const { [const { AtomicU32::new(0) }; NR] }; NR];

const PAIRS: &[Text] = names![
    "0 to 0", "1 to 0", "2 to 0", "3 to 0", "0 to 1", "1 to 1", "2 to 1", "3 to 1", "0 to 2", "1 to 2", "2 to 2",
    "3 to 2", "0 to 3", "1 to 3", "2 to 3", "3 to 3",
];

fn take(frame: &mut TrapFrame) {
    let (receiver, sender) = (smp::index(), (frame.vector as usize - usize::from(FIRST_VECTOR)) >> 4);
    if receiver < NR && sender < NR {
        NOTED[receiver][sender].store(LAST[sender].load(Ordering::Acquire), Ordering::Release);
        TAKEN[receiver][sender].fetch_add(1, Ordering::AcqRel);
    }
    apic::end_interrupt();
}

/// Sends to each other processor, and returns when the local APIC has sent.
fn send_to_others(own: usize) {
    for to in (0..NR).filter(|&to| to != own) {
        apic::send(To::Id(to as u8), Message::Fixed(VECTORS[own]));
        Deadline::after(OTHERS_MICROS).wait(|| Registers::new().read(Register::ICR) & icr::PENDING == 0);
    }
}

/// Whether this holds of each pair that the processor is the receiver of.
fn of_each_sender(own: usize, holds: impl Fn(usize) -> bool) -> bool {
    (0..NR).all(|sender| sender == own || holds(sender))
}

fn send_before_any_is_taken(_: u64) -> u64 {
    let own = smp::index();
    if own >= NR {
        return 0;
    }
    for round in 1..=NR_ROUNDS {
        if !MEETING.wait(NR as u32, OTHERS_MICROS) {
            return 0;
        }
        for _ in 0..NR_AGAIN {
            send_to_others(own);
        }
        let are_there = MEETING.wait(NR as u32, OTHERS_MICROS);
        let came = wait_until(OTHERS_MICROS, || {
            of_each_sender(own, |sender| TAKEN[own][sender].load(Ordering::Acquire) >= round)
        });
        if !are_there || !came {
            return 0;
        }
        // A second one of the same would come now.
        let _ = interrupts::let_in();
    }
    1
}

/// Interrupts that several processors send to several, each again and again before any is taken, come once: each sender's first found the
/// bit of its vector clear, and the others found it set.
#[case(
    feature = SmpInterrupts,
    spec = [sdm3a("Interrupt Acceptance for Fixed Interrupts"), sdm3a("Issuing Interprocessor Interrupts")],
    needs = Needs::LOCAL_APIC,
    vcpus = 4,
    irqchip = LocalApic,
    time = 20,
)]
fn sent_again_before_any_is_taken() {
    let started = Processors::start(NR - 1);
    check!("three processors start", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = VECTORS.map(|vector| trap::handle(vector, take));
    for (index, result) in processors.on_all(send_before_any_is_taken).into_iter().enumerate() {
        check_eq!("takes one of each sender in each round", [PROCESSORS; index], result.unwrap_or(0), 1);
    }
    for (pair, _) in PAIRS.iter().enumerate() {
        let (receiver, sender) = (pair / NR, pair % NR);
        let expected = if receiver == sender { 0 } else { NR_ROUNDS };
        check_count!("taken", [PAIRS; pair], TAKEN[receiver][sender].load(Ordering::Acquire), expected);
    }
}

fn send_while_all_take(_: u64) -> u64 {
    let own = smp::index();
    if own >= NR || !MEETING.wait(NR as u32, OTHERS_MICROS) {
        return 0;
    }
    let enabled = interrupts::enable();
    for number in 1..=NR_SENT {
        LAST[own].store(number, Ordering::Release);
        send_to_others(own);
    }
    drop(enabled);
    // The others need this one until they have noted its last, and it theirs.
    let noted = |receiver: usize, sender: usize| NOTED[receiver][sender].load(Ordering::Acquire) == NR_SENT;
    u64::from(wait_until(OTHERS_MICROS, || of_each_sender(own, |other| noted(own, other) && noted(other, own))))
}

/// While four processors send to each other and take at the same time, the last interrupt of each is not lost, and none comes that
/// was not sent.
#[case(
    feature = SmpInterrupts,
    spec = [sdm3a("Interrupt Acceptance for Fixed Interrupts"), sdm3a("Issuing Interprocessor Interrupts")],
    needs = Needs::LOCAL_APIC,
    vcpus = 4,
    irqchip = LocalApic,
    time = 20,
)]
fn sent_while_all_take() {
    let started = Processors::start(NR - 1);
    check!("three processors start", started.is_ok());
    let Ok(processors) = started else { return };
    let _handling = VECTORS.map(|vector| trap::handle(vector, take));
    for (index, result) in processors.on_all(send_while_all_take).into_iter().enumerate() {
        check_eq!("the last of each is taken", [PROCESSORS; index], result.unwrap_or(0), 1);
    }
    let mut nr_taken = 0;
    for (pair, _) in PAIRS.iter().enumerate() {
        let (receiver, sender) = (pair / NR, pair % NR);
        let taken = TAKEN[receiver][sender].load(Ordering::Acquire);
        nr_taken += u64::from(taken);
        if receiver == sender {
            check_count!("of its own", [PAIRS; pair], taken, 0);
            continue;
        }
        check_eq!("the last that was noted", [PAIRS; pair], NOTED[receiver][sender].load(Ordering::Acquire), NR_SENT);
        check!("no more than were sent", [PAIRS; pair], (1..=NR_SENT).contains(&taken));
    }
    note!("interrupts sent", u64::from(NR_SENT) * 12);
    note!("interrupts taken", nr_taken);
}
