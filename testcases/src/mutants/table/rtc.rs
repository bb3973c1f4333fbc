//! The real-time clock breaking a rule.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::model::{self, RtcFault},
};

const fn rule(id: &'static str, what: &'static str, feature: Feature, fault: RtcFault) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Model(model::Fault::Rtc(fault)) }
}

pub(super) const TABLE: &[Mutant] = &[
    rule(
        "rtc-no-update-in-progress",
        "There is never an update in progress.",
        Feature::RtcUpdate,
        RtcFault::NoUpdateInProgress,
    ),
    rule("rtc-always-in-progress", "An update is always in progress.", Feature::RtcUpdate, RtcFault::AlwaysInProgress),
    rule("rtc-set-does-not-stop", "SET does not stop updates.", Feature::RtcUpdate, RtcFault::SetDoesNotStop),
    rule(
        "rtc-set-keeps-enable",
        "SET leaves the enable of the update-ended interrupt.",
        Feature::RtcRegisters,
        RtcFault::SetKeepsEnable,
    ),
    rule(
        "rtc-flags-not-cleared",
        "Reading register C does not clear it.",
        Feature::RtcInterrupts,
        RtcFault::FlagsNotCleared,
    ),
    rule(
        "rtc-only-periodic-cleared",
        "Reading register C clears only the flag of periods.",
        Feature::RtcUpdate,
        RtcFault::OnlyPeriodicCleared,
    ),
    rule("rtc-request-never-set", "IRQF is never set.", Feature::RtcInterrupts, RtcFault::RequestNeverSet),
    rule(
        "rtc-flags-follow-enables",
        "Flags are set only when they are enabled.",
        Feature::RtcUpdate,
        RtcFault::FlagsFollowEnables,
    ),
    rule(
        "rtc-alarm-cares-always",
        "Alarms know no bytes that match any.",
        Feature::RtcInterrupts,
        RtcFault::AlarmCaresAlways,
    ),
    rule("rtc-no-alarm", "Alarms never come.", Feature::RtcInterrupts, RtcFault::NoAlarm),
    rule("rtc-binary-ignored", "Time is always in BCD.", Feature::RtcUpdate, RtcFault::BinaryIgnored),
    rule("rtc-half-days-ignored", "Hours are always 24.", Feature::RtcUpdate, RtcFault::HalfDaysIgnored),
    rule(
        "rtc-periods-twice-as-long",
        "Periods are twice as long.",
        Feature::RtcInterrupts,
        RtcFault::PeriodsTwiceAsLong,
    ),
    rule(
        "rtc-fastest-rates-taken",
        "The two fastest rates are not those of 8 and 9.",
        Feature::RtcInterrupts,
        RtcFault::FastestRatesTaken,
    ),
    rule(
        "rtc-divider-never-reset",
        "The divider cannot be held in reset.",
        Feature::RtcUpdate,
        RtcFault::DividerNeverReset,
    ),
    rule("rtc-battery-empty", "Register D tells of an empty battery.", Feature::RtcRegisters, RtcFault::BatteryEmpty),
    rule(
        "rtc-update-not-flagged",
        "Updates do not set their flag.",
        Feature::RtcInterrupts,
        RtcFault::UpdateNotFlagged,
    ),
    rule("rtc-time-stands-still", "Updates do not count.", Feature::RtcUpdate, RtcFault::TimeStandsStill),
    rule(
        "rtc-progress-writable",
        "Bit 7 of register A can be written.",
        Feature::RtcRegisters,
        RtcFault::ProgressWritable,
    ),
    rule(
        "rtc-memory-end-read-only",
        "The highest byte of memory cannot be written.",
        Feature::RtcRegisters,
        RtcFault::MemoryEndReadOnly,
    ),
    rule("rtc-flags-writable", "Register C can be written.", Feature::RtcRegisters, RtcFault::FlagsWritable),
    rule(
        "rtc-enable-ignored",
        "Interrupts of updates are requested though they are not enabled.",
        Feature::RtcUpdate,
        RtcFault::EnableIgnored,
    ),
    rule("rtc-weekday-stays", "The day of the week stays.", Feature::RtcUpdate, RtcFault::WeekdayStays),
    rule("rtc-no-leap-days", "Every fourth year is none with 29 February.", Feature::RtcUpdate, RtcFault::NoLeapDays),
];
