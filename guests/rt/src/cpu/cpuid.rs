//! CPUID.

#![expect(unsafe_code, reason = "an instruction")]
// UNSAFETY: CPUID changes nothing but its output registers.

use crate::{
    cpu::msr,
    observed::{Place, is_asked, seen},
};
use case::{Needs, observation::cpuid_register, probe};
use core::arch::x86_64::__cpuid_count;

pub use case::probe::{HYPERVISOR_BASE, Leaf};

/// Executes CPUID. It exits to the hypervisor, so keep the result.
pub fn read_leaf(leaf: u32, subleaf: u32) -> Leaf {
    #[expect(unused_unsafe, reason = "safe or unsafe by compiler version")]
    // SAFETY: every processor in long mode has CPUID.
    let result = unsafe { __cpuid_count(leaf, subleaf) };
    let mut registers = [result.eax, result.ebx, result.ecx, result.edx];
    if is_asked(Place::Cpuid) {
        for (index, register) in (0..).zip(&mut registers) {
            *register = seen(Place::Cpuid, cpuid_register(leaf, index), (*register).into()) as u32;
        }
    }
    let [eax, ebx, ecx, edx] = registers;
    Leaf { eax, ebx, ecx, edx }
}

/// Finds out what this processor offers, and returns leaf 0 with it. For the probe; costs several CPUIDs and RDMSRs.
pub fn read_offers() -> (Needs, Leaf) {
    probe::offers(read_leaf, |number| msr::read(number).ok())
}

/// Whether leaf 40000000H holds KVM's signature.
pub fn has_kvm_signature() -> bool {
    probe::has_kvm_signature(read_leaf(HYPERVISOR_BASE, 0))
}
