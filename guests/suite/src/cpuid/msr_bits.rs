//! Feature bits that decide whether an MSR exists.

use case::Text;
use rt::{
    Outcome, case, check_outcome,
    cpu::{
        feature_bit::{
            FeatureBit,
            Register::{Eax, Ebx, Ecx, Edx},
        },
        msr::{self, number},
    },
    names,
};

/// Whether any of the bits is set.
fn any(features: &[FeatureBit]) -> bool {
    features.iter().any(|feature| feature.read())
}

/// An MSR that belongs to a feature can be read if the feature exists, and raises #GP(0) if not.
#[case(
    feature = CpuidFeatureBehaviour,
    spec = [
        sdm4("Architectural MSRs"),
        sdm2("RDMSR—Read From Model Specific Register"),
        apm2("Model-Specific Registers (MSRs)"),
    ],
)]
fn msrs_follow_features() {
    const NAMES: &[Text] = names![
        "IA32_TSC_AUX",
        "IA32_TSC_ADJUST",
        "IA32_PAT",
        "IA32_MTRRCAP",
        "IA32_SYSENTER_CS",
        "IA32_MCG_CAP",
        "IA32_XSS",
        "IA32_ARCH_CAPABILITIES",
        "IA32_SPEC_CTRL",
    ];
    const TABLE: &[(u32, &[FeatureBit])] = &[
        (number::IA32_TSC_AUX, &[FeatureBit::new(0x8000_0001, 0, Edx, 27), FeatureBit::new(7, 0, Ecx, 22)]),
        (number::IA32_TSC_ADJUST, &[FeatureBit::new(7, 0, Ebx, 1)]),
        (number::IA32_PAT, &[FeatureBit::new(1, 0, Edx, 16)]),
        (number::IA32_MTRRCAP, &[FeatureBit::new(1, 0, Edx, 12)]),
        (number::IA32_SYSENTER_CS, &[FeatureBit::new(1, 0, Edx, 11)]),
        (number::IA32_MCG_CAP, &[FeatureBit::new(1, 0, Edx, 14)]),
        (number::IA32_XSS, &[FeatureBit::new(0xd, 1, Eax, 3)]),
        (number::IA32_ARCH_CAPABILITIES, &[FeatureBit::new(7, 0, Edx, 29)]),
        // Intel: IBRS and IBPB, STIBP, SSBD. AMD: IBRS, STIBP, SSBD, PSFD.
        (
            number::IA32_SPEC_CTRL,
            &[
                FeatureBit::new(7, 0, Edx, 26),
                FeatureBit::new(7, 0, Edx, 27),
                FeatureBit::new(7, 0, Edx, 31),
                FeatureBit::new(0x8000_0008, 0, Ebx, 14),
                FeatureBit::new(0x8000_0008, 0, Ebx, 15),
                FeatureBit::new(0x8000_0008, 0, Ebx, 24),
                FeatureBit::new(0x8000_0008, 0, Ebx, 28),
            ],
        ),
    ];
    for (row, &(number, features)) in TABLE.iter().enumerate() {
        let expected = if any(features) { Outcome::COMPLETED } else { Outcome::GP };
        check_outcome!("RDMSR", [NAMES; row], msr::read(number), expected);
    }
}

/// IA32_TSC_DEADLINE can be read and written if leaf 1 tells of the TSC-deadline mode, and raises #GP(0) if not.
#[case(
    feature = CpuidFeatureBehaviour,
    spec = sdm3a("TSC-Deadline Mode"),
    needs = case::Needs::LOCAL_APIC,
    irqchip = LocalApic,
)]
fn tsc_deadline_follows_feature() {
    let exists = FeatureBit::new(1, 0, Ecx, 24).read();
    let expected = if exists { Outcome::COMPLETED } else { Outcome::GP };
    check_outcome!("RDMSR", msr::read(number::IA32_TSC_DEADLINE), expected);
    // 0 disarms the timer.
    check_outcome!("WRMSR", msr::write(number::IA32_TSC_DEADLINE, 0), expected);
}
