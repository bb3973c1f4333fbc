//! An NMI before an interrupt.

use super::NMI;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use rt::{
    case, check, check_count, check_eq,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{LocalApic, Registers},
    names,
    trap::TrapFrame,
    vocabulary::{Needs, Text, image::board::UNCLAIMED_PORT},
};

const VECTOR: u8 = 0x74;
const RFLAGS_IF: u64 = 1 << 9;
const ORDERS: &[Text] = names!["the NMI is sent first", "the interrupt is sent first"];

/// Which of [`ORDERS`].
static ORDER: AtomicU32 = AtomicU32::new(0);
/// RFLAGS of what the second NMI interrupted.
static INTERRUPTED: AtomicU64 = AtomicU64::new(0);

/// In the first NMI's handler both are blocked, and IRET lets both in.
fn send_both(frame: &mut TrapFrame) {
    interrupts::log(frame);
    if interrupts::count(NMI) != 1 {
        INTERRUPTED.store(frame.rflags, Ordering::Relaxed);
        return;
    }
    let registers = Registers::new();
    if ORDER.load(Ordering::Relaxed) == 0 {
        registers.send_nmi_to_self();
        registers.send_to_self(VECTOR);
    } else {
        registers.send_to_self(VECTOR);
        registers.send_nmi_to_self();
    }
    for _ in 0..4 {
        let _ = rt::cpu::port::read_u8(UNCLAIMED_PORT);
    }
}

/// Of an NMI and an interrupt that both wait the NMI comes first: it interrupts the code that the interrupt would have
/// interrupted, and not the interrupt's handler.
#[case(feature = NonMaskable, spec = [sdm3a("Prioritization of Concurrent Events"), apm2("Priorities")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn it_comes_before_an_interrupt() {
    let apic = LocalApic::enabled();
    let _nmis = Listening::with_handler(NMI..=NMI, End::Not, send_both);
    let _interrupts = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for order in 0..ORDERS.len() {
        interrupts::clear();
        ORDER.store(order as u32, Ordering::Relaxed);
        INTERRUPTED.store(0, Ordering::Relaxed);
        let flag = interrupts::enable();
        apic.send_nmi_to_self();
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= 3);
        drop(flag);
        check!("all come", [ORDERS; order], came);
        check_count!("NMIs", [ORDERS; order], interrupts::count(NMI), 2);
        check_count!("interrupts", [ORDERS; order], interrupts::count(VECTOR), 1);
        let second = interrupts::taken(1).map_or(0, |taken| taken.vector);
        check_eq!("the second that is handled", [ORDERS; order], second, NMI);
        check_eq!(
            "IF of what it interrupts",
            [ORDERS; order],
            INTERRUPTED.load(Ordering::Relaxed) & RFLAGS_IF,
            RFLAGS_IF
        );
    }
}
