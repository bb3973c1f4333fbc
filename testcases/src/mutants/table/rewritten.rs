//! Instructions that do less than they should.

use super::super::{Trial, Wrong, rewritten::Rewriting};
use case::Feature;

/// Name, what is wrong, who has to notice it, on which subject, and what becomes of the instructions.
type Row = (&'static str, &'static str, Feature, &'static str, Rewriting);

const TABLE: &[Row] = &[
    (
        "code-invlpg-ignored",
        "INVLPG leaves translations as they are.",
        Feature::PagingConsistency,
        "vmm",
        Rewriting::NoInvlpg,
    ),
    ("code-lock-ignored", "Instructions with LOCK are not atomic.", Feature::SmpAtomics, "vmm", Rewriting::NoLock),
    ("code-fence-ignored", "MFENCE orders nothing.", Feature::SmpOrdering, "vmm", Rewriting::NoFence),
    (
        "code-repeat-ignored",
        "String instructions with REP are executed once.",
        Feature::StringRepeat,
        "vmm",
        Rewriting::NoRepeat,
    ),
    (
        "code-counter-backwards",
        "The time-stamp counter goes backwards.",
        Feature::TscCounter,
        "vmm",
        Rewriting::CounterInverted,
    ),
    (
        "code-wrpkru-ignored",
        "WRPKRU leaves the rights as they are.",
        Feature::PagingProtectionKeys,
        "qemu-tcg",
        Rewriting::NoWrpkru,
    ),
    ("code-invept-ignored", "INVEPT leaves translations as they are.", Feature::VmxEpt, "bochs", Rewriting::NoInvept),
    (
        "code-invvpid-ignored",
        "INVVPID leaves translations as they are.",
        Feature::VmxVpid,
        "bochs",
        Rewriting::NoInvvpid,
    ),
];

/// All of them.
pub(in super::super) fn trials() -> impl Iterator<Item = Trial> {
    TABLE.iter().map(|&(id, what, feature, subject, rewriting)| Trial {
        id: id.to_owned(),
        what: what.to_owned(),
        feature,
        wrong: Wrong::Rewritten { subject, rewriting },
    })
}
