//! CPUID as a guest sees it: what KVM supports, with the corrections that KVM leaves to the VMM.
//!
//! Sources: Linux, "Documentation/virt/kvm/api.rst" § 4.46 KVM_GET_SUPPORTED_CPUID and "Documentation/virt/kvm/x86/cpuid.rst";
//! Intel SDM vol. 2A, "CPUID—CPU Identification".

use kvm_bindings::{CpuId, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid_entry2};

/// Leaves whose content depends on the vCPU.
mod leaf {
    pub(super) const FEATURES: u32 = 1;
    pub(super) const TOPOLOGY: u32 = 0xb;
    pub(super) const TOPOLOGY_V2: u32 = 0x1f;
    pub(super) const KVM_FEATURES: u32 = 0x4000_0001;
    pub(super) const ADDRESS_SIZES: u32 = 0x8000_0008;
    pub(super) const AMD_TOPOLOGY: u32 = 0x8000_001e;
}

/// Bits of KVM's features that only its own local APICs offer, KVM_FEATURE_*: asynchronous page faults in all their forms,
/// EOI by a bit in memory, kicks of halted processors, interrupts to many and yields to others by hypercalls, and extended
/// destinations of messages.
const KERNEL_APIC_FEATURES: u32 = 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 11 | 1 << 13 | 1 << 14 | 1 << 15;
/// Width of physical addresses in bits where CPUID does not tell.
const PHYSICAL_ADDRESS_BITS: u8 = 36;

/// Bits of leaf 1, ECX.
mod ecx {
    pub(super) const X2APIC: u32 = 1 << 21;
    pub(super) const TSC_DEADLINE: u32 = 1 << 24;
    pub(super) const HYPERVISOR: u32 = 1 << 31;
}

/// Types of a topology level, in ECX bits 8 to 15 of leaves 0BH and 1FH.
mod level {
    pub(super) const INVALID: u32 = 0;
    pub(super) const SMT: u32 = 1;
    pub(super) const CORE: u32 = 2;
}

/// What [`for_vcpu`] needs to know about the VM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    pub(crate) nr_vcpus: u8,
    /// Whether there is a local APIC.
    pub(crate) has_apic: bool,
    /// Whether it is KVM's.
    pub(crate) has_kernel_apic: bool,
    /// Whether that APIC's timer has the TSC-deadline mode (KVM_CAP_TSC_DEADLINE_TIMER).
    pub(crate) has_tsc_deadline: bool,
}

/// The table for one vCPU; its APIC id equals its index.
pub(crate) fn for_vcpu(supported: &CpuId, machine: Machine, index: u8) -> CpuId {
    let mut table = supported.clone();
    for function in [leaf::TOPOLOGY, leaf::TOPOLOGY_V2] {
        complete_levels(&mut table, function);
    }
    for entry in table.as_mut_slice() {
        correct(entry, machine, index);
    }
    table
}

/// The processor's family, model and stepping as it tells them after a reset: EAX of leaf 1.
pub(crate) fn signature(table: &CpuId) -> u32 {
    let features = table.as_slice().iter().find(|entry| entry.function == leaf::FEATURES);
    features.map_or(0, |entry| entry.eax)
}

/// Width of physical addresses in bits.
pub(crate) fn physical_address_bits(table: &CpuId) -> u8 {
    let sizes = table.as_slice().iter().find(|entry| entry.function == leaf::ADDRESS_SIZES);
    sizes.map_or(PHYSICAL_ADDRESS_BITS, |entry| entry.eax as u8)
}

/// KVM names the topology leaves that it supports by their first subleaf alone; the guest reads a second one, and KVM
/// answers for those behind it from that.
fn complete_levels(table: &mut CpuId, function: u32) {
    let has = |index| table.as_slice().iter().any(|entry| entry.function == function && entry.index == index);
    if has(0) && !has(1) {
        let flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
        // A table that is full already stays as KVM made it.
        let _ = table.push(kvm_cpuid_entry2 { function, index: 1, flags, ..Default::default() });
    }
}

