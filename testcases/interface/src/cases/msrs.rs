//! Lists of MSRs and MSR exits.

use super::{caps, case};
use crate::{
    Case, Trouble,
    api::Answer,
    machine::{Code, END, Irqchip, Machine, Vcpu, end},
    requests::*,
};
use case::Feature::InterfaceMsrs as MSRS;
use iced_x86::code_asm::{eax, ecx, edx};
use kvm_bindings::{
    KVM_CAP_X86_USER_SPACE_MSR, KVM_EXIT_IO, KVM_EXIT_X86_RDMSR, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_FILTER,
    KVM_MSR_EXIT_REASON_UNKNOWN,
};

pub(super) const EXIT_TITLE: &str = "KVM_CAP_X86_USER_SPACE_MSR";
const SET: &str = "KVM_SET_MSRS";

/// An MSR that every processor has, and one that none has.
pub(super) const SYSENTER_CS: u32 = 0x174;
const NOBODY: u32 = 0x4b56_4dee;

/// A VM whose MSR exits for these reasons go to user space; #GP leads to a halt at 4000H.
pub(super) fn exiting(reasons: u32) -> Result<Machine, Trouble> {
    let machine = Machine::new(Irqchip::None)?;
    machine.memory.write(13 * 4, &[0, 0x40, 0, 0]);
    machine.memory.write(0x4000, &[0xf4]);
    machine.enable(KVM_CAP_X86_USER_SPACE_MSR, reasons.into())?;
    Ok(machine)
}

fn read_nobody(a: &mut iced_x86::code_asm::CodeAssembler) -> Result<(), iced_x86::IcedError> {
    a.mov(ecx, NOBODY)?;
    a.rdmsr()?;
    end(a)
}

fn write_nobody(a: &mut iced_x86::code_asm::CodeAssembler) -> Result<(), iced_x86::IcedError> {
    a.mov(ecx, NOBODY)?;
    a.mov(eax, 0x5566_7788_u32)?;
    a.mov(edx, 0x1122_3344_u32)?;
    a.wrmsr()?;
    end(a)
}

pub(super) fn set(vcpu: &Vcpu<'_>, msrs: &[(u32, u64)]) -> Answer {
    vcpu.handle.request(&SET_MSRS, &mut Msrs::of(msrs))
}

pub(super) fn get(vcpu: &Vcpu<'_>, index: u32) -> Result<u64, Trouble> {
    let mut list = Msrs::of(&[(index, 0)]);
    vcpu.handle.request(&GET_MSRS, &mut list)?;
    Ok(list.entries[0].data)
}

