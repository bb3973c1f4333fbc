//! Local APICs breaking a rule.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::model::{self, LocalApicFault},
};

pub(super) const fn rule(id: &'static str, what: &'static str, feature: Feature, fault: LocalApicFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Model(model::Fault::LocalApic(fault)) }
}

pub(super) const TABLE: &[Mutant] = &[
    rule(
        "apic-task-priority-ignored",
        "The task priority holds nothing back.",
        Feature::ApicPriorities,
        LocalApicFault::TaskPriorityIgnored,
    ),
    rule(
        "apic-service-ignored",
        "What is in service holds nothing back.",
        Feature::ApicPriorities,
        LocalApicFault::ServiceIgnored,
    ),
    rule("apic-ppr-is-tpr", "PPR shows the task priority alone.", Feature::ApicPriorities, LocalApicFault::PprIsTpr),
    rule(
        "apic-tmr-never-set",
        "The trigger mode register is never set.",
        Feature::ApicLocalVectors,
        LocalApicFault::TmrNeverSet,
    ),
    rule(
        "apic-tmr-never-cleared",
        "The trigger mode of a vector stays when it comes as an edge.",
        Feature::IoApicReconfiguration,
        LocalApicFault::TmrNeverCleared,
    ),
    rule(
        "apic-ends-lowest",
        "An end ends the lowest in service.",
        Feature::ApicEndOfInterrupt,
        LocalApicFault::EndsLowest,
    ),
    rule("apic-eoi-ignored", "Ends are ignored.", Feature::ApicEndOfInterrupt, LocalApicFault::EoiIgnored),
    rule("apic-no-broadcast", "Ends are not broadcast.", Feature::IoApicLevel, LocalApicFault::NoBroadcast),
    rule(
        "apic-suppression-ignored",
        "The broadcast of ends cannot be suppressed.",
        Feature::IoApicLevel,
        LocalApicFault::SuppressionIgnored,
    ),
    rule(
        "apic-disable-keeps-masks",
        "Disabled by software, the masks of the local vector table stay.",
        Feature::ApicLocalVectors,
        LocalApicFault::DisableKeepsMasks,
    ),
    rule(
        "apic-disabled-takes-interrupts",
        "Disabled by software, it takes interrupts.",
        Feature::ApicLocalVectors,
        LocalApicFault::DisabledTakesInterrupts,
    ),
    rule("apic-no-errors", "No error is ever detected.", Feature::ApicErrors, LocalApicFault::NoErrors),
    rule(
        "apic-illegal-vectors-delivered",
        "Illegal vectors are delivered.",
        Feature::ApicErrors,
        LocalApicFault::IllegalVectorsDelivered,
    ),
    rule("apic-self-ipi-lost", "Self-IPIs are lost.", Feature::ApicSelfInterrupt, LocalApicFault::SelfIpiLost),
    rule(
        "apic-all-leaves-out-self",
        "IPIs to everybody leave out the sender.",
        Feature::ApicInterprocessor,
        LocalApicFault::AllLeavesOutSelf,
    ),
    rule(
        "apic-others-include-self",
        "IPIs to others reach the sender.",
        Feature::ApicInterprocessor,
        LocalApicFault::OthersIncludeSelf,
    ),
    rule(
        "apic-lowest-goes-to-all",
        "Lowest-priority IPIs go to everybody addressed.",
        Feature::ApicInterprocessor,
        LocalApicFault::LowestGoesToAll,
    ),
    rule(
        "apic-divide-ignored",
        "The divide configuration is ignored.",
        Feature::ApicTimerOneShot,
        LocalApicFault::DivideIgnored,
    ),
    rule(
        "apic-one-shot-repeats",
        "A one-shot timer fires again and again.",
        Feature::ApicTimerOneShot,
        LocalApicFault::OneShotRepeats,
    ),
    rule(
        "apic-periodic-fires-once",
        "A periodic timer fires once.",
        Feature::ApicTimerPeriodic,
        LocalApicFault::PeriodicFiresOnce,
    ),
    rule("apic-masked-timer-fires", "A masked timer fires.", Feature::ApicTimerModes, LocalApicFault::MaskedTimerFires),
    rule(
        "apic-zero-does-not-stop",
        "An initial count of zero does not stop the timer.",
        Feature::ApicTimerOneShot,
        LocalApicFault::ZeroDoesNotStop,
    ),
    rule(
        "apic-current-is-initial",
        "The current count always shows the initial one.",
        Feature::ApicTimerOneShot,
        LocalApicFault::CurrentIsInitial,
    ),
    rule(
        "apic-deadline-stays",
        "The deadline stays armed after it has fired.",
        Feature::ApicTimerDeadline,
        LocalApicFault::DeadlineStays,
    ),
    rule(
        "apic-past-deadline-lost",
        "A deadline in the past does not fire.",
        Feature::ApicTimerDeadline,
        LocalApicFault::PastDeadlineLost,
    ),
    rule(
        "apic-mode-change-keeps-timer",
        "Changes of mode do not disarm the timer.",
        Feature::ApicTimerModes,
        LocalApicFault::ModeChangeKeepsTimer,
    ),
    rule(
        "apic-count-taken-in-deadline-mode",
        "Writes of the initial count count in TSC-deadline mode.",
        Feature::ApicTimerModes,
        LocalApicFault::CountTakenInDeadlineMode,
    ),
    rule(
        "apic-cluster-is-flat",
        "Destinations of clusters are read as flat.",
        Feature::ApicDestinations,
        LocalApicFault::ClusterIsFlat,
    ),
    rule(
        "apic-broadcast-is-nobody",
        "Physical destinations that are everybody are nobody.",
        Feature::ApicInterprocessor,
        LocalApicFault::BroadcastIsNobody,
    ),
    rule(
        "apic-wrong-cluster",
        "Logical destinations of x2APIC mode reach the cluster before.",
        Feature::ApicDestinations,
        LocalApicFault::WrongCluster,
    ),
    rule(
        "apic-reserved-bits-taken",
        "Reserved bits raise no exception in x2APIC mode.",
        Feature::X2ApicRegisters,
        LocalApicFault::ReservedBitsTaken,
    ),
    rule(
        "apic-any-transition",
        "Transitions that are not allowed are made.",
        Feature::ApicModes,
        LocalApicFault::AnyTransition,
    ),
    rule(
        "apic-init-keeps-registers",
        "INIT leaves the registers.",
        Feature::ApicRegisters,
        LocalApicFault::InitKeepsRegisters,
    ),
    rule("apic-start-up-lost", "Start-up IPIs are lost.", Feature::SmpStart, LocalApicFault::StartUpLost),
    rule("apic-init-lost", "INITs are lost.", Feature::SmpStart, LocalApicFault::InitLost),
    rule("apic-nmi-lost", "NMIs are lost.", Feature::ApicInterprocessor, LocalApicFault::NmiLost),
    rule(
        "apic-cr8-not-shifted",
        "CR8 is the whole task priority.",
        Feature::ApicPriorities,
        LocalApicFault::Cr8NotShifted,
    ),
    rule(
        "apic-pin-without-remote-irr",
        "Level-triggered LINT0 sets no remote IRR.",
        Feature::ApicLocalVectors,
        LocalApicFault::PinWithoutRemoteIrr,
    ),
    rule(
        "apic-entry-less",
        "The version register tells of one entry less.",
        Feature::X2ApicRegisters,
        LocalApicFault::EntryLess,
    ),
    rule(
        "apic-reset-unmasked",
        "LVT entries are not masked after reset.",
        Feature::ApicRegisters,
        LocalApicFault::ResetUnmasked,
    ),
    rule(
        "apic-dfr-begins-at-zero",
        "DFR is zero after reset.",
        Feature::ApicRegisters,
        LocalApicFault::DfrBeginsAtZero,
    ),
    rule(
        "apic-esr-shows-at-once",
        "ESR shows errors without having been written.",
        Feature::ApicErrors,
        LocalApicFault::EsrShowsAtOnce,
    ),
    rule(
        "apic-lowest-vector-first",
        "Requests are in order of arrival: the lowest vector first.",
        Feature::ApicPriorities,
        LocalApicFault::LowestVectorFirst,
    ),
];
