//! Interfaces of other hypervisors that KVM can show to guests: Hyper-V's and Xen's.

use super::{caps, case};
use crate::{
    Case,
    machine::{Irqchip, Machine},
    requests::*,
};
use case::Feature::{InterfaceCapabilities as CAPABILITIES, InterfaceMsrs as MSRS};
use kvm_bindings::{KVM_CAP_HYPERV_ENFORCE_CPUID, KVM_CAP_HYPERV_SYNIC2, kvm_enable_cap, kvm_xen_hvm_config};

/// The first leaf, which names the vendor and the last leaf.
const FIRST_LEAF: u32 = 0x4000_0000;
const HV_X64_MSR_VP_INDEX: u32 = 0x4000_0002;

pub(crate) const CASES: &[Case] = &[
    case(
        CAPABILITIES,
        "hyperv_leaves",
        "KVM_GET_SUPPORTED_HV_CPUID tells the leaves of Hyper-V, from 40000000H on, and E2BIG if there is no room.",
        "KVM_GET_SUPPORTED_HV_CPUID",
        caps!(KVM_CAP_HYPERV_CPUID),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            let mut few = Cpuid::with_room(1);
            checks.refused("room for one", &[libc::E2BIG], vcpu.handle.request(&GET_SUPPORTED_HV_CPUID, &mut few));
            let mut cpuid = Cpuid::with_room(CPUID_ROOM as u32);
            checks.done("room for all", vcpu.handle.request(&GET_SUPPORTED_HV_CPUID, &mut cpuid));
            let [first, ..] = cpuid.entries;
            checks.is("first leaf", FIRST_LEAF, first.function);
            checks.within("last leaf", u64::from(FIRST_LEAF) + 5, u64::from(FIRST_LEAF) + 0xff, first.eax.into());
            Ok(())
        },
    ),
    case(
        MSRS,
        "hyperv_vp_index",
        "With KVM_CAP_HYPERV_VP_INDEX the host sets the index of a virtual processor.",
        "KVM_CAP_HYPERV_VP_INDEX",
        caps!(KVM_CAP_HYPERV_VP_INDEX),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            checks.answers("set", 1, vcpu.handle.request(&SET_MSRS, &mut Msrs::of(&[(HV_X64_MSR_VP_INDEX, 5)])));
            let mut read = Msrs::of(&[(HV_X64_MSR_VP_INDEX, 0)]);
            checks.answers("get", 1, vcpu.handle.request(&GET_MSRS, &mut read));
            let [entry, ..] = read.entries;
            checks.is("index", 5_u64, entry.data);
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "hyperv_synic_is_enabled",
        "The synthetic interrupt controller of Hyper-V is enabled by processor.",
        "KVM_CAP_HYPERV_SYNIC2",
        caps!(KVM_CAP_HYPERV_SYNIC2),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            let mut cap = kvm_enable_cap { cap: KVM_CAP_HYPERV_SYNIC2, ..Default::default() };
            checks.done("enabled", vcpu.handle.request(&ENABLE_CAP, &mut cap));
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "hyperv_cpuid_is_enforced",
        "KVM_CAP_HYPERV_ENFORCE_CPUID is switched on and off by processor.",
        "KVM_CAP_HYPERV_ENFORCE_CPUID",
        caps!(KVM_CAP_HYPERV_ENFORCE_CPUID),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let vcpu = machine.vcpu(0)?;
            for (id, value) in [("on", 1), ("off", 0)] {
                let mut cap =
                    kvm_enable_cap { cap: KVM_CAP_HYPERV_ENFORCE_CPUID, args: [value, 0, 0, 0], ..Default::default() };
                checks.done(id, vcpu.handle.request(&ENABLE_CAP, &mut cap));
            }
            Ok(())
        },
    ),
    case(
        CAPABILITIES,
        "xen_flags",
        "Flags of KVM_XEN_HVM_CONFIG that KVM_CAP_XEN_HVM does not tell are refused.",
        "KVM_XEN_HVM_CONFIG",
        caps!(KVM_CAP_XEN_HVM),
        |checks| {
            let machine = Machine::new(Irqchip::Split)?;
            let mut config = kvm_xen_hvm_config { flags: 1 << 31, msr: FIRST_LEAF, ..Default::default() };
            checks.invalid("bit 31", machine.vm.request(&XEN_HVM_CONFIG, &mut config));
            Ok(())
        },
    ),
];
