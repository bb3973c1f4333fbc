//! Feature bits that decide whether a bit of CR4 or IA32_EFER exists.

use case::{Needs, Text};
use rt::{
    Outcome, case, check_outcome,
    cpu::{
        control::With,
        feature_bit::{
            FeatureBit,
            Register::{Eax, Ebx, Ecx, Edx},
        },
        msr::{self, number::IA32_EFER},
    },
    names,
};

/// What a write that sets the bit must lead to.
fn expected(exists: bool) -> Outcome {
    if exists { Outcome::COMPLETED } else { Outcome::GP }
}

fn set_cr4(bit: u32) -> Outcome {
    match With::cr4(1 << bit, 0) {
        Ok(_undone_here) => Outcome::COMPLETED,
        Err(exception) => exception.into(),
    }
}

const CR4_NAMES: &[Text] = names![
    "DE", "PSE", "MCE", "PGE", "UMIP", "VMXE", "SMXE", "FSGSBASE", "PCIDE", "OSXSAVE", "PKE", "PKS", "UINTR",
    "LAM_SUP", "SMEP", "SMAP",
];
const CR4_TABLE: &[(u32, FeatureBit)] = &[
    (3, FeatureBit::new(1, 0, Edx, 2)),
    (4, FeatureBit::new(1, 0, Edx, 3)),
    (6, FeatureBit::new(1, 0, Edx, 7)),
    (7, FeatureBit::new(1, 0, Edx, 13)),
    (11, FeatureBit::new(7, 0, Ecx, 2)),
    (13, FeatureBit::new(1, 0, Ecx, 5)),
    (14, FeatureBit::new(1, 0, Ecx, 6)),
    (16, FeatureBit::new(7, 0, Ebx, 0)),
    (17, FeatureBit::new(1, 0, Ecx, 17)),
    (18, FeatureBit::new(1, 0, Ecx, 26)),
    (22, FeatureBit::new(7, 0, Ecx, 3)),
    (24, FeatureBit::new(7, 0, Ecx, 31)),
    (25, FeatureBit::new(7, 0, Edx, 5)),
    (28, FeatureBit::new(7, 1, Eax, 26)),
    SMEP,
    SMAP,
];
/// These two cannot be set here: every page of the boot tables is a user page.
const SMEP: (u32, FeatureBit) = (20, FeatureBit::new(7, 0, Ebx, 7));
const SMAP: (u32, FeatureBit) = (21, FeatureBit::new(7, 0, Ebx, 20));

/// A bit of CR4 can be set if CPUID tells of its feature.
#[case(feature = CpuidFeatureBehaviour, spec = [sdm3a("Control Registers"), apm2("CR4 Register")])]
fn cr4_bits_of_told_features() {
    for (row, &(bit, feature)) in CR4_TABLE.iter().enumerate() {
        if bit != SMEP.0 && bit != SMAP.0 && feature.read() {
            check_outcome!("setting the bit", [CR4_NAMES; row], set_cr4(bit), Outcome::COMPLETED);
        }
    }
}

/// Setting a bit of CR4 raises #GP(0) if CPUID does not tell of its feature.
#[case(feature = CpuidFeatureBehaviour, spec = [sdm3a("Control Registers"), apm2("CR4 Register")])]
fn cr4_bits_of_untold_features() {
    for (row, &(bit, feature)) in CR4_TABLE.iter().enumerate() {
        if !feature.read() {
            check_outcome!("setting the bit", [CR4_NAMES; row], set_cr4(bit), Outcome::GP);
        }
    }
    // No manual defines these.
    const UNDEFINED: &[Text] = names!["15", "31", "63"];
    for (row, bit) in [15, 31, 63].into_iter().enumerate() {
        check_outcome!("setting undefined bit", [UNDEFINED; row], set_cr4(bit), Outcome::GP);
    }
}

fn set_efer(bit: u32) -> Outcome {
    let value = msr::read(IA32_EFER).unwrap_or(0) | 1 << bit;
    msr::try_write(IA32_EFER, value).into()
}

/// A bit of IA32_EFER can be set if its feature exists, and raises #GP(0) if not.
#[case(
    feature = CpuidFeatureBehaviour,
    spec = [sdm4("Architectural MSRs"), apm2("Extended Feature Enable Register (EFER)")],
)]
fn efer_bits_follow_features() {
    const NAMES: &[Text] = names!["SCE", "NXE", "FFXSR", "TCE"];
    const TABLE: &[(u32, FeatureBit)] = &[
        (0, FeatureBit::new(0x8000_0001, 0, Edx, 11)),
        (11, FeatureBit::new(0x8000_0001, 0, Edx, 20)),
        (14, FeatureBit::new(0x8000_0001, 0, Edx, 25)),
        (15, FeatureBit::new(0x8000_0001, 0, Ecx, 17)),
    ];
    for (row, &(bit, feature)) in TABLE.iter().enumerate() {
        check_outcome!("setting the bit", [NAMES; row], set_efer(bit), expected(feature.read()));
    }
    // Where SVM exists, firmware may have locked it (VM_CR.SVMDIS), so only its absence is told by CPUID.
    if !FeatureBit::new(0x8000_0001, 0, Ecx, 2).read() {
        check_outcome!("setting SVME without SVM", set_efer(12), Outcome::GP);
    }
}

/// With SVM told by CPUID and not locked by VM_CR, IA32_EFER.SVME can be set.
#[case(feature = CpuidFeatureBehaviour, spec = apm2("Enabling SVM"), needs = Needs::SVM)]
fn svme_follows_vm_cr() {
    const VM_CR: u32 = 0xc001_0114;
    const SVMDIS: u64 = 1 << 4;
    let locked = msr::read(VM_CR).unwrap_or(0) & SVMDIS != 0;
    check_outcome!("setting SVME", set_efer(12), expected(!locked));
}
