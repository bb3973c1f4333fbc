//! Faults that a VM is made with.

use super::{Change, Fault};
use crate::{interrupts::Interrupts, memory::GuestMemory};
use kvm_bindings::CpuId;
use kvm_ioctls::{Error, VcpuFd};

/// A register of CPUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuidRegister {
    /// EAX.
    Eax,
    /// EBX.
    Ebx,
    /// ECX.
    Ecx,
    /// EDX.
    Edx,
}

/// What is wrong with a leaf of CPUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuidFault {
    /// The leaf.
    pub leaf: u32,
    /// The subleaf; all if not given.
    pub subleaf: Option<u32>,
    /// The register.
    pub register: CpuidRegister,
    /// Only these bits of it stay.
    pub and: u32,
    /// Then these are inverted.
    pub xor: u32,
}

/// Changes a vCPU's table.
pub(crate) fn change_cpuid(fault: Option<Fault>, table: &mut CpuId) {
    let Some(Fault::Cpuid(fault)) = fault else { return };
    for entry in table.as_mut_slice() {
        if entry.function != fault.leaf || fault.subleaf.is_some_and(|only| only != entry.index) {
            continue;
        }
        let register = match fault.register {
            CpuidRegister::Eax => &mut entry.eax,
            CpuidRegister::Ebx => &mut entry.ebx,
            CpuidRegister::Ecx => &mut entry.ecx,
            CpuidRegister::Edx => &mut entry.edx,
        };
        *register = *register & fault.and ^ fault.xor;
    }
}

/// Changes what the first vCPU is entered with.
pub(crate) fn change_entry(
    fault: Option<Fault>,
    vcpu: &VcpuFd,
    memory: &GuestMemory,
    interrupts: &Interrupts,
) -> Result<(), Error> {
    match fault {
        Some(Fault::Entry(change)) => Change::apply(change, vcpu, memory, interrupts),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvm_bindings::kvm_cpuid_entry2;

    #[test]
    fn one_register_of_one_leaf_is_changed() {
        let entry = |function, index| kvm_cpuid_entry2 { function, index, ecx: 0xff, ..Default::default() };
        let mut table = CpuId::from_entries(&[entry(1, 0), entry(7, 0), entry(7, 1)]).unwrap();
        let fault = CpuidFault { leaf: 7, subleaf: Some(1), register: CpuidRegister::Ecx, and: 0xf0, xor: 0x101 };
        change_cpuid(None, &mut table);
        change_cpuid(Some(Fault::Cpuid(fault)), &mut table);
        assert_eq!(table.as_slice().iter().map(|entry| entry.ecx).collect::<Vec<_>>(), [0xff, 0xff, 0x1f1]);
    }
}
