//! The 8254 and port 61H breaking a rule.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::model::{self, PitFault},
};

const fn rule(id: &'static str, what: &'static str, feature: Feature, fault: PitFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Model(model::Fault::Pit(fault)) }
}

pub(super) const TABLE: &[Mutant] = &[
    rule("pit-latch-ignored", "Counter latch commands are ignored.", Feature::PitReadBack, PitFault::LatchIgnored),
    rule("pit-latched-again", "A second latch command latches anew.", Feature::PitReadBack, PitFault::LatchedAgain),
    rule(
        "pit-read-back-without-count",
        "The read-back command does not latch counts.",
        Feature::PitReadBack,
        PitFault::ReadBackWithoutCount,
    ),
    rule(
        "pit-read-back-without-status",
        "The read-back command does not latch the status.",
        Feature::PitReadBack,
        PitFault::ReadBackWithoutStatus,
    ),
    rule(
        "pit-read-back-of-first-only",
        "The read-back command takes channel 0 for all.",
        Feature::PitReadBack,
        PitFault::ReadBackOfFirstOnly,
    ),
    rule(
        "pit-count-before-status",
        "A count is read before the status.",
        Feature::PitReadBack,
        PitFault::CountBeforeStatus,
    ),
    rule(
        "pit-bcd-ignored",
        "Counts are binary, whatever the control word says.",
        Feature::PitModes,
        PitFault::BcdIgnored,
    ),
    rule("pit-gate-does-not-stop", "The gate does not stop counting.", Feature::PitGate, PitFault::GateDoesNotStop),
    rule(
        "pit-gate-does-not-trigger",
        "A rising gate does not trigger.",
        Feature::PitGate,
        PitFault::GateDoesNotTrigger,
    ),
    rule(
        "pit-gate-leaves-output",
        "A low gate leaves the output of periodic modes low.",
        Feature::PitGate,
        PitFault::GateLeavesOutput,
    ),
    rule(
        "pit-mode-zero-begins-high",
        "The output of mode 0 begins high.",
        Feature::PitModes,
        PitFault::ModeZeroBeginsHigh,
    ),
    rule("pit-rate-is-square", "Mode 2 does what mode 3 does.", Feature::PitModes, PitFault::RateIsSquare),
    rule("pit-square-is-rate", "Mode 3 does what mode 2 does.", Feature::PitModes, PitFault::SquareIsRate),
    rule("pit-one-shot-repeats", "One-shot counters begin again.", Feature::PitModes, PitFault::OneShotRepeats),
    rule("pit-no-strobe", "Strobes have no low pulse.", Feature::PitInterrupt, PitFault::NoStrobe),
    rule(
        "pit-count-loaded-at-once",
        "A new count is loaded at once in periodic modes.",
        Feature::PitModes,
        PitFault::CountLoadedAtOnce,
    ),
    rule(
        "pit-null-count-never-set",
        "The status never tells of a null count.",
        Feature::PitReadBack,
        PitFault::NullCountNeverSet,
    ),
    rule(
        "pit-status-output-inverted",
        "The status tells the output inverted.",
        Feature::PitReadBack,
        PitFault::StatusOutputInverted,
    ),
    rule("pit-high-byte-first", "The high byte of a count comes first.", Feature::PitReadBack, PitFault::HighByteFirst),
    rule(
        "pit-first-byte-does-not-hold",
        "The first byte of a count does not stop mode 0.",
        Feature::PitModes,
        PitFault::FirstByteDoesNotHold,
    ),
    rule(
        "pit-refresh-stands-still",
        "The refresh bit of port 61H stands still.",
        Feature::PitGate,
        PitFault::RefreshStandsStill,
    ),
    rule(
        "pit-output-not-shown",
        "Port 61H does not show the output of channel 2.",
        Feature::PitGate,
        PitFault::OutputNotShown,
    ),
    rule(
        "pit-gate-bit-not-readable",
        "Writable bits of port 61H read as zero.",
        Feature::PitGate,
        PitFault::GateBitNotReadable,
    ),
    rule("pit-no-interrupt", "The output of channel 0 leads nowhere.", Feature::PitInterrupt, PitFault::NoInterrupt),
    rule("pit-aliases-unknown", "Modes 6 and 7 are not modes 2 and 3.", Feature::PitModes, PitFault::AliasesUnknown),
    rule("pit-zero-is-one", "A count of zero is one.", Feature::PitModes, PitFault::ZeroIsOne),
    rule(
        "pit-control-keeps-count",
        "A control word lets the count before it go on.",
        Feature::PitInterrupt,
        PitFault::ControlKeepsCount,
    ),
];
