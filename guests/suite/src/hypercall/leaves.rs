//! The hypervisor's CPUID leaves.

use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        cpuid::{HYPERVISOR_BASE, read_leaf},
        msr,
    },
    names, user, user_code,
    vocabulary::{Needs, Text},
};

/// Feature bits in EAX of leaf 40000001H.
mod feature {
    pub(super) const CLOCKSOURCE: u32 = 1 << 0;
    pub(super) const CLOCKSOURCE2: u32 = 1 << 3;
    pub(super) const STEAL_TIME: u32 = 1 << 5;
    pub(super) const PV_EOI: u32 = 1 << 6;
    pub(super) const POLL_CONTROL: u32 = 1 << 12;
    pub(super) const CLOCKSOURCE_STABLE: u32 = 1 << 24;
}

/// A processor whose CPUID says that a hypervisor is present has hypervisor leaves: the first one tells the last.
#[case(feature = HypervisorLeaves, spec = kvm("KVM CPUID bits"), needs = Needs::HYPERVISOR)]
fn first_leaf_tells_the_last() {
    let leaf = read_leaf(HYPERVISOR_BASE, 0);
    // Old hosts say 0, which is to be read as 40000001H.
    check!("EAX is 0 or a leaf of the range", leaf.eax == 0 || leaf.eax >> 16 == HYPERVISOR_BASE >> 16);
    check!("the signature is not empty", leaf.ebx != 0 && leaf.ecx != 0);
}

/// Leaf 40000000H holds "KVMKVMKVM" in EBX, ECX and EDX, and in EAX the last leaf, at least 40000001H.
#[case(feature = HypervisorLeaves, spec = kvm("KVM CPUID bits"), needs = Needs::KVM)]
fn kvm_signature() {
    let leaf = read_leaf(HYPERVISOR_BASE, 0);
    check_eq!("EBX", leaf.ebx, 0x4b4d_564b);
    check_eq!("ECX", leaf.ecx, 0x564b_4d56);
    check_eq!("EDX", leaf.edx, 0x4d);
    check!("EAX is 0 or at least 40000001H", leaf.eax == 0 || leaf.eax > HYPERVISOR_BASE);
}

/// Hypervisor leaves ignore the subleaf in ECX, and are the same at every reading.
#[case(feature = HypervisorLeaves, spec = kvm("KVM CPUID bits"), needs = Needs::KVM)]
fn leaves_do_not_change() {
    for leaf in 0..2 {
        let (first, again) = (read_leaf(HYPERVISOR_BASE + leaf, 0), read_leaf(HYPERVISOR_BASE + leaf, 0));
        check_eq!("EAX", [&[]; leaf], again.eax, first.eax);
        check_eq!("EBX", [&[]; leaf], again.ebx, first.ebx);
        check_eq!("EDX", [&[]; leaf], again.edx, first.edx);
        let other = read_leaf(HYPERVISOR_BASE + leaf, 7);
        check_eq!("EAX with ECX 7", [&[]; leaf], other.eax, first.eax);
        check_eq!("EBX with ECX 7", [&[]; leaf], other.ebx, first.ebx);
    }
}

user_code!(cpuid:
    "push rbx", "mov eax, edi", "xor ecx, ecx", "cpuid", "shl rbx, 32", "or rax, rbx", "pop rbx", "ret");

/// CPL 3 reads the same hypervisor leaves as CPL 0.
#[case(feature = HypervisorLeaves, spec = [kvm("KVM CPUID bits"), sdm2("CPUID—CPU Identification")], needs = Needs::KVM)]
fn leaves_at_cpl_3() {
    for leaf in 0..2 {
        let supervisor = read_leaf(HYPERVISOR_BASE + leaf, 0);
        let result = user::call(cpuid, u64::from(HYPERVISOR_BASE + leaf));
        check_outcome!("CPUID", [&[]; leaf], result, Outcome::COMPLETED);
        let expected = u64::from(supervisor.ebx) << 32 | u64::from(supervisor.eax);
        check_eq!("EBX and EAX", [&[]; leaf], result.unwrap_or(0), expected);
    }
}

/// A feature bit of KVM comes with the MSRs that it announces: they can be read.
#[case(feature = HypervisorLeaves, spec = [kvm("KVM CPUID bits"), kvm("KVM-specific MSRs")], needs = Needs::KVM)]
fn features_come_with_their_msrs() {
    const ROWS: [(u32, u32); 7] = [
        (feature::CLOCKSOURCE, 0x11),
        (feature::CLOCKSOURCE, 0x12),
        (feature::CLOCKSOURCE2, 0x4b56_4d00),
        (feature::CLOCKSOURCE2, 0x4b56_4d01),
        (feature::STEAL_TIME, 0x4b56_4d03),
        (feature::PV_EOI, 0x4b56_4d04),
        (feature::POLL_CONTROL, 0x4b56_4d05),
    ];
    const NAMES: &[Text] = names![
        "KVM_WALL_CLOCK",
        "KVM_SYSTEM_TIME",
        "KVM_WALL_CLOCK_NEW",
        "KVM_SYSTEM_TIME_NEW",
        "KVM_STEAL_TIME",
        "KVM_EOI_EN",
        "KVM_POLL_CONTROL"
    ];
    let features = read_leaf(HYPERVISOR_BASE + 1, 0).eax;
    check!("there is a feature", features != 0);
    for (row, (feature, number)) in ROWS.into_iter().enumerate() {
        if features & feature != 0 {
            check_outcome!("RDMSR", [NAMES; row], msr::read(number), Outcome::COMPLETED);
        }
    }
}

/// KVM's MSRs refuse reserved values with #GP(0): a clock page or a steal-time page that is not aligned, reserved bits
/// of the EOI and polling controls.
#[case(feature = HypervisorLeaves, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM)]
fn msrs_refuse_reserved_bits() {
    // Steal time: bits 5:1 are reserved. Polling: bits 63:1 are. EOI: bit 1 is.
    const ROWS: [(u32, u32, u64); 2] =
        [(feature::STEAL_TIME, 0x4b56_4d03, 0b11_1110), (feature::POLL_CONTROL, 0x4b56_4d05, 0b10)];
    const NAMES: &[Text] = names!["KVM_STEAL_TIME", "KVM_POLL_CONTROL"];
    let features = read_leaf(HYPERVISOR_BASE + 1, 0).eax;
    let mut found = false;
    for (row, (feature, number, value)) in ROWS.into_iter().enumerate() {
        if features & feature != 0 {
            found = true;
            check_outcome!("WRMSR", [NAMES; row], msr::write(number, value), Outcome::GP);
        }
    }
    if !found {
        rt::skip!("neither steal time nor polling control is offered");
    }
}

/// A stable clock source is only announced together with a clock source.
#[case(feature = HypervisorLeaves, spec = kvm("KVM CPUID bits"), needs = Needs::KVM)]
fn stable_clock_needs_a_clock() {
    let features = read_leaf(HYPERVISOR_BASE + 1, 0).eax;
    let has_clock = features & (feature::CLOCKSOURCE | feature::CLOCKSOURCE2) != 0;
    let is_stable = features & feature::CLOCKSOURCE_STABLE != 0;
    check!("stable implies a clock", has_clock || !is_stable);
}
