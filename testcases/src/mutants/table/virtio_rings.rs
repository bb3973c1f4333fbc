//! Rings of virtio devices breaking a rule.

use super::super::Mutant;
use case::Feature::{
    self, VirtioBlock, VirtioEntropy, VirtioHostileDrivers, VirtioIndirect, VirtioNotifications, VirtioQueues,
};
use vmm::{
    Fault,
    faults::virtio::{self, RingFault},
};

const fn rule(id: &'static str, what: &'static str, feature: Feature, fault: RingFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Virtio(virtio::Fault::Ring(fault)) }
}

pub(super) const TABLE: &[Mutant] = &[
    rule("virtio-length-too-large", "The used length is one byte too large.", VirtioQueues, RingFault::LengthTooLarge),
    rule("virtio-length-halved", "The used length is half of what was written.", VirtioQueues, RingFault::LengthHalved),
    rule("virtio-length-zero", "The used length is always zero.", VirtioQueues, RingFault::LengthZero),
    rule("virtio-entropy-length-zero", "No random byte is told as written.", VirtioEntropy, RingFault::LengthZero),
    rule("virtio-entropy-id-wrong", "Random bytes are in the next buffer.", VirtioEntropy, RingFault::IdWrong),
    rule("virtio-used-id-wrong", "The id of a used buffer is the next one.", VirtioQueues, RingFault::IdWrong),
    rule("virtio-used-twice", "Buffers of split rings are given back twice.", VirtioQueues, RingFault::UsedTwice),
    rule("virtio-never-used", "Buffers are not given back.", VirtioQueues, RingFault::NeverUsed),
    rule("virtio-used-index-twice", "The used index goes on by two.", VirtioQueues, RingFault::UsedIndexTwice),
    rule("virtio-used-index-stays", "The used index stays.", VirtioQueues, RingFault::UsedIndexStays),
    rule(
        "virtio-used-element-missing",
        "The used index goes on, and nothing stands there.",
        VirtioQueues,
        RingFault::UsedElementMissing,
    ),
    rule(
        "virtio-used-element-elsewhere",
        "The used element stands in the next place.",
        VirtioQueues,
        RingFault::UsedElementElsewhere,
    ),
    rule(
        "virtio-used-wrap-stays",
        "The wrap counter of used descriptors never changes.",
        VirtioQueues,
        RingFault::UsedWrapStays,
    ),
    rule(
        "virtio-available-wrap-stays",
        "The wrap counter of available descriptors never changes.",
        VirtioQueues,
        RingFault::AvailableWrapStays,
    ),
    rule(
        "virtio-used-mark-missing",
        "A used descriptor of a packed ring has the marks of an available one.",
        VirtioQueues,
        RingFault::UsedMarkMissing,
    ),
    rule(
        "virtio-write-flag-missing",
        "A used descriptor of a packed ring does not tell that it was written.",
        VirtioQueues,
        RingFault::WriteFlagMissing,
    ),
    rule(
        "virtio-used-takes-one",
        "A used buffer of a packed ring takes one descriptor however many it has.",
        VirtioQueues,
        RingFault::UsedTakesOne,
    ),
    rule(
        "virtio-id-of-first",
        "The id of a buffer of a packed ring is that of its first descriptor.",
        VirtioQueues,
        RingFault::IdOfFirst,
    ),
    rule("virtio-one-too-many", "One more buffer is taken than is available.", VirtioQueues, RingFault::OneTooMany),
    rule("virtio-heads-one-on", "Heads are read one place too far.", VirtioQueues, RingFault::HeadsOnePlaceOn),
    rule(
        "virtio-first-left-out",
        "Of several buffers that are available the first is left out.",
        VirtioQueues,
        RingFault::FirstLeftOut,
    ),
    rule("virtio-indirect-ignored", "Indirect descriptors are buffers.", VirtioIndirect, RingFault::IndirectIgnored),
    rule(
        "virtio-indirect-first-only",
        "Of an indirect table only the first descriptor counts.",
        VirtioIndirect,
        RingFault::IndirectFirstOnly,
    ),
    rule("virtio-next-ignored", "Descriptors do not lead on to a next one.", VirtioBlock, RingFault::NextIgnored),
    rule(
        "virtio-next-is-behind",
        "The next descriptor is always the one behind.",
        VirtioQueues,
        RingFault::NextIsBehind,
    ),
    rule("virtio-write-ignored", "What can be written may only be read.", VirtioQueues, RingFault::WriteIgnored),
    rule("virtio-read-written", "What may only be read is written.", VirtioHostileDrivers, RingFault::ReadWritten),
    rule("virtio-order-reversed", "Elements are in the other order.", VirtioBlock, RingFault::OrderReversed),
    rule(
        "virtio-never-interrupts",
        "The driver is never interrupted.",
        VirtioNotifications,
        RingFault::NeverInterrupts,
    ),
    rule(
        "virtio-always-interrupts",
        "The driver is interrupted whether it wants it or not.",
        VirtioNotifications,
        RingFault::AlwaysInterrupts,
    ),
    rule("virtio-event-late", "The event index is read one too high.", VirtioNotifications, RingFault::EventLate),
    rule("virtio-event-early", "The event index is read one too low.", VirtioNotifications, RingFault::EventEarly),
    rule(
        "virtio-flag-with-events",
        "The flag against interrupts counts with event indices too.",
        VirtioNotifications,
        RingFault::FlagCountsWithEvents,
    ),
    rule(
        "virtio-event-always",
        "The event index counts without having been negotiated.",
        VirtioNotifications,
        RingFault::EventCountsAlways,
    ),
    rule(
        "virtio-never-wants",
        "The device says that it wants no notifications.",
        VirtioNotifications,
        RingFault::NeverWantsNotifications,
    ),
    rule(
        "virtio-used-index-15-bits",
        "The used index of split rings goes on from 32,767 to 0.",
        VirtioQueues,
        RingFault::UsedIndexWrapsEarly,
    ),
    rule(
        "virtio-used-index-saturates",
        "The used index of split rings stays at 65,535.",
        VirtioQueues,
        RingFault::UsedIndexSaturates,
    ),
    rule(
        "virtio-event-unwrapped",
        "The event index is compared as if indices of split rings had no end.",
        VirtioNotifications,
        RingFault::EventUnwrapped,
    ),
    rule("virtio-wants-later", "The device's event index is one too high.", VirtioNotifications, RingFault::WantsLater),
];
