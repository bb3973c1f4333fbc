//! CPUID.

#![expect(unsafe_code, reason = "an instruction")]
// UNSAFETY: CPUID changes nothing but its output registers.

use case::Needs;
use core::arch::x86_64::__cpuid_count;

/// The four output registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "registers")]
pub struct Leaf {
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
}

/// Executes CPUID. It exits to the hypervisor, so keep the result.
pub fn read_leaf(leaf: u32, subleaf: u32) -> Leaf {
    #[expect(unused_unsafe, reason = "safe or unsafe by compiler version")]
    // SAFETY: every processor in long mode has CPUID.
    let result = unsafe { __cpuid_count(leaf, subleaf) };
    Leaf { eax: result.eax, ebx: result.ebx, ecx: result.ecx, edx: result.edx }
}

/// The first leaf of the hypervisor's own range.
pub const HYPERVISOR_BASE: u32 = 0x4000_0000;

/// Output register of a feature bit.
#[derive(Clone, Copy)]
enum Output {
    Ebx,
    Ecx,
    Edx,
}
use Output::{Ebx, Ecx, Edx};

/// Needs that one CPUID bit decides: leaf, subleaf, register, bit (SDM vol. 2, "CPUID—CPU Identification"; APM
/// vol. 3, appendix E).
const BITS: &[(u32, u32, Output, u32, Needs)] = &[
    (1, 0, Ecx, 3, Needs::MONITOR),
    (1, 0, Ecx, 5, Needs::VMX),
    (1, 0, Ecx, 13, Needs::CMPXCHG16B),
    (1, 0, Ecx, 17, Needs::PCID),
    (1, 0, Ecx, 21, Needs::X2APIC),
    (1, 0, Ecx, 22, Needs::MOVBE),
    (1, 0, Edx, 1, Needs::VME),
    (1, 0, Ecx, 23, Needs::POPCNT),
    (1, 0, Ecx, 24, Needs::TSC_DEADLINE),
    (1, 0, Ecx, 26, Needs::XSAVE),
    (1, 0, Ecx, 28, Needs::AVX),
    (1, 0, Ecx, 30, Needs::RDRAND),
    (1, 0, Ecx, 31, Needs::HYPERVISOR),
    (1, 0, Edx, 11, Needs::SYSENTER),
    (1, 0, Edx, 12, Needs::MTRR),
    (1, 0, Edx, 16, Needs::PAT),
    (7, 0, Ebx, 0, Needs::FSGSBASE),
    (7, 0, Ebx, 1, Needs::TSC_ADJUST),
    (7, 0, Ebx, 7, Needs::SMEP),
    (7, 0, Ebx, 10, Needs::INVPCID),
    (7, 0, Ebx, 16, Needs::AVX512F),
    (7, 0, Ebx, 18, Needs::RDSEED),
    (7, 0, Ebx, 20, Needs::SMAP),
    (7, 0, Ecx, 2, Needs::UMIP),
    (7, 0, Ecx, 3, Needs::PKU),
    (7, 0, Ecx, 16, Needs::LA57),
    (7, 0, Ecx, 22, Needs::RDPID),
    (7, 0, Ecx, 31, Needs::PKS),
    (0x8000_0001, 0, Ecx, 2, Needs::SVM),
    (0x8000_0001, 0, Edx, 11, Needs::SYSCALL),
    (0x8000_0001, 0, Edx, 20, Needs::NX),
    (0x8000_0001, 0, Edx, 26, Needs::PAGE_1G),
    (0x8000_0001, 0, Edx, 27, Needs::RDTSCP),
];

/// Finds out what this processor offers, and returns leaf 0 with it. For the probe; costs several CPUIDs.
pub fn read_offers() -> (Needs, Leaf) {
    let vendor = read_leaf(0, 0);
    let extended = read_leaf(0x8000_0000, 0).eax;
    let mut offers = Needs::empty();
    let mut cached = (u32::MAX, 0, vendor);
    for &(leaf, subleaf, output, bit, need) in BITS {
        let limit = if leaf >= 0x8000_0000 { extended } else { vendor.eax };
        if leaf > limit {
            continue;
        }
        if (cached.0, cached.1) != (leaf, subleaf) {
            cached = (leaf, subleaf, read_leaf(leaf, subleaf));
        }
        let register = match output {
            Ebx => cached.2.ebx,
            Ecx => cached.2.ecx,
            Edx => cached.2.edx,
        };
        if register >> bit & 1 != 0 {
            offers |= need;
        }
    }
    offers |= match (vendor.ebx, vendor.edx, vendor.ecx) {
        (0x756e_6547, 0x4965_6e69, 0x6c65_746e) => Needs::INTEL,
        (0x6874_7541, 0x6974_6e65, 0x444d_4163) | (0x6f67_7948, 0x6e65_476e, 0x656e_6975) => Needs::AMD,
        _ => Needs::empty(),
    };
    if offers.contains(Needs::HYPERVISOR) && has_kvm_signature() {
        offers |= Needs::KVM;
    }
    (offers, vendor)
}

/// Whether leaf 40000000H holds "KVMKVMKVM\0\0\0" (KVM, "KVM CPUID bits").
pub fn has_kvm_signature() -> bool {
    let leaf = read_leaf(HYPERVISOR_BASE, 0);
    (leaf.ebx, leaf.ecx, leaf.edx) == (0x4b4d_564b, 0x564b_4d56, 0x4d)
}
