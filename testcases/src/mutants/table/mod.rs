//! The faults, by area.

mod apic;
mod bus;
mod cpuid;
mod dependents;
mod event;
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
mod rtc;
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
    use std::collections::BTreeSet;

    #[test]
    fn each_fault_has_a_name_of_its_own_and_a_sentence() {
        let ids: BTreeSet<_> = all().map(|mutant| mutant.id).collect();
        assert_eq!(ids.len(), all().count());
        for Mutant { id, what, .. } in all() {
            assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{id}");
            assert!(what.ends_with('.') && what.len() > 10, "{id}");
        }
    }

    #[test]
    fn there_are_hundreds_of_them() {
        assert!(all().count() >= 200, "{}", all().count());
    }
}
