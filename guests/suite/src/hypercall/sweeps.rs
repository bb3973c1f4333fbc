//! Hypercall numbers in bulk, at both privilege levels, and the MSRs of every advertised feature.

use super::answer_model::refused;
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        cpuid::{HYPERVISOR_BASE, read_leaf},
        hypercall::{self, Instruction},
        msr,
    },
    names, user, user_code,
    vocabulary::{Needs, Text},
};

/// `-KVM_ENOSYS`.
const NO_SUCH_CALL: u64 = -1000_i64 as u64;

/// Numbers that no x86 kernel gives a meaning, as far as the documentation goes: retired ones, those of other
/// architectures, and some way beyond the last. MAP_GPA_RANGE (12) is left out: it depends on the VMM.
fn is_unknown(number: u64) -> bool {
    !matches!(number, 1 | 5 | 9 | 10 | 11 | 12)
}

/// Every number up to 63 that x86 has no call for returns -KVM_ENOSYS, and so does a number with any higher bit set,
/// whatever stands below it.
#[case(feature = HypercallKvm, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn every_unknown_number() {
    let instruction = Instruction::of_vendor();
    for number in (0..64).filter(|&number| is_unknown(number)) {
        let result = hypercall::call(instruction, number, [0; 4]);
        check_outcome!("the hypercall", [&[]; number], result, Outcome::COMPLETED);
        check_eq!("RAX", [&[]; number], result.unwrap_or(0), NO_SUCH_CALL);
    }
    for bit in 6..64_u64 {
        let alone = hypercall::call(instruction, 1 << bit, [0; 4]);
        check_eq!("RAX for one bit", [&[]; bit], alone.unwrap_or(0), NO_SUCH_CALL);
        let with_poll = hypercall::call(instruction, 1 << bit | 1, [0; 4]);
        check_eq!("RAX for one bit and VAPIC_POLL_IRQ", [&[]; bit], with_poll.unwrap_or(0), NO_SUCH_CALL);
    }
}

/// Arguments of a hypercall that takes none do not matter.
#[case(feature = HypercallKvm, spec = kvm("Linux KVM Hypercall"), needs = Needs::KVM)]
fn arguments_that_nobody_takes() {
    let instruction = Instruction::of_vendor();
    for argument in 0..4_usize {
        for (row, value) in [1, u64::MAX, 1 << 63, 0xdead_beef_0000].into_iter().enumerate() {
            let mut arguments = [0; 4];
            arguments[argument] = value;
            let result = hypercall::call(instruction, 1, arguments);
            check_outcome!("VAPIC_POLL_IRQ", [&[]; argument * 4 + row], result, Outcome::COMPLETED);
            check_eq!("RAX", [&[]; argument * 4 + row], result.unwrap_or(1), 0);
            let result = hypercall::call(instruction, 12345, arguments);
            check_eq!("RAX of an unknown number", [&[]; argument * 4 + row], result.unwrap_or(0), NO_SUCH_CALL);
        }
    }
}

user_code!(vmcall: "mov rax, rdi", "vmcall", "ret");
user_code!(vmmcall: "mov rax, rdi", "vmmcall", "ret");

/// At CPL 3 every number up to 63, known or not, returns -KVM_EPERM.
#[case(feature = HypercallPrivilege, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn every_small_number_at_cpl_3() {
    let code = match Instruction::of_vendor() {
        Instruction::Vmcall => vmcall as extern "C" fn(u64) -> u64,
        Instruction::Vmmcall => vmmcall,
    };
    for number in 0..64 {
        let result = user::call(code, number);
        let [outcome, rax] = refused(Outcome::from(result).0, result.unwrap_or(0));
        check_outcome!("the hypercall", [&[]; number], Outcome(outcome.0), Outcome(outcome.1));
        check_eq!("RAX", [&[]; number], rax.0, rax.1);
    }
}

/// A feature bit and the hypercall that it announces.
const CALLS: [(u32, u64); 3] = [(7, 5), (11, 10), (13, 11)];
const CALL_NAMES: &[Text] = names!["KICK_CPU", "SEND_IPI", "SCHED_YIELD"];

/// A hypercall whose feature bit is advertised is one that the hypervisor knows. All of them need KVM's own local APICs, so
/// what is advertised depends on the set-up.
#[case(feature = HypervisorLeaves, spec = [kvm("KVM CPUID bits"), kvm("Linux KVM Hypercall")],
       needs = Needs::KVM | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn advertised_hypercalls_exist() {
    let features = read_leaf(HYPERVISOR_BASE + 1, 0).eax;
    let instruction = Instruction::of_vendor();
    // A signature without any of them is no defect.
    if CALLS.into_iter().all(|(bit, _)| features >> bit & 1 == 0) {
        return rt::skip!("no hypercall is advertised");
    }
    for (row, (bit, number)) in CALLS.into_iter().enumerate() {
        if features >> bit & 1 != 0 {
            // An empty set of destinations, or an APIC ID that no processor has.
            let arguments = if number == 10 { [0, 0, 0, 0xf0] } else { [0, 0xff, 0, 0] };
            let result = hypercall::call(instruction, number, arguments);
            check_outcome!("the hypercall", [CALL_NAMES; row], result, Outcome::COMPLETED);
            check!("it is known", [CALL_NAMES; row], result.is_ok_and(|value| value != NO_SUCH_CALL));
        }
    }
}

/// A feature bit and an MSR that it announces.
const MSRS: [(u32, u32); 4] = [(4, 0x4b56_4d02), (14, 0x4b56_4d06), (14, 0x4b56_4d07), (6, 0x4b56_4d04)];
const MSR_NAMES: &[Text] = names!["KVM_ASYNC_PF_EN", "KVM_ASYNC_PF_INT", "KVM_ASYNC_PF_ACK", "KVM_EOI_EN"];

/// The MSRs of asynchronous page faults and of the paravirtual EOI can be read and written with 0 where their bit is
/// advertised.
#[case(feature = HypervisorLeaves, spec = [kvm("KVM CPUID bits"), kvm("KVM-specific MSRs")],
       needs = Needs::KVM | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn advertised_msrs_take_zero() {
    let features = read_leaf(HYPERVISOR_BASE + 1, 0).eax;
    check!("there is a feature", features != 0);
    for (row, (bit, number)) in MSRS.into_iter().enumerate() {
        if features >> bit & 1 != 0 {
            check_outcome!("RDMSR", [MSR_NAMES; row], msr::read(number), Outcome::COMPLETED);
            check_outcome!("WRMSR of 0", [MSR_NAMES; row], msr::write(number, 0), Outcome::COMPLETED);
            check_eq!("RDMSR behind it", [MSR_NAMES; row], msr::read(number).unwrap_or(1), 0);
        }
    }
}
