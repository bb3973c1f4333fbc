//! Configuration space and registers of virtio devices reading and taking something else.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::{
        AccessEffect, AccessFault,
        Direction::{self, Read, Write},
        Space::{self, Memory, Ports},
    },
};

const fn access(
    id: &'static str,
    what: &'static str,
    feature: Feature,
    (space, first, last, direction, size): (Space, u64, u64, Direction, Option<usize>),
    effect: AccessEffect,
) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Access(AccessFault { space, first, last, direction, size, effect }) }
}

pub(super) const TABLE: &[Mutant] = &[
    access(
        "pci-data-dropped",
        "Configuration data by ports is not written.",
        Feature::PciConfiguration,
        (Ports, 0xcfc, 0xcff, Write, None),
        AccessEffect::Dropped,
    ),
    access(
        "pci-data-bit",
        "Configuration data by ports reads a wrong bit.",
        Feature::PciConfiguration,
        (Ports, 0xcfc, 0xcff, Read, None),
        AccessEffect::Xor(1),
    ),
    access(
        "pci-address-dropped",
        "The configuration address takes nothing.",
        Feature::PciConfiguration,
        (Ports, 0xcf8, 0xcfb, Write, None),
        AccessEffect::Dropped,
    ),
    access(
        "pci-address-low-bits",
        "The configuration address keeps its lowest bits.",
        Feature::PciConfiguration,
        (Ports, 0xcf8, 0xcfb, Read, None),
        AccessEffect::Or(3),
    ),
    access(
        "pci-byte-as-doubleword",
        "A byte of configuration data is that of the lowest port.",
        Feature::PciConfiguration,
        (Ports, 0xcfd, 0xcff, Read, Some(1)),
        AccessEffect::Moved(0xffff),
    ),
    access(
        "pci-mapped-dropped",
        "Configuration by memory is not written.",
        Feature::PciConfiguration,
        (Memory, 0xe000_0000, 0xe0ff_ffff, Write, None),
        AccessEffect::Dropped,
    ),
    access(
        "pci-mapped-bit",
        "Configuration by memory reads a wrong bit.",
        Feature::PciConfiguration,
        (Memory, 0xe000_0000, 0xe0ff_ffff, Read, None),
        AccessEffect::Xor(1),
    ),
    access(
        "pci-bar-window-dropped",
        "What base address registers claim takes no writes.",
        Feature::PciMsiX,
        (Memory, 0xe100_0000, 0xefff_ffff, Write, None),
        AccessEffect::Dropped,
    ),
    access(
        "pci-bar-window-bit",
        "What base address registers claim reads a wrong bit.",
        Feature::PciBaseAddresses,
        (Memory, 0xe100_0000, 0xefff_ffff, Read, None),
        AccessEffect::Xor(1),
    ),
    access(
        "virtio-magic",
        "The magic value of virtio is another.",
        Feature::VirtioMmio,
        (Memory, 0xd000_2000, 0xd000_2003, Read, None),
        AccessEffect::Xor(1),
    ),
    access(
        "virtio-version",
        "The version of virtio is another.",
        Feature::VirtioMmio,
        (Memory, 0xd000_2004, 0xd000_2007, Read, None),
        AccessEffect::Xor(3),
    ),
    access(
        "virtio-features-selector",
        "The selector of features does nothing.",
        Feature::VirtioFeatures,
        (Memory, 0xd000_2014, 0xd000_2017, Write, None),
        AccessEffect::Dropped,
    ),
    access(
        "virtio-feature-lost",
        "An accepted feature does not reach the device.",
        Feature::VirtioFeatures,
        (Memory, 0xd000_2020, 0xd000_2023, Write, None),
        AccessEffect::And(!1),
    ),
    access(
        "virtio-unknown-feature",
        "A feature is offered that is none.",
        Feature::VirtioFeatures,
        (Memory, 0xd000_2010, 0xd000_2013, Read, None),
        AccessEffect::Xor(1 << 23),
    ),
    access(
        "virtio-queue-size",
        "A queue offers no descriptors.",
        Feature::VirtioBalloon,
        (Memory, 0xd000_2034, 0xd000_2037, Read, None),
        AccessEffect::And(0),
    ),
    access(
        "virtio-ready-not-read",
        "Ready always reads as 0.",
        Feature::VirtioMmio,
        (Memory, 0xd000_2044, 0xd000_2047, Read, None),
        AccessEffect::And(0),
    ),
    access(
        "virtio-notify-dropped",
        "Notifications are lost.",
        Feature::VirtioQueues,
        (Memory, 0xd000_2050, 0xd000_2053, Write, None),
        AccessEffect::Dropped,
    ),
    access(
        "virtio-notify-other-queue",
        "Notifications are of another queue.",
        Feature::VirtioQueues,
        (Memory, 0xd000_2050, 0xd000_2053, Write, None),
        AccessEffect::Xor(1),
    ),
    access(
        "virtio-acknowledge-dropped",
        "Interrupts cannot be acknowledged.",
        Feature::VirtioNotifications,
        (Memory, 0xd000_2064, 0xd000_2067, Write, None),
        AccessEffect::Dropped,
    ),
    access(
        "virtio-interrupt-status",
        "The interrupt status is empty.",
        Feature::VirtioNotifications,
        (Memory, 0xd000_2060, 0xd000_2063, Read, None),
        AccessEffect::And(0),
    ),
    access(
        "virtio-status-dropped",
        "The status takes no writes.",
        Feature::VirtioStatus,
        (Memory, 0xd000_2070, 0xd000_2073, Write, None),
        AccessEffect::Dropped,
    ),
    access(
        "virtio-status-reset-dropped",
        "Only bits that are set reach the status: there is no reset.",
        Feature::VirtioStatus,
        (Memory, 0xd000_2070, 0xd000_2073, Write, None),
        AccessEffect::Or(1),
    ),
    access(
        "virtio-features-ok-lost",
        "FEATURES_OK never reads back.",
        Feature::VirtioStatus,
        (Memory, 0xd000_2070, 0xd000_2073, Read, None),
        AccessEffect::And(!8),
    ),
    access(
        "virtio-queue-reset-ignored",
        "A queue cannot be reset.",
        Feature::VirtioQueueReset,
        (Memory, 0xd000_20c0, 0xd000_20c3, Write, None),
        AccessEffect::Dropped,
    ),
    access(
        "virtio-descriptor-address",
        "The address of descriptors is another.",
        Feature::VirtioQueues,
        (Memory, 0xd000_2080, 0xd000_2083, Write, None),
        AccessEffect::Xor(0x1000),
    ),
    access(
        "virtio-device-area-address",
        "The address of the device area is another.",
        Feature::VirtioIndirect,
        (Memory, 0xd000_20a0, 0xd000_20a3, Write, None),
        AccessEffect::Xor(0x1000),
    ),
];
