//! State that gets lost while a case is saved and restored, or migrated.

use super::super::{Trial, Wrong};
use case::Feature;
use vmm::{
    Fault,
    faults::SavedFault::{self, Debug, DirtyPages, Extended, Msr, NmiBlocking, TaskPriority},
};

/// At each exit.
const RESTORE: &str = "restore=1";
const MIGRATE: &str = "migrate";
const IA32_LSTAR: u32 = 0xc000_0082;
const IA32_KERNEL_GS_BASE: u32 = 0xc000_0102;

/// Name, what is wrong, who has to notice it, along which axis, and what gets lost.
const TABLE: &[(&str, &str, Feature, &str, SavedFault)] = &[
    ("saved-without-xmm", "XMM registers get lost by saving.", Feature::StateSse, RESTORE, Extended),
    ("saved-without-debug", "Debug registers get lost by saving.", Feature::ExceptionDebug, RESTORE, Debug),
    ("saved-without-lstar", "IA32_LSTAR gets lost by saving.", Feature::MsrSyscall, RESTORE, Msr(IA32_LSTAR)),
    (
        "saved-without-gs-base",
        "IA32_KERNEL_GS_BASE gets lost by saving.",
        Feature::MsrSegmentBases,
        RESTORE,
        Msr(IA32_KERNEL_GS_BASE),
    ),
    (
        "saved-without-priority",
        "The task priority gets lost by saving.",
        Feature::ApicPriorities,
        RESTORE,
        TaskPriority,
    ),
    ("saved-without-nmi-blocking", "Blocking of NMIs gets lost by saving.", Feature::NonMaskable, RESTORE, NmiBlocking),
    (
        "migrated-without-pages",
        "Pages that were written get lost by migration.",
        Feature::PortIoPrivilege,
        MIGRATE,
        DirtyPages,
    ),
];

/// All of them.
pub(in super::super) fn trials() -> impl Iterator<Item = Trial> {
    TABLE.iter().map(|&(id, what, feature, axis, lost)| Trial {
        id: id.to_owned(),
        what: what.to_owned(),
        feature,
        wrong: Wrong::Along { axis, fault: Fault::Saved(lost) },
    })
}
