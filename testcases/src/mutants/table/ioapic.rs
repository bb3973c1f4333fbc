//! The I/O APIC breaking a rule.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::model::{self, IoApicFault},
};

const fn rule(id: &'static str, what: &'static str, feature: Feature, fault: IoApicFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Model(model::Fault::IoApic(fault)) }
}

pub(super) const TABLE: &[Mutant] = &[
    rule(
        "ioapic-remote-irr-never-set",
        "Remote IRR is never set.",
        Feature::IoApicLevel,
        IoApicFault::RemoteIrrNeverSet,
    ),
    rule(
        "ioapic-end-ignored",
        "Ends of interrupts do not clear remote IRR.",
        Feature::IoApicLevel,
        IoApicFault::EndIgnored,
    ),
    rule("ioapic-mask-ignored", "Masked entries send.", Feature::IoApicDelivery, IoApicFault::MaskIgnored),
    rule(
        "ioapic-edges-held-while-masked",
        "Edges are held while masked.",
        Feature::IoApicDelivery,
        IoApicFault::EdgesHeldWhileMasked,
    ),
    rule("ioapic-polarity-ignored", "Polarity does not matter.", Feature::IoApicDelivery, IoApicFault::PolarityIgnored),
    rule(
        "ioapic-remote-irr-writable",
        "Remote IRR can be written.",
        Feature::IoApicRegisters,
        IoApicFault::RemoteIrrWritable,
    ),
    rule(
        "ioapic-id-bits-writable",
        "All bits of the ID can be written.",
        Feature::IoApicRegisters,
        IoApicFault::IdBitsWritable,
    ),
    rule(
        "ioapic-arbitration-stays",
        "The arbitration ID does not follow the ID.",
        Feature::IoApicRegisters,
        IoApicFault::ArbitrationStays,
    ),
    rule("ioapic-always-fixed", "Every message has fixed delivery.", Feature::IoApicDelivery, IoApicFault::AlwaysFixed),
    rule(
        "ioapic-always-physical",
        "Every destination is physical.",
        Feature::IoApicDelivery,
        IoApicFault::AlwaysPhysical,
    ),
    rule("ioapic-always-edge", "Every message is an edge.", Feature::IoApicLevel, IoApicFault::AlwaysEdge),
    rule("ioapic-version-wrong", "The version is another.", Feature::IoApicRegisters, IoApicFault::VersionWrong),
    rule(
        "ioapic-last-entry-missing",
        "There is one entry less than told.",
        Feature::IoApicRegisters,
        IoApicFault::LastEntryMissing,
    ),
    rule(
        "ioapic-destination-narrow",
        "The destination's highest bit is lost.",
        Feature::IoApicDelivery,
        IoApicFault::DestinationNarrow,
    ),
    rule("ioapic-vector-off-by-one", "Vectors are one too high.", Feature::IoApicDelivery, IoApicFault::VectorOffByOne),
    rule(
        "ioapic-level-sent-once",
        "An entry that levels hold asserted does not send again.",
        Feature::IoApicLevel,
        IoApicFault::LevelSentOnce,
    ),
    rule("ioapic-no-eoi-register", "There is no EOI register.", Feature::IoApicLevel, IoApicFault::NoEoiRegister),
    rule(
        "ioapic-reset-unmasked",
        "Entries are not masked after reset.",
        Feature::IoApicRegisters,
        IoApicFault::ResetUnmasked,
    ),
];
