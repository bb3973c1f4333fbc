//! Steal time: how long a processor would have run and did not.

use super::structure::Structure;
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    clock::{self, Deadline},
    cpu::{msr, port},
    interrupts::GENEROUS_MICROS,
    names, skip, user,
    vocabulary::{Needs, Text, image::board::UNCLAIMED_PORT},
};

/// KVM_STEAL_TIME: the address of 64 bytes, a multiple of 64, and a bit that enables.
pub(super) const STEAL_TIME: u32 = 0x4b56_4d03;
pub(super) const ENABLE: u64 = 1 << 0;
pub(super) const SIZE: u64 = 64;

/// Offsets in `struct kvm_steal_time`.
pub(super) mod offset {
    pub(in super::super) const STEAL: u64 = 0;
    pub(in super::super) const VERSION: u64 = 8;
    pub(in super::super) const FLAGS: u64 = 12;
    pub(in super::super) const PREEMPTED: u64 = 16;
}

/// The time that was stolen so far, in nanoseconds.
pub(super) fn read(structure: &Structure) -> u64 {
    u64::from(structure.read(offset::STEAL)) | u64::from(structure.read(offset::STEAL + 4)) << 32
}

/// Leaves the guest, to the host's program, and enters it again.
pub(super) fn exit() {
    let _ = port::read_u8(UNCLAIMED_PORT);
}

/// Waits until the structure has been updated once. When that is, is left to the hypervisor; that it never is, is not.
fn is_updated(structure: &Structure) -> bool {
    Deadline::after(GENEROUS_MICROS).wait(|| {
        exit();
        structure.read(offset::VERSION) != 0
    })
}

/// Bits 5 to 1 are reserved and refused; the register reads back what was accepted.
#[case(feature = StealTime, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_STEAL_TIME, irqchip = LocalApic)]
fn reserved_bits_of_steal_time_are_refused() {
    let structure = Structure::new(1, 64, SIZE);
    for bit in 1..6_u8 {
        let value = structure.address() | ENABLE | 1 << bit;
        check_outcome!("WRMSR with bit", [&[]; bit], msr::write(STEAL_TIME, value), Outcome::GP);
    }
    check_outcome!("WRMSR", msr::write(STEAL_TIME, structure.address() | ENABLE), Outcome::COMPLETED);
    check_eq!("RDMSR", msr::read(STEAL_TIME).unwrap_or(u64::MAX), structure.address() | ENABLE);
    check_outcome!("WRMSR of 0", msr::write(STEAL_TIME, 0), Outcome::COMPLETED);
}

/// Enabled at any multiple of 64, the structure has an even version, no flags, is not preempted where it can be read, and
/// nothing around it is written.
#[case(feature = StealTime, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_STEAL_TIME, irqchip = LocalApic)]
fn structure_is_filled_at_every_place() {
    const NAMES: &[Text] = names!["64", "128", "1024", "3968"];
    for (row, place) in [64, 128, 1024, 3968].into_iter().enumerate() {
        let structure = Structure::new(1, place, SIZE);
        let written = msr::write(STEAL_TIME, structure.address() | ENABLE);
        check_outcome!("WRMSR", [NAMES; row], written, Outcome::COMPLETED);
        check!("it is updated", [NAMES; row], is_updated(&structure));
        check_eq!("bit 0 of the version", [NAMES; row], u64::from(structure.read(offset::VERSION) & 1), 0);
        check_eq!("flags", [NAMES; row], u64::from(structure.read(offset::FLAGS)), 0);
        check_eq!("preempted", [NAMES; row], u64::from(structure.read(offset::PREEMPTED) & 0xff), 0);
        check_count!("words written around it", [NAMES; row], structure.nr_written_around(), 0);
        check_outcome!("WRMSR of 0", [NAMES; row], msr::write(STEAL_TIME, 0), Outcome::COMPLETED);
    }
}

/// The MSR reads back what was written.
#[case(feature = StealTime, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_STEAL_TIME, irqchip = LocalApic)]
fn register_reads_back() {
    let structure = Structure::new(1, 64, SIZE);
    const NAMES: &[Text] = names!["enabled", "disabled", "zero"];
    for (row, value) in [structure.address() | ENABLE, structure.address(), 0].into_iter().enumerate() {
        check_outcome!("WRMSR", [NAMES; row], msr::write(STEAL_TIME, value), Outcome::COMPLETED);
        check_eq!("RDMSR", [NAMES; row], msr::read(STEAL_TIME).unwrap_or(u64::MAX), value);
    }
}

/// Steal time never goes back, and is never more than the time that has passed since it was enabled: a processor cannot have
/// waited longer than that.
#[case(feature = StealTime, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_STEAL_TIME, irqchip = LocalApic)]
fn steal_time_grows_and_not_beyond_the_time() {
    const TURNS: u64 = 20;
    /// A quartz of the host's against another, and rounding.
    const SLACK_NANOSECONDS: u64 = 100_000;
    if clock::rate().1 == clock::Source::Assumed {
        skip!("nothing tells the rate of the time-stamp counter");
        return;
    }
    let structure = Structure::new(1, 64, SIZE);
    let start = clock::now();
    check_outcome!("WRMSR", msr::write(STEAL_TIME, structure.address() | ENABLE), Outcome::COMPLETED);
    check!("it is updated", is_updated(&structure));
    let first = read(&structure);
    let mut last = first;
    for turn in 0..TURNS {
        // Work at CPL 3, in which the host may take the processor away.
        let ran = user::run(|| {
            for _ in 0..20_000_u32 {
                core::hint::spin_loop();
            }
        });
        check!("CPL 3 returns", [&[]; turn], ran.is_ok());
        exit();
        let now = read(&structure);
        let passed = clock::nanoseconds(clock::now().wrapping_sub(start));
        check!("not less than before", [&[]; turn], now >= last);
        check!("not more than has passed", [&[]; turn], now - first <= passed + SLACK_NANOSECONDS);
        check_eq!("bit 0 of the version", [&[]; turn], u64::from(structure.read(offset::VERSION) & 1), 0);
        last = now;
    }
    check_outcome!("WRMSR of 0", msr::write(STEAL_TIME, 0), Outcome::COMPLETED);
}

/// Disabled, the structure is not written any more.
#[case(feature = StealTime, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_STEAL_TIME, irqchip = LocalApic)]
fn disabled_structure_is_not_written() {
    let structure = Structure::new(1, 64, SIZE);
    check_outcome!("WRMSR", msr::write(STEAL_TIME, structure.address() | ENABLE), Outcome::COMPLETED);
    check!("it is updated", is_updated(&structure));
    check_outcome!("WRMSR of 0", msr::write(STEAL_TIME, 0), Outcome::COMPLETED);
    let structure = Structure::new(1, 64, SIZE);
    exit();
    exit();
    check_count!("words written", structure.nr_written(), 0);
}