pub(crate) const CASES: &[Case] = &[
    case(
        MSRS,
        "set_msrs_answers_their_number",
        "KVM_SET_MSRS and KVM_GET_MSRS answer how many MSRs they set or read.",
        SET,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            checks.answers("set", 3, set(&vcpu, &[(0x174, 0x10), (0x175, 0x2000), (0x176, 0x3000)]));
            let mut list = Msrs::of(&[(0x174, 0), (0x175, 0), (0x176, 0)]);
            checks.answers("get", 3, vcpu.handle.request(&GET_MSRS, &mut list));
            for (entry, expected) in list.entries.iter().zip([0x10_u64, 0x2000, 0x3000]) {
                checks.is(format!("MSR {:#x}", entry.index), expected, entry.data);
            }
            checks.answers("none", 0, set(&vcpu, &[]));
            Ok(())
        },
    ),
    case(
        MSRS,
        "set_msrs_stops_at_the_first_bad",
        "KVM_SET_MSRS stops at the first MSR that it cannot set, and answers how many it has set.",
        SET,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            checks.answers("one of three", 1, set(&vcpu, &[(0x174, 0x18), (NOBODY, 1), (0x175, 0x5000)]));
            checks.is("before it", 0x18_u64, get(&vcpu, 0x174)?);
            checks.is("behind it", 0_u64, get(&vcpu, 0x175)?);
            checks.answers("the first", 0, set(&vcpu, &[(NOBODY, 1), (0x174, 0x20)]));
            Ok(())
        },
    ),
    case(
        MSRS,
        "get_msrs_stops_at_the_first_bad",
        "KVM_GET_MSRS answers how many it has read.",
        "KVM_GET_MSRS",
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            checks.answers(
                "two of three",
                2,
                vcpu.handle.request(&GET_MSRS, &mut Msrs::of(&[(0x174, 0), (0x175, 0), (NOBODY, 0)])),
            );
            Ok(())
        },
    ),
    case(
        MSRS,
        "set_msrs_refuses_illegal_values",
        "A value that WRMSR would refuse is not set.",
        SET,
        caps!(),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            let vcpu = machine.vcpu(0)?;
            for (id, index, value) in [
                ("IA32_PAT, type 2", 0x277, 2),
                ("IA32_EFER, bit 63", 0xc000_0080, 1 << 63),
                ("IA32_MTRR_DEF_TYPE, type 2", 0x2ff, 2),
            ] {
                checks.answers(id, 0, set(&vcpu, &[(index, value)]));
            }
            checks.answers("IA32_PAT, right", 1, set(&vcpu, &[(0x277, 0x0007_0406_0007_0406)]));
            Ok(())
        },
    ),
    case(MSRS, "msr_list_too_long", "A list of 256 MSRs or more is refused.", SET, caps!(), |checks| {
        let machine = Machine::new(Irqchip::None)?;
        let vcpu = machine.vcpu(0)?;
        let mut list = Msrs { count: 0x1000, ..Default::default() };
        checks.refused("set", &[libc::E2BIG], vcpu.handle.request(&SET_MSRS, &mut list));
        checks.refused("get", &[libc::E2BIG], vcpu.handle.request(&GET_MSRS, &mut list));
        Ok(())
    }),
    case(
        MSRS,
        "msr_exit_of_an_unknown_read",
        "RDMSR of an MSR that KVM does not know leaves to user space, whose value it takes.",
        EXIT_TITLE,
        caps!(KVM_CAP_X86_USER_SPACE_MSR),
        |checks| {
            let machine = exiting(KVM_MSR_EXIT_REASON_UNKNOWN)?;
            let vcpu = machine.with_code(read_nobody)?;
            checks.answers("exit", KVM_EXIT_X86_RDMSR.into(), vcpu.run());
            let msr = vcpu.msr();
            checks.is("reason", KVM_MSR_EXIT_REASON_UNKNOWN, msr.reason);
            checks.is("index", NOBODY, msr.index);
            vcpu.answer_msr(false, 0x1234_5678_9abc_def0);
            checks.answers("end", KVM_EXIT_IO.into(), vcpu.run());
            let regs = vcpu.regs()?;
            checks.is("EAX", 0x9abc_def0_u32, regs.rax as u32);
            // DX is the port by which the guest ends.
            checks.is("EDX", 0x1234_0000_u32 | u32::from(END), regs.rdx as u32);
            Ok(())
        },
    ),
    case(
        MSRS,
        "msr_exit_of_an_unknown_write",
        "WRMSR to an MSR that KVM does not know leaves to user space with its value.",
        EXIT_TITLE,
        caps!(KVM_CAP_X86_USER_SPACE_MSR),
        |checks| {
            let machine = exiting(KVM_MSR_EXIT_REASON_UNKNOWN)?;
            let vcpu = machine.with_code(write_nobody)?;
            checks.answers("exit", KVM_EXIT_X86_WRMSR.into(), vcpu.run());
            let msr = vcpu.msr();
            checks.is("index", NOBODY, msr.index);
            checks.is("data", 0x1122_3344_5566_7788_u64, msr.data);
            vcpu.answer_msr(false, 0);
            checks.answers("end", KVM_EXIT_IO.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        MSRS,
        "msr_exit_answered_by_an_error",
        "An MSR exit that user space answers with an error becomes #GP.",
        EXIT_TITLE,
        caps!(KVM_CAP_X86_USER_SPACE_MSR),
        |checks| {
            for (id, code) in [("read", read_nobody as Code), ("write", write_nobody)] {
                let machine = exiting(KVM_MSR_EXIT_REASON_UNKNOWN)?;
                let vcpu = machine.with_code(code)?;
                vcpu.run()?;
                vcpu.answer_msr(true, 0);
                checks.answers(format!("{id}: exit"), kvm_bindings::KVM_EXIT_HLT.into(), vcpu.run());
                checks.is(format!("{id}: RIP"), 0x4001_u64, vcpu.regs()?.rip);
            }
            Ok(())
        },
    ),
    case(
        MSRS,
        "msr_exit_only_for_its_reasons",
        "Accesses for other reasons than those that are enabled are #GP as ever.",
        EXIT_TITLE,
        caps!(KVM_CAP_X86_USER_SPACE_MSR),
        |checks| {
            let machine = exiting(KVM_MSR_EXIT_REASON_FILTER)?;
            let vcpu = machine.with_code(read_nobody)?;
            checks.answers("exit", kvm_bindings::KVM_EXIT_HLT.into(), vcpu.run());
            Ok(())
        },
    ),
    case(
        MSRS,
        "msr_exit_reasons_unknown",
        "Unknown reasons are refused.",
        EXIT_TITLE,
        caps!(KVM_CAP_X86_USER_SPACE_MSR),
        |checks| {
            let machine = Machine::new(Irqchip::None)?;
            for bit in [3, 31, 63] {
                checks.invalid(format!("bit {bit}"), machine.enable(KVM_CAP_X86_USER_SPACE_MSR, 1 << bit));
            }
            checks.done("all three", machine.enable(KVM_CAP_X86_USER_SPACE_MSR, 7));
            Ok(())
        },
    ),
];
