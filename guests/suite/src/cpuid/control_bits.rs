//! Feature bits that decide whether a bit of CR4 or IA32_EFER exists.

use super::{
    consistency::Guest,
    control_rules::{CR4_BITS, expected_outcome},
};
use case::{Needs, Text};
use rt::{
    Outcome, case, check_outcome,
    cpu::{
        control::{With, cr0},
        feature_bit::{
            FeatureBit,
            Register::{Ecx, Edx},
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

const CR4_NAMES: &[Text] = &{
    let mut names = [Text::EMPTY; CR4_BITS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = Text::new(CR4_BITS[index].name);
        index += 1;
    }
    names
};

/// Sets the bits that the model expects this of.
fn check_bits(expected: Outcome) {
    for (row, control) in CR4_BITS.iter().enumerate() {
        if expected_outcome(control, &Guest) == Some(expected.0) {
            check_outcome!("setting the bit", [CR4_NAMES; row], set_cr4(control.number), expected);
        }
    }
}

/// A bit of CR4 can be set if CPUID tells of its feature.
#[case(feature = CpuidFeatureBehaviour, spec = [sdm3a("Control Registers"), apm2("CR4 Register")])]
fn cr4_bits_of_told_features() {
    check_bits(Outcome::COMPLETED);
}

/// Setting a bit of CR4 raises #GP(0) if CPUID does not tell of its feature.
#[case(feature = CpuidFeatureBehaviour, spec = [sdm3a("Control Registers"), apm2("CR4 Register")])]
fn cr4_bits_of_untold_features() {
    check_bits(Outcome::GP);
}

/// CR4.CET needs CR0.WP: setting it without, and clearing CR0.WP with it, raise #GP(0).
#[case(
    feature = CpuidFeatureBehaviour,
    spec = [sdm3a("Control Registers"), sdm2("MOV—Move to/from Control Registers"), apm2("CR4 Register")],
)]
fn cet_needs_write_protection() {
    const CET: u64 = 1 << 23;
    if !FeatureBit::new(7, 0, Ecx, 7).read() && !FeatureBit::new(7, 0, Edx, 20).read() {
        rt::skip!(
            "CPUID tells neither of shadow stacks (leaf 7, ECX bit 7) nor of indirect-branch tracking (EDX bit 20)"
        );
        return;
    }
    {
        let _unprotected = With::cr0(0, cr0::WP);
        check_outcome!("setting CET without WP", With::cr4(CET, 0).map(drop), Outcome::GP);
    }
    let cet = With::cr4(CET, 0);
    check_outcome!("setting CET with WP", cet.as_ref().map(|_| ()).map_err(|exception| *exception), Outcome::COMPLETED);
    check_outcome!("clearing WP with CET", With::cr0(0, cr0::WP).map(drop), Outcome::GP);
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
    // Where SVM exists, firmware may have locked it.
    let can_be_set = FeatureBit::new(0x8000_0001, 0, Ecx, 2).read() && !is_svm_locked();
    check_outcome!("setting SVME", set_efer(12), expected(can_be_set));
}

/// Whether VM_CR.SVMDIS keeps IA32_EFER.SVME clear.
fn is_svm_locked() -> bool {
    const VM_CR: u32 = 0xc001_0114;
    const SVMDIS: u64 = 1 << 4;
    msr::read(VM_CR).unwrap_or(0) & SVMDIS != 0
}

/// With SVM told by CPUID and not locked by VM_CR, IA32_EFER.SVME can be set.
#[case(feature = CpuidFeatureBehaviour, spec = apm2("Enabling SVM"), needs = Needs::SVM)]
fn svme_follows_vm_cr() {
    check_outcome!("setting SVME", set_efer(12), expected(!is_svm_locked()));
}