fn correct(entry: &mut kvm_cpuid_entry2, machine: Machine, index: u8) {
    let apic_id = u32::from(index);
    match entry.function {
        leaf::FEATURES => {
            // EBX: initial APIC id, number of logical processors, CLFLUSH size, brand.
            entry.ebx = apic_id << 24 | u32::from(machine.nr_vcpus) << 16 | entry.ebx & 0xffff;
            entry.ecx |= ecx::HYPERVISOR;
            // "may be returned as true, but they depend on KVM_CREATE_IRQCHIP" (api.rst); the second was never
            // returned by older kernels and has to be asked for as a capability.
            if !machine.has_apic {
                entry.ecx &= !ecx::X2APIC;
            }
            entry.ecx &= !ecx::TSC_DEADLINE;
            if machine.has_apic && machine.has_tsc_deadline {
                entry.ecx |= ecx::TSC_DEADLINE;
            }
        }
        leaf::TOPOLOGY | leaf::TOPOLOGY_V2 => {
            // One package of cores with one thread each.
            let shift_of_package = u8::BITS - machine.nr_vcpus.saturating_sub(1).leading_zeros();
            let (shift, nr_logical, kind) = match entry.index {
                0 => (0, 1, level::SMT),
                1 => (shift_of_package, u32::from(machine.nr_vcpus), level::CORE),
                _ => (0, 0, level::INVALID),
            };
            entry.eax = shift;
            entry.ebx = nr_logical;
            entry.ecx = entry.index | kind << 8;
            entry.edx = apic_id;
        }
        leaf::AMD_TOPOLOGY => {
            entry.eax = apic_id;
            // EBX: core id, threads per core less one; ECX: node id, nodes less one.
            entry.ebx = apic_id;
            entry.ecx = 0;
        }
        leaf::KVM_FEATURES if !machine.has_kernel_apic => entry.eax &= !KERNEL_APIC_FEATURES,
        // Everything else, KVM's other leaves from 40000000H on among it, is what KVM says.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(function: u32, index: u32, value: u32) -> kvm_cpuid_entry2 {
        kvm_cpuid_entry2 { function, index, eax: value, ebx: value, ecx: value, edx: value, ..Default::default() }
    }

    fn table(machine: Machine, vcpu: u8) -> Vec<kvm_cpuid_entry2> {
        let supported = CpuId::from_entries(&[
            entry(1, 0, 0),
            entry(0xb, 0, 0xffff_ffff),
            entry(0xb, 1, 0xffff_ffff),
            entry(0xb, 2, 0xffff_ffff),
            entry(0x8000_001e, 0, 0xffff_ffff),
            entry(0x4000_0001, 0, 0x1234),
        ])
        .unwrap();
        for_vcpu(&supported, machine, vcpu).as_slice().to_vec()
    }

    const FOUR: Machine = Machine { nr_vcpus: 4, has_apic: true, has_kernel_apic: true, has_tsc_deadline: true };

    #[test]
    fn apic_id_stands_in_every_leaf_that_has_one() {
        let table = table(FOUR, 3);
        assert_eq!(table[0].ebx >> 24, 3);
        assert_eq!(table[0].ebx >> 16 & 0xff, 4);
        assert!(table[1..4].iter().all(|entry| entry.edx == 3));
        assert_eq!(table[4].eax, 3);
    }

    #[test]
    fn topology_is_one_package_of_single_thread_cores() {
        let table = table(FOUR, 0);
        assert_eq!([table[1].eax, table[1].ebx, table[1].ecx], [0, 1, 0x100]);
        assert_eq!([table[2].eax, table[2].ebx, table[2].ecx], [2, 4, 0x201]);
        assert_eq!([table[3].eax, table[3].ebx, table[3].ecx], [0, 0, 2]);
    }

    #[test]
    fn second_topology_level_is_added_where_kvm_leaves_it_out() {
        let supported = CpuId::from_entries(&[entry(0xb, 0, 0)]).unwrap();
        let table = for_vcpu(&supported, FOUR, 2);
        let [first, second] = table.as_slice() else { panic!("{table:?}") };
        assert_eq!([first.index, first.ecx, first.edx], [0, 0x100, 2]);
        assert_eq!([second.index, second.ecx, second.edx], [1, 0x201, 2]);
        assert_eq!(second.flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
    }

    #[test]
    fn hypervisor_bit_is_set_and_kvm_leaves_stay() {
        let table = table(FOUR, 0);
        assert_eq!(table[0].ecx, ecx::HYPERVISOR | ecx::TSC_DEADLINE);
        assert_eq!(table[5].eax, 0x1234);
    }

    #[test]
    fn without_an_apic_nothing_of_it_is_offered() {
        let mut features = entry(1, 0, u32::MAX);
        let machine = Machine { nr_vcpus: 1, has_apic: false, has_kernel_apic: false, has_tsc_deadline: true };
        correct(&mut features, machine, 0);
        assert_eq!(features.ecx & (ecx::X2APIC | ecx::TSC_DEADLINE), 0);
    }

    #[test]
    fn what_only_apics_of_kvm_can_is_not_offered_with_others() {
        let mut features = entry(leaf::KVM_FEATURES, 0, u32::MAX);
        correct(&mut features, FOUR, 0);
        assert_eq!(features.eax, u32::MAX);
        correct(&mut features, Machine { has_kernel_apic: false, ..FOUR }, 0);
        // Clock, steal time, flush of TLBs and the rest stay.
        assert_eq!(features.eax, 0xffff_132f);
    }

    #[test]
    fn width_of_addresses_is_that_of_cpuid() {
        let table = |entries: &[_]| CpuId::from_entries(entries).unwrap();
        assert_eq!(physical_address_bits(&table(&[entry(leaf::ADDRESS_SIZES, 0, 0x3930)])), 0x30);
        assert_eq!(physical_address_bits(&table(&[])), 36);
    }
}
