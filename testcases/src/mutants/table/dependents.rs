//! Faults of MSRs and messages, each tied to a feature that is built on them.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::{MessageEffect, MessageFault, MsrEffect, MsrFault},
};

const fn msr(id: &'static str, what: &'static str, feature: Feature, number: u32, effect: MsrEffect) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Msr(MsrFault { first: number, last: number, effect }) }
}

const KVM_SYSTEM_TIME_NEW: u32 = 0x4b56_4d01;

pub(super) const TABLE: &[Mutant] = &[
    msr(
        "kvm-clock-unfilled",
        "The structure of KVM's clock is not filled.",
        Feature::KvmClock,
        KVM_SYSTEM_TIME_NEW,
        MsrEffect::WriteDropped,
    ),
    msr(
        "kvm-clock-elsewhere",
        "The time of KVM's clock stands 64 bytes further on.",
        Feature::KvmClockTime,
        KVM_SYSTEM_TIME_NEW,
        MsrEffect::WriteXor(0x40),
    ),
    Mutant {
        id: "route-other-vector",
        what: "Messages of routes have another vector.",
        feature: Feature::MessageRouting,
        fault: Fault::Message(MessageFault { effect: MessageEffect::DataXor(1) }),
    },
];
