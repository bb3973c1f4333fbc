//! MSR filters.

use super::{
    Done, caps, case,
    msrs::{SYSENTER_CS, exiting, get, set},
};
use crate::{
    Case,
    api::Answer,
    check::Checks,
    machine::{Code, Irqchip, Machine, end},
    requests::*,
};
use case::Feature::InterfaceMsrs as MSRS;
use iced_x86::code_asm::{eax, ecx, edx};
use kvm_bindings::{
    KVM_EXIT_IO, KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_FILTER, KVM_MSR_FILTER_DEFAULT_DENY,
    KVM_MSR_FILTER_READ, KVM_MSR_FILTER_WRITE, kvm_msr_filter, kvm_msr_filter_range,
};

const FILTER: &str = "KVM_X86_SET_MSR_FILTER";

fn read_sysenter(a: &mut iced_x86::code_asm::CodeAssembler) -> Result<(), iced_x86::IcedError> {
    a.mov(ecx, SYSENTER_CS)?;
    a.rdmsr()?;
    end(a)
}

fn write_sysenter(a: &mut iced_x86::code_asm::CodeAssembler) -> Result<(), iced_x86::IcedError> {
    a.mov(ecx, SYSENTER_CS)?;
    a.mov(eax, 0x10_u32)?;
    a.mov(edx, 0_u32)?;
    a.wrmsr()?;
    end(a)
}

/// Sets a filter of one range of eight MSRs from IA32_SYSENTER_CS on, of which a set bit allows one.
fn filter(machine: &Machine, flags: u32, range_flags: u32, bits: u8) -> Answer {
    let mut bitmap = [bits];
    let mut filter = kvm_msr_filter { flags, ..Default::default() };
    filter.ranges[0] =
        kvm_msr_filter_range { flags: range_flags, nmsrs: 8, base: SYSENTER_CS, bitmap: bitmap.as_mut_ptr() };
    machine.vm.request(&X86_SET_MSR_FILTER, &mut filter)
}

const BOTH: u32 = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;

/// What comes of an access under a filter: whether it leaves as an exit of a filter.
fn filtered(checks: &mut Checks, flags: u32, range_flags: u32, bits: u8, code: Code, exit: Option<u32>) -> Done {
    let machine = exiting(KVM_MSR_EXIT_REASON_FILTER)?;
    checks.done("filter", filter(&machine, flags, range_flags, bits));
    let vcpu = machine.with_code(code)?;
    checks.answers("exit", exit.unwrap_or(KVM_EXIT_IO).into(), vcpu.run());
    if exit.is_some() {
        let msr = vcpu.msr();
        checks.is("reason", KVM_MSR_EXIT_REASON_FILTER, msr.reason);
        checks.is("index", SYSENTER_CS, msr.index);
    }
    Ok(())
}

pub(crate) const CASES: &[Case] = &[
    case(
        MSRS,
        "msr_filter_denies_a_read",
        "A clear bit denies RDMSR.",
        FILTER,
        caps!(KVM_CAP_X86_MSR_FILTER),
        |checks| filtered(checks, 0, BOTH, 0xfe, read_sysenter, Some(KVM_EXIT_X86_RDMSR)),
    ),
    case(
        MSRS,
        "msr_filter_denies_a_write",
        "A clear bit denies WRMSR.",
        FILTER,
        caps!(KVM_CAP_X86_MSR_FILTER),
        |checks| filtered(checks, 0, BOTH, 0xfe, write_sysenter, Some(KVM_EXIT_X86_WRMSR)),
    ),
    case(MSRS, "msr_filter_allows", "A set bit allows the access.", FILTER, caps!(KVM_CAP_X86_MSR_FILTER), |checks| {
        filtered(checks, KVM_MSR_FILTER_DEFAULT_DENY, BOTH, 1, read_sysenter, None)
    }),
    case(
        MSRS,
        "msr_filter_of_reads_leaves_writes_alone",
        "A range for reads says nothing of writes.",
        FILTER,
        caps!(KVM_CAP_X86_MSR_FILTER),
        |checks| filtered(checks, 0, KVM_MSR_FILTER_READ, 0, write_sysenter, None),
    ),
    case(
        MSRS,
        "msr_filter_of_writes_leaves_reads_alone",
        "A range for writes says nothing of reads.",
        FILTER,
        caps!(KVM_CAP_X86_MSR_FILTER),
        |checks| filtered(checks, 0, KVM_MSR_FILTER_WRITE, 0, read_sysenter, None),
    ),
    case(
        MSRS,
        "msr_filter_default_deny",
        "With KVM_MSR_FILTER_DEFAULT_DENY what no range names is denied.",
        FILTER,
        caps!(KVM_CAP_X86_MSR_FILTER),
        |checks| {
            filtered(
                checks,
                KVM_MSR_FILTER_DEFAULT_DENY,
                KVM_MSR_FILTER_WRITE,
                0xff,
                read_sysenter,
                Some(KVM_EXIT_X86_RDMSR),
            )
        },
    ),
    case(
        MSRS,
        "msr_filter_without_exits_is_gp",
        "A denied access is #GP where no exit is enabled for it.",
        FILTER,
        caps!(KVM_CAP_X86_MSR_FILTER),
        |checks| {
            let machine = exiting(0)?;
            filter(&machine, 0, BOTH, 0)?;
            let vcpu = machine.with_code(read_sysenter)?;
            checks.answers("exit", kvm_bindings::KVM_EXIT_HLT.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        MSRS,
        "msr_filter_does_not_bind_user_space",
        "Accesses of user space are not filtered.",
        FILTER,
        caps!(KVM_CAP_X86_MSR_FILTER),
        |checks| {
            let machine = exiting(KVM_MSR_EXIT_REASON_FILTER)?;
            filter(&machine, 0, BOTH, 0)?;
            let vcpu = machine.vcpu(0)?;
            checks.answers("set", 1, set(&vcpu, &[(SYSENTER_CS, 8)]));
            checks.is("get", 8_u64, get(&vcpu, SYSENTER_CS)?);
            Ok(())
        },
    ),
    case(
        MSRS,
        "msr_filter_arguments",
        "Unknown flags, ranges without a direction, ranges that are too long and denial of everything by none are refused.",
        FILTER,
        caps!(KVM_CAP_X86_MSR_FILTER),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            checks.invalid("flag 1", filter(&machine, 2, BOTH, 0));
            checks.invalid("range flag 2", filter(&machine, 0, 4, 0));
            checks.invalid("no direction", filter(&machine, 0, 0, 0));
            let mut bitmap = [0_u8; 0x800];
            let mut long = kvm_msr_filter::default();
            long.ranges[0] =
                kvm_msr_filter_range { flags: BOTH, nmsrs: 0x600 * 8 + 8, base: 0, bitmap: bitmap.as_mut_ptr() };
            checks.invalid("too long", machine.vm.request(&X86_SET_MSR_FILTER, &mut long));
            let mut none = kvm_msr_filter { flags: KVM_MSR_FILTER_DEFAULT_DENY, ..Default::default() };
            checks.invalid("denied by no range", machine.vm.request(&X86_SET_MSR_FILTER, &mut none));
            none.flags = 0;
            checks.done("no range", machine.vm.request(&X86_SET_MSR_FILTER, &mut none));
            Ok(())
        },
    ),
];
