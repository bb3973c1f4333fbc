//! The ACPI timer and its blocks breaking a rule.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::model::{self, PowerFault},
};

const fn rule(id: &'static str, what: &'static str, feature: Feature, fault: PowerFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Model(model::Fault::Power(fault)) }
}

pub(super) const TABLE: &[Mutant] = &[
    rule("pmtimer-narrow-timer", "The timer has a bit less.", Feature::PmTimer, PowerFault::NarrowTimer),
    rule(
        "pmtimer-timer-reset-by-writes",
        "The timer can be written.",
        Feature::PmTimer,
        PowerFault::TimerResetByWrites,
    ),
    rule("pmtimer-no-timer-status", "TMR_STS is never set.", Feature::PmTimer, PowerFault::NoTimerStatus),
    rule(
        "pmtimer-status-not-cleared",
        "Status is not cleared by ones.",
        Feature::PmTimer,
        PowerFault::StatusNotCleared,
    ),
    rule(
        "pmtimer-status-cleared-by-zero",
        "Status is cleared by zeros.",
        Feature::PmTimer,
        PowerFault::StatusClearedByZero,
    ),
    rule("pmtimer-no-interrupt", "There is no interrupt.", Feature::PmTimer, PowerFault::NoInterrupt),
    rule(
        "pmtimer-enable-ignored",
        "The interrupt does not wait for its enable.",
        Feature::PmTimer,
        PowerFault::EnableIgnored,
    ),
    rule("pmtimer-sleep-type-lost", "SLP_TYP is not kept.", Feature::PmTimer, PowerFault::SleepTypeLost),
];
