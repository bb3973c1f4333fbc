//! Which needs a processor meets, by what its CPUID and capability MSRs say.
//!
//! Sources: SDM vol. 2, "CPUID—CPU Identification"; APM vol. 3, appendix E; KVM, "KVM CPUID bits".

pub mod vmx;

use crate::Needs;

/// The four output registers of CPUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "registers")]
pub struct Leaf {
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
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

/// Needs that one CPUID bit decides: leaf, subleaf, register, bit.
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
    (7, 0, Ecx, 7, Needs::SHADOW_STACK),
    (7, 0, Ecx, 16, Needs::LA57),
    (7, 0, Ecx, 22, Needs::RDPID),
    (7, 0, Ecx, 31, Needs::PKS),
    (7, 0, Edx, 24, Needs::AMX_TILE),
    (0x8000_0001, 0, Ecx, 2, Needs::SVM),
    (0x8000_0001, 0, Edx, 11, Needs::SYSCALL),
    (0x8000_0001, 0, Edx, 20, Needs::NX),
    (0x8000_0001, 0, Edx, 26, Needs::PAGE_1G),
    (0x8000_0001, 0, Edx, 27, Needs::RDTSCP),
    (0x8000_0007, 0, Edx, 8, Needs::INVARIANT_TSC),
    (0x8000_000a, 0, Edx, 0, Needs::SVM_NESTED_PAGING),
    (0x8000_000a, 0, Edx, 1, Needs::SVM_LBR),
    (0x8000_000a, 0, Edx, 3, Needs::SVM_NEXT_RIP),
    (0x8000_000a, 0, Edx, 5, Needs::SVM_CLEAN),
    (0x8000_000a, 0, Edx, 6, Needs::SVM_FLUSH_BY_ASID),
    (0x8000_000a, 0, Edx, 7, Needs::SVM_DECODE_ASSISTS),
    (0x8000_000a, 0, Edx, 10, Needs::SVM_PAUSE_FILTER),
    (0x8000_000a, 0, Edx, 12, Needs::SVM_PAUSE_THRESHOLD),
    (0x8000_000a, 0, Edx, 13, Needs::SVM_AVIC),
    (0x8000_000a, 0, Edx, 15, Needs::SVM_VIRTUAL_VMLOAD),
    (0x8000_000a, 0, Edx, 16, Needs::SVM_VIRTUAL_GIF),
];

/// Bits of EAX of KVM's feature leaf.
const KVM_BITS: &[(u32, Needs)] = &[
    (3, Needs::KVM_CLOCK),
    (5, Needs::KVM_STEAL_TIME),
    (6, Needs::KVM_PV_EOI),
    (7, Needs::KVM_PV_UNHALT),
    (9, Needs::KVM_PV_TLB_FLUSH),
    (11, Needs::KVM_PV_SEND_IPI),
    (13, Needs::KVM_PV_SCHED_YIELD),
    (14, Needs::KVM_ASYNC_PF),
    (24, Needs::KVM_CLOCK_STABLE),
];

/// What a processor offers whose CPUID gives these leaves and subleaves, and leaf 0. Reads few leaves more than once,
/// because CPUID exits to the hypervisor. `read_msr` is `None` for an MSR that there is not.
pub fn offers(read: impl Fn(u32, u32) -> Leaf, read_msr: impl Fn(u32) -> Option<u64>) -> (Needs, Leaf) {
    let vendor = read(0, 0);
    let extended = read(0x8000_0000, 0).eax;
    let mut offers = Needs::empty();
    let mut cached = (u32::MAX, 0, vendor);
    for &(leaf, subleaf, output, bit, need) in BITS {
        let limit = if leaf >= 0x8000_0000 { extended } else { vendor.eax };
        if leaf > limit {
            continue;
        }
        if (cached.0, cached.1) != (leaf, subleaf) {
            cached = (leaf, subleaf, read(leaf, subleaf));
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
    if offers.contains(Needs::HYPERVISOR) && has_kvm_signature(read(HYPERVISOR_BASE, 0)) {
        offers |= Needs::KVM;
        let features = read(HYPERVISOR_BASE + 1, 0).eax;
        for &(_, need) in KVM_BITS.iter().filter(|&&(bit, _)| features >> bit & 1 != 0) {
            offers |= need;
        }
    }
    if offers.contains(Needs::VMX) {
        offers |= vmx::offers(read_msr);
    }
    (offers, vendor)
}

/// Whether leaf 40000000H holds "KVMKVMKVM\0\0\0".
pub fn has_kvm_signature(leaf: Leaf) -> bool {
    (leaf.ebx, leaf.ecx, leaf.edx) == (0x4b4d_564b, 0x564b_4d56, 0x4d)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEL: [u32; 3] = [0x756e_6547, 0x4965_6e69, 0x6c65_746e];
    const AMD: [u32; 3] = [0x6874_7541, 0x6974_6e65, 0x444d_4163];
    const HYGON: [u32; 3] = [0x6f67_7948, 0x6e65_476e, 0x656e_6975];

    /// A processor with these bits in every feature leaf.
    fn processor([ebx, edx, ecx]: [u32; 3], features: u32, largest: u32) -> Needs {
        let read = |leaf, _| match leaf {
            0 => Leaf { eax: largest, ebx, ecx, edx },
            0x8000_0000 => Leaf { eax: 0x8000_0000 | largest, ebx, ecx, edx },
            HYPERVISOR_BASE => Leaf { eax: 0, ebx: 0x4b4d_564b, ecx: 0x564b_4d56, edx: 0x4d },
            _ => Leaf { eax: features, ebx: features, ecx: features, edx: features },
        };
        offers(read, |_| Some(u64::from(features) << 32 | u64::from(features))).0
    }

    #[test]
    fn the_probe_can_find_every_property_of_a_processor() {
        let found = processor(INTEL, u32::MAX, 0x1f) | processor(AMD, u32::MAX, 0x1f);
        let unfound = Needs::PROCESSOR.difference(found);
        assert!(unfound.is_empty(), "no line of the probe finds {unfound:?}");
        assert!(Needs::PROCESSOR.contains(found), "of the board: {:?}", found.difference(Needs::PROCESSOR));
    }

    #[test]
    fn a_processor_without_features_or_leaves_has_its_vendor_alone() {
        for (vendor, need) in [(INTEL, Needs::INTEL), (AMD, Needs::AMD), (HYGON, Needs::AMD), ([0; 3], Needs::empty())]
        {
            assert_eq!(processor(vendor, 0, 0x1f), need);
            assert_eq!(processor(vendor, u32::MAX, 0), need);
        }
    }

    #[test]
    fn each_line_of_the_probe_is_of_another_bit_and_need() {
        for (index, &(leaf, subleaf, output, bit, need)) in BITS.iter().enumerate() {
            for &(leaf2, subleaf2, output2, bit2, need2) in BITS.get(index + 1..).unwrap_or_default() {
                let same = (leaf, subleaf, output as u8, bit) == (leaf2, subleaf2, output2 as u8, bit2);
                assert!(!same && need != need2, "{need:?} and {need2:?} contradict");
            }
        }
    }
}
