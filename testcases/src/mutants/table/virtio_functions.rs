//! PCI functions breaking a rule.

use super::super::Mutant;
use case::Feature::{self, PciBaseAddresses, PciCapabilities, PciHeader, PciMsiX, PciPins};
use vmm::{
    Fault,
    faults::virtio::{self, PciFault},
};

const fn rule(id: &'static str, what: &'static str, feature: Feature, fault: PciFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Virtio(virtio::Fault::Pci(fault)) }
}

pub(super) const TABLE: &[Mutant] = &[
    rule(
        "pci-bar-kind-writable",
        "The bits that tell the kind of a base address register can be written.",
        PciBaseAddresses,
        PciFault::BarKindWritable,
    ),
    rule(
        "pci-bar-high-ignored",
        "The high half of a 64-bit base address register does not count.",
        PciBaseAddresses,
        PciFault::BarHighHalfIgnored,
    ),
    rule(
        "pci-bar-end-ignored",
        "What is behind a base address register does not end with its size.",
        PciBaseAddresses,
        PciFault::BarEndIgnored,
    ),
    rule(
        "pci-memory-space-ignored",
        "Memory is decoded whatever the command register says.",
        PciBaseAddresses,
        PciFault::MemorySpaceIgnored,
    ),
    rule(
        "pci-bus-master-ignored",
        "Messages are sent whatever the command register says.",
        PciMsiX,
        PciFault::BusMasterIgnored,
    ),
    rule(
        "pci-interrupt-disable-ignored",
        "The pin is used whatever the command register says.",
        PciPins,
        PciFault::InterruptDisableIgnored,
    ),
    rule(
        "pci-interrupt-status-never",
        "The status never tells of an interrupt.",
        PciPins,
        PciFault::InterruptStatusNeverSet,
    ),
    rule("pci-identity-writable", "Vendor and device can be written.", PciHeader, PciFault::IdentityWritable),
    rule(
        "pci-command-takes-all",
        "All bits of the command register can be written.",
        PciHeader,
        PciFault::CommandTakesAll,
    ),
    rule("pci-status-writable", "The status can be written.", PciHeader, PciFault::StatusWritable),
    rule("pci-line-narrow", "The interrupt line has four bits.", PciHeader, PciFault::InterruptLineNarrow),
    rule(
        "pci-capabilities-not-told",
        "The status does not tell of capabilities.",
        PciCapabilities,
        PciFault::CapabilitiesNotTold,
    ),
    rule("pci-links-writable", "The pointer to the capabilities can be written.", PciHeader, PciFault::LinksWritable),
    rule(
        "pci-capabilities-loop",
        "The last capability leads to the first.",
        PciCapabilities,
        PciFault::CapabilitiesLoop,
    ),
    rule("msix-mask-ignored", "The masks of vectors do not count.", PciMsiX, PciFault::MaskIgnored),
    rule(
        "msix-function-mask-ignored",
        "The mask of all vectors does not count.",
        PciMsiX,
        PciFault::FunctionMaskIgnored,
    ),
    rule("msix-pending-lost", "What is due while a vector is masked is lost.", PciMsiX, PciFault::PendingLost),
    rule("msix-pending-not-shown", "Pending bits read as zero.", PciMsiX, PciFault::PendingNotShown),
    rule("msix-pending-stays", "Pending bits stay when the message has been sent.", PciMsiX, PciFault::PendingStays),
    rule("msix-next-message", "Each message is the one of the next vector.", PciMsiX, PciFault::NextMessage),
    rule(
        "msix-message-stays",
        "A message that is held back is that of when it was due.",
        PciMsiX,
        PciFault::MessageStays,
    ),
    rule("msix-upper-lost", "The high half of an entry's address is lost.", PciMsiX, PciFault::UpperAddressLost),
    rule("msix-unmasked-at-first", "Vectors are not masked at first.", PciMsiX, PciFault::UnmaskedAtFirst),
    rule("msix-size-writable", "The size of the table can be written.", PciMsiX, PciFault::TableSizeWritable),
    rule("msix-quadwords-dropped", "The table takes doublewords alone.", PciMsiX, PciFault::QuadwordsDropped),
];
