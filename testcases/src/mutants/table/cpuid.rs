//! CPUID telling of another processor.
//!
//! Bits of leaves 1, 7 and DH are not among them: where KVM lets the guest see those of the processor whatever the VMM says, as
//! kvm_pvm does, such a fault does not arrive.

use super::super::Mutant;
use case::Feature;
use vmm::{
    Fault,
    faults::{
        CpuidFault,
        CpuidRegister::{self, Eax, Ebx, Ecx, Edx},
    },
};

const fn cpuid(
    id: &'static str,
    what: &'static str,
    feature: Feature,
    (leaf, subleaf): (u32, Option<u32>),
    (register, and, xor): (CpuidRegister, u32, u32),
) -> Mutant {
    Mutant { id, what, feature, fault: Fault::Cpuid(CpuidFault { leaf, subleaf, register, and, xor }) }
}

const ALL: u32 = u32::MAX;

pub(super) const TABLE: &[Mutant] = &[
    cpuid(
        "cpuid-vendor-of-two",
        "The vendor differs between leaves 0 and 80000000H.",
        Feature::CpuidBasicLeaves,
        (0, None),
        (Ebx, ALL, 1 << 5),
    ),
    cpuid(
        "cpuid-extended-vendor",
        "The vendor differs between leaves 80000000H and 0.",
        Feature::CpuidBasicLeaves,
        (0x8000_0000, None),
        (Ecx, ALL, 1 << 5),
    ),
    cpuid("cpuid-largest-leaf-zero", "The largest basic leaf is 0.", Feature::CpuidBasicLeaves, (0, None), (Eax, 0, 0)),
    cpuid(
        "cpuid-largest-extended-leaf",
        "The largest extended leaf is below 80000000H.",
        Feature::CpuidExtendedLeaves,
        (0x8000_0000, None),
        (Eax, 0, 1),
    ),
    cpuid("cpuid-family-zero", "Family, model and stepping are 0.", Feature::CpuidBasicLeaves, (1, None), (Eax, 0, 0)),
    cpuid(
        "cpuid-apic-id",
        "The initial APIC ID is another.",
        Feature::CpuidConsistency,
        (1, None),
        (Ebx, ALL, 5 << 24),
    ),
    cpuid("cpuid-flush-size", "CLFLUSH flushes nothing.", Feature::CpuidBasicLeaves, (1, None), (Ebx, 0xffff_00ff, 0)),
    cpuid(
        "cpuid-vmx-told",
        "VMX is told of where there is none.",
        Feature::CpuidFeatureBehaviour,
        (1, None),
        (Ecx, ALL, 1 << 5),
    ),
    cpuid(
        "cpuid-svm-told",
        "SVM is told of where there is none.",
        Feature::CpuidFeatureBehaviour,
        (0x8000_0001, None),
        (Ecx, ALL, 1 << 2),
    ),
    cpuid(
        "cpuid-xop-told",
        "XOP is told of where there is none.",
        Feature::CpuidFeatureTable,
        (0x8000_0001, None),
        (Ecx, ALL, 1 << 11),
    ),
    cpuid(
        "cpuid-fma4-told",
        "FMA4 is told of where there is none.",
        Feature::CpuidFeatureTable,
        (0x8000_0001, None),
        (Ecx, ALL, 1 << 16),
    ),
    cpuid(
        "cpuid-tbm-told",
        "TBM is told of where there is none.",
        Feature::CpuidFeatureTable,
        (0x8000_0001, None),
        (Ecx, ALL, 1 << 21),
    ),
    cpuid(
        "cpuid-no-long-mode",
        "Long mode is not told of.",
        Feature::CpuidExtendedLeaves,
        (0x8000_0001, None),
        (Edx, !(1 << 29), 0),
    ),
    cpuid(
        "cpuid-no-syscall",
        "SYSCALL is not told of.",
        Feature::CpuidFeatureBehaviour,
        (0x8000_0001, None),
        (Edx, !(1 << 11), 0),
    ),
    cpuid(
        "cpuid-brand-cut",
        "The brand string holds bytes that are no text.",
        Feature::CpuidConsistency,
        (0x8000_0002, None),
        (Eax, 0, 0x0101_0101),
    ),
    cpuid("cpuid-topology-id", "The x2APIC ID is another.", Feature::CpuidConsistency, (0xb, None), (Edx, ALL, 6)),
    cpuid(
        "cpuid-kvm-signature",
        "The signature of KVM is another.",
        Feature::HypervisorLeaves,
        (0x4000_0000, None),
        (Ebx, ALL, 1),
    ),
    cpuid(
        "cpuid-kvm-largest-leaf",
        "The largest hypervisor leaf is below the first.",
        Feature::HypervisorLeaves,
        (0x4000_0000, None),
        (Eax, 0, 0x3fff_ffff),
    ),
    cpuid(
        "cpuid-kvm-clock-hidden",
        "KVM tells of no clock.",
        Feature::HypervisorLeaves,
        (0x4000_0001, None),
        (Eax, !(1 << 0 | 1 << 3), 0),
    ),
];
