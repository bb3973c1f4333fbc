//! The faults, by area.

mod apic;
mod bus;
mod cpuid;
mod dependents;
mod event;
pub(super) mod host;
mod hpet;
pub(super) mod interface;
mod io;
mod ioapic;
mod machine;
mod msr;
mod pic;
mod pit;
mod pmtimer;
mod processor;
pub(super) mod rewritten;
mod rtc;
pub(super) mod saved;
pub(super) mod seen;
mod virtio_devices;
mod virtio_functions;
mod virtio_registers;
mod virtio_rings;

use super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::{AccessEffect, AccessFault, Direction, Space},
};

const TABLES: &[&[Mutant]] = &[
    cpuid::TABLE,
    msr::TABLE,
    event::TABLE,
    io::TABLE,
    machine::TABLE,
    bus::TABLE,
    dependents::TABLE,
    apic::TABLE,
    ioapic::TABLE,
    pic::TABLE,
    pit::TABLE,
    hpet::TABLE,
    rtc::TABLE,
    pmtimer::TABLE,
    processor::TABLE,
    virtio_rings::TABLE,
    virtio_registers::TABLE,
    virtio_functions::TABLE,
    virtio_devices::TABLE,
];

/// A fault of accesses to a range: space, first and last address, direction, and size if only one is concerned.
const fn access(
    id: &'static str,
    what: &'static str,
    feature: Feature,
    (space, first, last, direction, size): (Space, u64, u64, Direction, Option<usize>),
    effect: AccessEffect,
) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Access(AccessFault { space, first, last, direction, size, effect }) }
}

/// Every fault.
pub fn all() -> impl Iterator<Item = Mutant> + Clone {
    TABLES.iter().copied().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_hundreds_of_them() {
        assert!(all().count() >= 200, "{}", all().count());
    }
}
