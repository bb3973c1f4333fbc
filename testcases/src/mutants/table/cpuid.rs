//! CPUID telling of another processor.

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
        Feature::CpuidConsistency,
        (0, None),
        (Ebx, ALL, 1 << 5),
    ),
    cpuid(
        "cpuid-extended-vendor",
        "The vendor differs between leaves 80000000H and 0.",
        Feature::CpuidConsistency,
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
    cpuid("cpuid-no-hypervisor", "There is no hypervisor.", Feature::HypervisorLeaves, (1, None), (Ecx, !(1 << 31), 0)),
    cpuid("cpuid-no-sse2", "SSE2 is not told of.", Feature::CpuidFeatureTable, (1, None), (Edx, !(1 << 26), 0)),
    cpuid(
        "cpuid-no-tsc",
        "The time-stamp counter is not told of.",
        Feature::CpuidFeatureTable,
        (1, None),
        (Edx, !(1 << 4), 0),
    ),
    cpuid("cpuid-no-msr", "MSRs are not told of.", Feature::CpuidFeatureTable, (1, None), (Edx, !(1 << 5), 0)),
    cpuid("cpuid-no-cmov", "CMOV is not told of.", Feature::CpuidFeatureTable, (1, None), (Edx, !(1 << 15), 0)),
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
        "cpuid-no-nx",
        "Execute-disable is not told of.",
        Feature::CpuidFeatureTable,
        (0x8000_0001, None),
        (Edx, !(1 << 20), 0),
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
    cpuid(
        "cpuid-xsave-size",
        "The area of XSAVE is smaller than its legacy part.",
        Feature::CpuidDynamicBits,
        (0xd, Some(0)),
        (Ebx, 0, 64),
    ),
    cpuid(
        "cpuid-xsave-components",
        "XCR0 may have fewer components than it can.",
        Feature::CpuidConsistency,
        (0xd, Some(0)),
        (Eax, 1, 0),
    ),
    cpuid(
        "cpuid-xsave-offset",
        "A component of XSAVE stands elsewhere.",
        Feature::StateXsave,
        (0xd, Some(2)),
        (Ebx, ALL, 0x40),
    ),
    cpuid(
        "cpuid-topology-level",
        "The first level of the topology has another type.",
        Feature::CpuidConsistency,
        (0xb, Some(0)),
        (Ecx, ALL, 3 << 8),
    ),
    cpuid("cpuid-topology-id", "The x2APIC ID is another.", Feature::CpuidConsistency, (0xb, None), (Edx, ALL, 6)),
    cpuid("cpuid-no-fsgsbase", "FSGSBASE is not told of.", Feature::CpuidFeatureTable, (7, Some(0)), (Ebx, !1, 0)),
    cpuid(
        "cpuid-bmi2-told-wrong",
        "BMI2 is told of the other way.",
        Feature::CpuidFeatureTable,
        (7, Some(0)),
        (Ebx, ALL, 1 << 8),
    ),
    cpuid(
        "cpuid-rdpid-told-wrong",
        "RDPID is told of the other way.",
        Feature::CpuidFeatureTable,
        (7, Some(0)),
        (Ecx, ALL, 1 << 22),
    ),
    cpuid(
        "cpuid-umip-told-wrong",
        "User-mode instruction prevention is told of the other way.",
        Feature::CpuidFeatureTable,
        (7, Some(0)),
        (Ecx, ALL, 1 << 2),
    ),
    cpuid(
        "cpuid-leaf-7-reserved",
        "Reserved registers of leaf 7 are not zero.",
        Feature::CpuidBasicLeaves,
        (7, Some(0)),
        (Eax, 0, 0xffff),
    ),
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
    cpuid(
        "cpuid-kvm-steal-time-hidden",
        "KVM tells of no steal time, which is there.",
        Feature::StealTime,
        (0x4000_0001, None),
        (Eax, !(1 << 5), 0),
    ),
];
