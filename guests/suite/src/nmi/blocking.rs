//! An NMI blocks further ones until IRET.

use super::NMI;
use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    case, check, check_count,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::LocalApic,
    trap::TrapFrame,
    vocabulary::{Needs, image::board::UNCLAIMED_PORT},
};

/// How many handlers run at the moment, and the most that ever did.
static DEPTH: AtomicU32 = AtomicU32::new(0);
static DEEPEST: AtomicU32 = AtomicU32::new(0);
/// How many NMIs the handlers still send.
static TO_SEND: AtomicU32 = AtomicU32::new(0);
/// How many are sent at once.
static AT_ONCE: AtomicU32 = AtomicU32::new(1);
/// NMIs that came while a handler waited for them.
static SEEN_INSIDE: AtomicU32 = AtomicU32::new(0);

fn exits() {
    for _ in 0..4 {
        let _ = rt::cpu::port::read_u8(UNCLAIMED_PORT);
    }
}

/// Sends NMIs to its own processor while it runs, and gives them time to come.
fn send_in_handler(frame: &mut TrapFrame) {
    let depth = DEPTH.fetch_add(1, Ordering::Relaxed) + 1;
    DEEPEST.fetch_max(depth, Ordering::Relaxed);
    interrupts::log(frame);
    if TO_SEND.load(Ordering::Relaxed) != 0 {
        TO_SEND.fetch_sub(1, Ordering::Relaxed);
        let before = interrupts::count(NMI);
        let registers = rt::local_apic::Registers::new();
        for _ in 0..AT_ONCE.load(Ordering::Relaxed) {
            registers.send_nmi_to_self();
        }
        exits();
        SEEN_INSIDE.fetch_add(interrupts::count(NMI) - before, Ordering::Relaxed);
    }
    DEPTH.fetch_sub(1, Ordering::Relaxed);
}

fn reset(nr_handlers: u32, at_once: u32) {
    interrupts::clear();
    for (counter, value) in
        [(&DEPTH, 0), (&DEEPEST, 0), (&SEEN_INSIDE, 0), (&TO_SEND, nr_handlers), (&AT_ONCE, at_once)]
    {
        counter.store(value, Ordering::Relaxed);
    }
}

/// An NMI that is sent while one is handled waits until IRET, and comes then.
#[case(feature = NonMaskable, spec = sdm3a("Handling Multiple NMIs"), needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn another_waits_for_iret() {
    let apic = LocalApic::enabled();
    let _listening = Listening::with_handler(NMI..=NMI, End::Not, send_in_handler);
    reset(3, 1);
    apic.send_nmi_to_self();
    let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(NMI) >= 4);
    exits();
    check_count!("handlers at once", DEEPEST.load(Ordering::Relaxed), 1);
    check_count!("NMIs inside of a handler", SEEN_INSIDE.load(Ordering::Relaxed), 0);
    check_count!("NMIs", interrupts::count(NMI), 4);
    check_count!("interrupts", interrupts::total(), 4);
}

/// Of several that are sent while one is handled, at least one comes behind its IRET, and no more than were sent.
#[case(feature = NonMaskable, spec = sdm3a("Handling Multiple NMIs"), needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn of_several_at_least_one_comes() {
    const AT_ONCE: u32 = 4;
    let apic = LocalApic::enabled();
    let _listening = Listening::with_handler(NMI..=NMI, End::Not, send_in_handler);
    reset(1, AT_ONCE);
    apic.send_nmi_to_self();
    let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(NMI) >= 2);
    exits();
    let count = interrupts::count(NMI);
    check!("one more at least", count >= 2);
    check!("no more than were sent", count <= 1 + AT_ONCE);
    check_count!("handlers at once", DEEPEST.load(Ordering::Relaxed), 1);
    check_count!("NMIs inside of a handler", SEEN_INSIDE.load(Ordering::Relaxed), 0);
}

/// An interrupt does not come inside of the handler, whose gate clears IF; NMIs come inside of an interrupt's handler.
#[case(feature = NonMaskable, spec = [sdm3a("Handling Multiple NMIs"), sdm3a("Masking Maskable Hardware Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn an_nmi_comes_inside_of_an_interrupt_handler() {
    const VECTOR: u8 = 0x71;
    let apic = LocalApic::enabled();
    let _nmis = Listening::to(NMI..=NMI, End::Not);
    let _interrupts = Listening::with_handler(VECTOR..=VECTOR, End::Not, send_in_interrupt);
    reset(0, 0);
    apic.send_to_self(VECTOR);
    let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) == 1);
    apic.end_interrupt();
    check_count!("interrupts", interrupts::count(VECTOR), 1);
    check_count!("NMIs inside of its handler", SEEN_INSIDE.load(Ordering::Relaxed), 1);
    check_count!("NMIs", interrupts::count(NMI), 1);
}

fn send_in_interrupt(frame: &mut TrapFrame) {
    interrupts::log(frame);
    rt::local_apic::Registers::new().send_nmi_to_self();
    exits();
    SEEN_INSIDE.fetch_add(interrupts::count(NMI), Ordering::Relaxed);
}
