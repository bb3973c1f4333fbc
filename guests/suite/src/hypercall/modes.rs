//! Hypercalls outside of 64-bit mode: number, arguments and answer are those of 32-bit registers.

use super::answer_model::{NUMBERS, narrow};
use crate::exceptions::{
    mode::Mode,
    program::{Machine, Start},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::hypercall::Instruction,
    names,
    vocabulary::{Needs, Text},
};

const NAMES: &[Text] = names!["VAPIC_POLL_IRQ", "0", "MMU_OP", "12345", "2^31"];

fn walk(mode: Mode) {
    let machine = Machine::new(mode);
    let opcode = match Instruction::of_vendor() {
        Instruction::Vmcall => 0xc1,
        Instruction::Vmmcall => 0xd9,
    };
    for (row, (number, answer)) in NUMBERS.into_iter().enumerate() {
        let [a, b, c, d] = number.to_le_bytes();
        // MOV EAX, number.
        let bytes = [0x66, 0xb8, a, b, c, d, 0x0f, 0x01, opcode];
        let bytes = if mode.is_16_bit() { &bytes[..] } else { &bytes[1..] };
        let seen = machine.run(bytes, Start { rdx: 0x1234_5678, ..Start::PLAIN });
        let [eax, ecx, edx, ebx, .., esi, edi] = seen.registers;
        let are_kept = (ecx, edx) == (3, 0x1234_5678) && ebx == edi && esi == machine.data() + 0x100;
        let [outcome, eax, kept] = narrow(mode.is_user(), answer, seen.outcome.0, eax, are_kept);
        check_outcome!("the hypercall", [NAMES; row], Outcome(outcome.0), Outcome(outcome.1));
        check_eq!("EAX", [NAMES; row], eax.0, eax.1);
        check_eq!("the other registers are kept", [NAMES; row], kept.0, kept.1);
    }
}

/// In compatibility mode at CPL 0, a hypercall answers in EAX, known or not.
#[case(feature = HypercallKvm, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn hypercalls_in_compatibility_mode_at_cpl_0() {
    walk(Mode::Compatible0);
}

/// In compatibility mode at CPL 3, a hypercall is refused with -KVM_EPERM in EAX.
#[case(feature = HypercallPrivilege, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn hypercalls_in_compatibility_mode_at_cpl_3() {
    walk(Mode::Compatible3);
}

/// In 32-bit protected mode at CPL 0, a hypercall answers in EAX, known or not.
#[case(feature = HypercallKvm, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn hypercalls_in_32_bit_mode_at_cpl_0() {
    walk(Mode::Protected32);
}

/// In 32-bit protected mode at CPL 3, a hypercall is refused with -KVM_EPERM in EAX.
#[case(feature = HypercallPrivilege, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn hypercalls_in_32_bit_mode_at_cpl_3() {
    walk(Mode::User32);
}

/// In 16-bit protected mode at CPL 0, a hypercall answers in EAX, known or not.
#[case(feature = HypercallKvm, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn hypercalls_in_16_bit_mode_at_cpl_0() {
    walk(Mode::Protected16);
}

/// In real mode, which has CPL 0, a hypercall answers in EAX, known or not.
#[case(feature = HypercallKvm, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn hypercalls_in_real_mode() {
    walk(Mode::Real);
}

/// In virtual-8086 mode, which has CPL 3, a hypercall is refused with -KVM_EPERM in EAX.
#[case(feature = HypercallPrivilege, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn hypercalls_in_virtual_8086_mode() {
    walk(Mode::Virtual8086);
}
