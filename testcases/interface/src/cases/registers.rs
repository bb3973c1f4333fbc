//! Registers one by one.

use super::{caps, case};
use crate::{
    Case,
    api::{Answer, Request},
    machine::{Irqchip, Machine, Vcpu},
    requests::*,
};
use case::Feature::InterfaceState as STATE;
use kvm_bindings::kvm_one_reg;
use std::ptr;

const SET_ONE: &str = "KVM_SET_ONE_REG";

/// Ids of MSRs: the architecture, 64 bits and the group. The group is newer than the edition that is cited: Linux 6.18.
const MSR: u64 = 0x2030_0002_0000_0000;
const IA32_SYSENTER_EIP: u32 = 0x176;
/// An MSR that no processor has.
const NO_MSR: u64 = 0x4ace_0000;

fn one(vcpu: &Vcpu<'_>, request: &Request<kvm_one_reg>, id: u64, value: &mut u64) -> Answer {
    let addr = ptr::from_mut(value) as u64;
    vcpu.handle.request(request, &mut kvm_one_reg { id, addr })
}

pub(crate) const CASES: &[Case] = &[
    case(
        STATE,
        "one_register_round_trip",
        "KVM_SET_ONE_REG sets what KVM_GET_ONE_REG reads, and an MSR by its id is the one of KVM_GET_MSRS.",
        SET_ONE,
        caps!(KVM_CAP_ONE_REG),
        |checks| {
            const VALUE: u64 = 0x7fff_1234_5678;
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            let id = MSR | u64::from(IA32_SYSENTER_EIP);
            checks.done("set", one(&vcpu, &SET_ONE_REG, id, &mut { VALUE }));
            let mut read = 0;
            checks.done("get", one(&vcpu, &GET_ONE_REG, id, &mut read));
            checks.is("value", VALUE, read);
            let mut msrs = Msrs::of(&[(IA32_SYSENTER_EIP, 0)]);
            checks.answers("KVM_GET_MSRS", 1, vcpu.handle.request(&GET_MSRS, &mut msrs));
            let [entry, ..] = msrs.entries;
            checks.is("MSR", VALUE, entry.data);
            Ok(())
        },
    ),
    case(
        STATE,
        "one_register_unknown",
        "Ids of other architectures, groups, sizes and registers that there are not are refused.",
        SET_ONE,
        caps!(KVM_CAP_ONE_REG),
        |checks| {
            const NONE: &[i32] = &[libc::EINVAL, libc::ENOENT];
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            for (what, id) in [
                ("zero", 0),
                ("architecture", MSR & !(0xf << 60) | 6 << 60 | u64::from(IA32_SYSENTER_EIP)),
                ("size", MSR & !(0xf << 52) | 2 << 52 | u64::from(IA32_SYSENTER_EIP)),
                ("group", MSR | 0xff << 32 | u64::from(IA32_SYSENTER_EIP)),
                ("MSR", MSR | NO_MSR),
            ] {
                checks.refused(format!("get, {what}"), NONE, one(&vcpu, &GET_ONE_REG, id, &mut 0));
                checks.refused(format!("set, {what}"), NONE, one(&vcpu, &SET_ONE_REG, id, &mut 0));
            }
            Ok(())
        },
    ),
];
