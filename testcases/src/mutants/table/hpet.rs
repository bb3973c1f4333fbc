//! The HPET breaking a rule.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::model::{self, HpetFault},
};

const fn rule(id: &'static str, what: &'static str, feature: Feature, fault: HpetFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Model(model::Fault::Hpet(fault)) }
}

pub(super) const TABLE: &[Mutant] = &[
    rule(
        "hpet-status-not-cleared",
        "Writing ones does not clear the status.",
        Feature::HpetRouting,
        HpetFault::StatusNotCleared,
    ),
    rule("hpet-status-never-set", "The status is never set.", Feature::HpetRouting, HpetFault::StatusNeverSet),
    rule(
        "hpet-status-cleared-by-zero",
        "Writing zeros clears the status too.",
        Feature::HpetRouting,
        HpetFault::StatusClearedByZero,
    ),
    rule(
        "hpet-periodic-fires-once",
        "A periodic timer fires once.",
        Feature::HpetComparators,
        HpetFault::PeriodicFiresOnce,
    ),
    rule(
        "hpet-one-shot-repeats",
        "A timer that is not periodic fires again.",
        Feature::HpetComparators,
        HpetFault::OneShotRepeats,
    ),
    rule(
        "hpet-force32-ignored",
        "Timers are not forced to 32 bits.",
        Feature::HpetComparators,
        HpetFault::Force32Ignored,
    ),
    rule(
        "hpet-set-value-ignored",
        "The bit that lets the accumulator be set is ignored.",
        Feature::HpetComparators,
        HpetFault::SetValueIgnored,
    ),
    rule(
        "hpet-set-value-stays",
        "The bit that lets the accumulator be set stays.",
        Feature::HpetComparators,
        HpetFault::SetValueStays,
    ),
    rule(
        "hpet-counts-while-disabled",
        "The main counter counts while disabled.",
        Feature::HpetRegisters,
        HpetFault::CountsWhileDisabled,
    ),
    rule(
        "hpet-enable-resets-counter",
        "The main counter begins anew when it is enabled.",
        Feature::HpetRegisters,
        HpetFault::EnableResetsCounter,
    ),
    rule(
        "hpet-counter-read-only",
        "The main counter cannot be written.",
        Feature::HpetRegisters,
        HpetFault::CounterReadOnly,
    ),
    rule("hpet-legacy-ignored", "There is no legacy replacement.", Feature::HpetRouting, HpetFault::LegacyIgnored),
    rule("hpet-level-is-edge", "Level-triggered timers make edges.", Feature::HpetRouting, HpetFault::LevelIsEdge),
    rule(
        "hpet-disabled-timer-fires",
        "Disabled timers interrupt.",
        Feature::HpetRouting,
        HpetFault::DisabledTimerFires,
    ),
    rule("hpet-any-route", "Any route is taken.", Feature::HpetRouting, HpetFault::AnyRoute),
    rule("hpet-route-fixed", "The route is fixed.", Feature::HpetRegisters, HpetFault::RouteFixed),
    rule(
        "hpet-periodic-bit-writable",
        "Timers that cannot be periodic take the bit.",
        Feature::HpetRegisters,
        HpetFault::PeriodicBitWritable,
    ),
    rule(
        "hpet-comparators-begin-at-zero",
        "The comparators after reset are zero.",
        Feature::HpetRegisters,
        HpetFault::ComparatorsBeginAtZero,
    ),
];
