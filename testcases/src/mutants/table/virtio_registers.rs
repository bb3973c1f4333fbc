//! Status, features, queues, configuration and registers of virtio devices breaking a rule.

use super::super::Mutant;
use case::Feature::{
    self, PciMsiX, PciPins, VirtioBalloon, VirtioConfiguration, VirtioFeatures, VirtioMmio, VirtioNetwork,
    VirtioNotifications, VirtioPci, VirtioQueueReset, VirtioQueues, VirtioStatus,
};
use vmm::{
    Fault,
    faults::virtio::{self, CommonFault, TransportFault},
};

const fn rule(id: &'static str, what: &'static str, feature: Feature, fault: CommonFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Virtio(virtio::Fault::Common(fault)) }
}

const fn register(id: &'static str, what: &'static str, feature: Feature, fault: TransportFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Virtio(virtio::Fault::Transport(fault)) }
}

pub(super) const TABLE: &[Mutant] = &[
    rule(
        "virtio-unknown-features-accepted",
        "Features that were not offered are accepted.",
        VirtioFeatures,
        CommonFault::UnknownFeaturesAccepted,
    ),
    rule(
        "virtio-offered-narrows",
        "After the negotiation less is offered.",
        VirtioFeatures,
        CommonFault::OfferedNarrows,
    ),
    rule(
        "virtio-accepted-forgotten",
        "No accepted feature reaches the rings.",
        VirtioQueues,
        CommonFault::AcceptedForgotten,
    ),
    rule("virtio-reset-keeps-status", "A reset leaves the status.", VirtioStatus, CommonFault::ResetKeepsStatus),
    rule("virtio-reset-keeps-queues", "A reset leaves the queues in use.", VirtioStatus, CommonFault::ResetKeepsQueues),
    rule("virtio-reset-keeps-rings", "A reset leaves the rings in use.", VirtioStatus, CommonFault::ResetKeepsRings),
    rule(
        "virtio-driver-ok-not-awaited",
        "Buffers are used without DRIVER_OK.",
        VirtioStatus,
        CommonFault::DriverOkNotAwaited,
    ),
    rule("virtio-failed-lost", "FAILED is not kept.", VirtioStatus, CommonFault::FailedLost),
    rule(
        "virtio-status-forgets",
        "ACKNOWLEDGE is forgotten with the next step.",
        VirtioStatus,
        CommonFault::StatusForgetsSteps,
    ),
    rule(
        "virtio-needs-reset-silent",
        "The driver is not told that a reset is needed.",
        VirtioNotifications,
        CommonFault::NeedsResetSilent,
    ),
    rule(
        "virtio-generation-stuck",
        "The generation stays when the configuration changes.",
        VirtioConfiguration,
        CommonFault::GenerationStuck,
    ),
    rule(
        "virtio-config-change-silent",
        "The driver is not told of a change of the configuration.",
        VirtioNotifications,
        CommonFault::ConfigChangeSilent,
    ),
    rule(
        "virtio-generation-runs",
        "The generation changes with each notification.",
        VirtioConfiguration,
        CommonFault::GenerationRuns,
    ),
    rule(
        "virtio-config-writes-lost",
        "Writes of the configuration are lost.",
        VirtioConfiguration,
        CommonFault::ConfigWritesLost,
    ),
    rule(
        "virtio-config-one-on",
        "Bytes of the configuration stand one byte further.",
        VirtioConfiguration,
        CommonFault::ConfigOneByteOn,
    ),
    rule(
        "virtio-absent-queue",
        "A queue that there is not has the registers of the first.",
        VirtioQueues,
        CommonFault::AbsentQueueTold,
    ),
    rule(
        "virtio-size-no-power",
        "The largest size of a queue is no power of two.",
        VirtioQueues,
        CommonFault::SizeNoPowerOfTwo,
    ),
    rule("virtio-size-ignored", "Each ring has the largest size.", VirtioQueues, CommonFault::SizeIgnored),
    rule("virtio-enable-lost", "Queues are never put into use.", VirtioQueues, CommonFault::EnableLost),
    rule(
        "virtio-other-queues-lost",
        "Only the first queue is put into use.",
        VirtioBalloon,
        CommonFault::OtherQueuesLost,
    ),
    rule("virtio-notifies-first", "Notifications are of the first queue.", VirtioNetwork, CommonFault::NotifiesFirst),
    rule(
        "virtio-queue-reset-lost",
        "The reset of a queue does nothing over either transport.",
        VirtioQueueReset,
        CommonFault::QueueResetIgnored,
    ),
    rule(
        "virtio-queue-reset-of-all",
        "The reset of a queue takes all of them out of use.",
        VirtioQueueReset,
        CommonFault::QueueResetOfAll,
    ),
    rule(
        "virtio-queue-reset-keeps-ring",
        "The reset of a queue leaves its ring in use.",
        VirtioQueueReset,
        CommonFault::QueueResetKeepsRing,
    ),
    register(
        "virtio-interrupt-status-never",
        "The interrupt status is never set.",
        VirtioNotifications,
        TransportFault::InterruptStatusNeverSet,
    ),
    register(
        "virtio-interrupt-status-stays",
        "Reading or acknowledging does not clear the interrupt status.",
        VirtioNotifications,
        TransportFault::InterruptStatusStays,
    ),
    register(
        "virtio-interrupt-status-read",
        "Over MMIO reading clears the interrupt status.",
        VirtioNotifications,
        TransportFault::InterruptStatusClearedByReads,
    ),
    register(
        "virtio-acknowledges-all",
        "Acknowledging one cause acknowledges all.",
        VirtioNotifications,
        TransportFault::AcknowledgesAll,
    ),
    register(
        "virtio-causes-exchanged",
        "A used buffer is told as a change of the configuration.",
        VirtioNotifications,
        TransportFault::CausesExchanged,
    ),
    register(
        "virtio-configuration-cause",
        "The cause of the configuration is never set.",
        VirtioNotifications,
        TransportFault::ConfigurationCauseMissing,
    ),
    register(
        "virtio-reset-keeps-interrupt",
        "A reset leaves the interrupt status.",
        VirtioStatus,
        TransportFault::ResetKeepsInterruptStatus,
    ),
    register("virtio-any-vector", "Vectors that there are not are kept.", VirtioPci, TransportFault::AnyVectorKept),
    register("virtio-reset-keeps-vectors", "A reset leaves vectors.", VirtioPci, TransportFault::ResetKeepsVectors),
    register("virtio-vectors-lost", "Vectors are not kept.", VirtioPci, TransportFault::VectorsNotKept),
    register(
        "virtio-vector-of-configuration",
        "Every message is that of the configuration.",
        PciMsiX,
        TransportFault::VectorOfConfiguration,
    ),
    register("virtio-pin-beside", "The pin is used as well as messages.", PciMsiX, TransportFault::PinBesideMessages),
    register(
        "virtio-pin-stays",
        "The pin stays asserted, because the ISR status stays.",
        PciPins,
        TransportFault::InterruptStatusStays,
    ),
    register(
        "virtio-selector-one-bit",
        "Of the selector of features only the lowest bit counts.",
        VirtioFeatures,
        TransportFault::SelectorOneBit,
    ),
    register(
        "virtio-accepted-not-readable",
        "What the driver accepted cannot be read over PCI.",
        VirtioFeatures,
        TransportFault::AcceptedNotReadable,
    ),
    register(
        "virtio-enable-not-readable",
        "Whether a queue is in use cannot be read over PCI.",
        VirtioPci,
        TransportFault::EnableNotReadable,
    ),
    register(
        "virtio-ready-not-readable",
        "Whether a queue is in use cannot be read over MMIO.",
        VirtioMmio,
        TransportFault::EnableNotReadable,
    ),
    register(
        "virtio-queues-miscounted",
        "There is one queue less than told.",
        VirtioPci,
        TransportFault::QueuesMiscounted,
    ),
    register(
        "virtio-queue-select-ignored",
        "The selector of queues does nothing.",
        VirtioQueues,
        TransportFault::QueueSelectIgnored,
    ),
    register("virtio-window-dead", "The window in configuration space is dead.", VirtioPci, TransportFault::WindowDead),
    register(
        "virtio-high-half-lost",
        "The areas of a queue have no high half.",
        VirtioPci,
        TransportFault::HighHalfLost,
    ),
    register(
        "virtio-halves-dropped",
        "Areas are written by quadwords alone.",
        VirtioPci,
        TransportFault::HalvesDropped,
    ),
];
