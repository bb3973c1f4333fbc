//! End of interrupt by a bit in memory: where the hypervisor has set it, clearing it is enough.

use super::structure::Structure;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    cpu::msr,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{LocalApic, Registers},
    mmio, names, note,
    trap::TrapFrame,
    vocabulary::{Needs, Text},
};

/// KVM_EOI_EN: the address of 4 bytes, a multiple of 4; bit 0 enables, bit 1 is reserved.
const EOI_EN: u32 = 0x4b56_4d04;
const ENABLE: u64 = 1 << 0;
const RESERVED: u64 = 1 << 1;
const SIZE: u64 = 4;
const VECTORS: core::ops::RangeInclusive<u8> = 0x40..=0x4f;
const NR_VECTORS: u64 = 16;

/// The word's address, for the handlers.
static WORD: AtomicU64 = AtomicU64::new(0);
/// How many interrupts found the bit set.
static NR_BY_BIT: AtomicU32 = AtomicU32::new(0);

/// Ends the interrupt as the protocol says: clears the bit, by one instruction, and writes the register if it was clear.
fn end_by_the_bit(frame: &mut TrapFrame) {
    interrupts::log(frame);
    if mmio::test_and_clear_bit_0(WORD.load(Ordering::Relaxed)) {
        NR_BY_BIT.fetch_add(1, Ordering::Relaxed);
    } else {
        interrupts::end(frame.vector as u8, End::LocalApic);
    }
}

/// Bits other than bit 0 that a handler found set.
static OTHER_BITS: AtomicU32 = AtomicU32::new(0);

fn look_at_the_word(frame: &mut TrapFrame) {
    OTHER_BITS.fetch_or(mmio::read_u32(WORD.load(Ordering::Relaxed)) & !1, Ordering::Relaxed);
    end_by_the_bit(frame);
}

/// Ends it by the register, whatever the bit says, and leaves the bit alone.
fn end_by_the_register(frame: &mut TrapFrame) {
    interrupts::log(frame);
    interrupts::end(frame.vector as u8, End::LocalApic);
}

/// Sends each vector to the processor itself and waits for it; returns how many came.
fn send_each(apic: &LocalApic) -> u64 {
    let mut nr_taken = 0;
    for vector in VECTORS {
        apic.send_to_self(vector);
        nr_taken += u64::from(interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(vector) == 1));
    }
    nr_taken
}

fn nr_in_service(apic: &Registers) -> u64 {
    VECTORS.filter(|&vector| apic.is_in_service(vector)).count() as u64
}

/// An interrupt that is ended by clearing the bit, or by the register where the bit is clear, is ended: each vector comes once,
/// the one of the same priority class after it too, and none stays in service.
#[case(feature = ParavirtualEndOfInterrupt, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_PV_EOI, irqchip = LocalApic)]
fn clearing_the_bit_ends_the_interrupt() {
    let word = Structure::new(1, 64, SIZE);
    WORD.store(word.address(), Ordering::Relaxed);
    NR_BY_BIT.store(0, Ordering::Relaxed);
    let apic = LocalApic::enabled();
    check_outcome!("WRMSR", msr::write(EOI_EN, word.address() | ENABLE), Outcome::COMPLETED);
    interrupts::clear();
    let listening = Listening::with_handler(VECTORS, End::Not, end_by_the_bit);
    check_count!("interrupts taken", send_each(&apic), NR_VECTORS);
    check!("no more", !interrupts::wait_for_more());
    check_count!("in service", nr_in_service(&apic), 0);
    note!("ended by the bit", NR_BY_BIT.load(Ordering::Relaxed));
    drop(listening);
    check_outcome!("WRMSR of 0", msr::write(EOI_EN, 0), Outcome::COMPLETED);
    check_count!("words written around it", word.nr_written_around(), 0);
}

/// Writing the register instead is always right, whether the bit is set or not.
#[case(feature = ParavirtualEndOfInterrupt, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_PV_EOI, irqchip = LocalApic)]
fn the_bit_may_be_ignored() {
    let word = Structure::new(1, 64, SIZE);
    let apic = LocalApic::enabled();
    check_outcome!("WRMSR", msr::write(EOI_EN, word.address() | ENABLE), Outcome::COMPLETED);
    interrupts::clear();
    let listening = Listening::with_handler(VECTORS, End::Not, end_by_the_register);
    check_count!("interrupts taken", send_each(&apic), NR_VECTORS);
    check!("no more", !interrupts::wait_for_more());
    check_count!("in service", nr_in_service(&apic), 0);
    drop(listening);
    check_outcome!("WRMSR of 0", msr::write(EOI_EN, 0), Outcome::COMPLETED);
}

/// The hypervisor sets bit 0 and no other bit of the word, which the guest gave it as zero: looked at in each handler.
#[case(feature = ParavirtualEndOfInterrupt, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_PV_EOI, irqchip = LocalApic)]
fn other_bits_of_the_word_are_zero() {
    let word = Structure::new(1, 64, SIZE);
    WORD.store(word.address(), Ordering::Relaxed);
    OTHER_BITS.store(0, Ordering::Relaxed);
    let apic = LocalApic::enabled();
    check_outcome!("WRMSR", msr::write(EOI_EN, word.address() | ENABLE), Outcome::COMPLETED);
    interrupts::clear();
    let listening = Listening::with_handler(VECTORS, End::Not, look_at_the_word);
    check_count!("interrupts taken", send_each(&apic), NR_VECTORS);
    check_eq!("other bits in a handler", u64::from(OTHER_BITS.load(Ordering::Relaxed)), 0);
    check_eq!("other bits at the end", u64::from(word.read(0) & !1), 0);
    drop(listening);
    check_outcome!("WRMSR of 0", msr::write(EOI_EN, 0), Outcome::COMPLETED);
}

/// Disabled, the word is left alone, and every interrupt needs the register.
#[case(feature = ParavirtualEndOfInterrupt, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_PV_EOI, irqchip = LocalApic)]
fn disabled_word_is_left_alone() {
    let word = Structure::new(1, 64, SIZE);
    let apic = LocalApic::enabled();
    check_outcome!("WRMSR", msr::write(EOI_EN, word.address() | ENABLE), Outcome::COMPLETED);
    check_outcome!("WRMSR without bit 0", msr::write(EOI_EN, word.address()), Outcome::COMPLETED);
    mmio::write_u32(word.address(), 0);
    interrupts::clear();
    let listening = Listening::to(VECTORS, End::LocalApic);
    check_count!("interrupts taken", send_each(&apic), NR_VECTORS);
    check_eq!("the word", u64::from(word.read(0)), 0);
    check_count!("in service", nr_in_service(&apic), 0);
    drop(listening);
}

/// Bit 1 is reserved and refused; the register reads back what was accepted.
#[case(feature = ParavirtualEndOfInterrupt, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_PV_EOI, irqchip = LocalApic)]
fn reserved_bit_is_refused() {
    let word = Structure::new(1, 64, SIZE);
    const NAMES: &[Text] = names!["bit 1", "bits 1 and 0"];
    for (row, value) in [word.address() | RESERVED, word.address() | RESERVED | ENABLE].into_iter().enumerate() {
        check_outcome!("WRMSR", [NAMES; row], msr::write(EOI_EN, value), Outcome::GP);
    }
    check_outcome!("WRMSR", msr::write(EOI_EN, word.address() | ENABLE), Outcome::COMPLETED);
    check_eq!("RDMSR", msr::read(EOI_EN).unwrap_or(u64::MAX), word.address() | ENABLE);
    check_outcome!("WRMSR of 0", msr::write(EOI_EN, 0), Outcome::COMPLETED);
}
