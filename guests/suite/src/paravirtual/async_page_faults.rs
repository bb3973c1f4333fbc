//! Asynchronous page faults: registers, and that nothing comes while nothing is missing.

use super::structure::Structure;
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    cpu::msr,
    interrupts::{self, End, Listening},
    local_apic::LocalApic,
    names, user,
    vocabulary::{Needs, Text},
};

/// KVM_ASYNC_PF_EN: the address of 64 bytes, a multiple of 64, and bits.
pub(super) const ASYNC_PF_EN: u32 = 0x4b56_4d02;
/// KVM_ASYNC_PF_INT: the vector by which it is told that a page is there.
pub(super) const ASYNC_PF_INT: u32 = 0x4b56_4d06;
pub(super) const ENABLE: u64 = 1 << 0;
pub(super) const BY_INTERRUPT: u64 = 1 << 3;
pub(super) const SIZE: u64 = 64;
pub(super) const VECTOR: u8 = 0x52;

/// Reserved bits of both registers are refused: bits 5 and 4 of the one, all above the vector of the other.
#[case(feature = AsyncPageFaults, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_ASYNC_PF, irqchip = LocalApic)]
fn reserved_bits_are_refused() {
    const NAMES: &[Text] = names!["EN, bit 4", "EN, bit 5", "INT, bit 8", "INT, bit 31", "INT, bit 63"];
    let structure = Structure::new(1, 64, SIZE);
    let enabled = structure.address() | ENABLE | BY_INTERRUPT;
    let vector = u64::from(VECTOR);
    let rows = [
        (ASYNC_PF_EN, enabled | 1 << 4),
        (ASYNC_PF_EN, enabled | 1 << 5),
        (ASYNC_PF_INT, vector | 1 << 8),
        (ASYNC_PF_INT, vector | 1 << 31),
        (ASYNC_PF_INT, vector | 1 << 63),
    ];
    for (row, (number, value)) in rows.into_iter().enumerate() {
        check_outcome!("WRMSR", [NAMES; row], msr::write(number, value), Outcome::GP);
    }
    check_outcome!("WRMSR of the disabled", msr::write(ASYNC_PF_EN, 0), Outcome::COMPLETED);
}

/// Both registers read back what was written.
#[case(feature = AsyncPageFaults, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_ASYNC_PF, irqchip = LocalApic)]
fn registers_read_back() {
    let structure = Structure::new(1, 64, SIZE);
    let enabled = structure.address() | ENABLE | BY_INTERRUPT;
    const NAMES: &[Text] = names!["INT", "EN", "EN, disabled"];
    let rows = [(ASYNC_PF_INT, u64::from(VECTOR)), (ASYNC_PF_EN, enabled), (ASYNC_PF_EN, 0)];
    for (row, (number, value)) in rows.into_iter().enumerate() {
        check_outcome!("WRMSR", [NAMES; row], msr::write(number, value), Outcome::COMPLETED);
        check_eq!("RDMSR", [NAMES; row], msr::read(number).unwrap_or(u64::MAX), value);
    }
}

/// The token by which KVM wakes all that wait, and so whoever enables the faults: nothing was said to be missing to it.
pub(super) const ALL: u32 = u32::MAX;

/// While every page is present, no fault is told and none is told to be over, but for the token that wakes all.
#[case(feature = AsyncPageFaults, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_ASYNC_PF, irqchip = LocalApic)]
fn nothing_comes_while_nothing_is_missing() {
    let structure = Structure::new(1, 64, SIZE);
    let _apic = LocalApic::enabled();
    interrupts::clear();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    check_outcome!("WRMSR INT", msr::write(ASYNC_PF_INT, VECTOR.into()), Outcome::COMPLETED);
    let enabled = structure.address() | ENABLE | BY_INTERRUPT;
    check_outcome!("WRMSR EN", msr::write(ASYNC_PF_EN, enabled), Outcome::COMPLETED);
    let ran = user::run(|| {
        for _ in 0..10_000_u32 {
            core::hint::spin_loop();
        }
    });
    check!("CPL 3 returns", ran.is_ok());
    let _ = interrupts::wait_for_more();
    let token = structure.read(4);
    check_eq!("flags", u64::from(structure.read(0)), 0);
    check!("no token but the one for all", token == 0 || token == ALL);
    check_count!("interrupts", interrupts::count(VECTOR), u64::from(token != 0));
    check_outcome!("WRMSR of the disabled", msr::write(ASYNC_PF_EN, 0), Outcome::COMPLETED);
    check_count!("words written around it", structure.nr_written_around(), 0);
}
