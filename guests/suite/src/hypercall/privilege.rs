//! Hypercalls from CPL 3.

use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::hypercall::Instruction,
    mmio, names, paging,
    tables::selector,
    user::{self, register},
    user_code,
    vocabulary::{Needs, Text},
};

user_code!(vmcall: "mov rax, rdi", "vmcall", "ret");
user_code!(vmmcall: "mov rax, rdi", "vmmcall", "ret");

/// `-KVM_EPERM`.
const NOT_PERMITTED: u64 = -1_i64 as u64;

fn of_vendor() -> extern "C" fn(u64) -> u64 {
    match Instruction::of_vendor() {
        Instruction::Vmcall => vmcall,
        Instruction::Vmmcall => vmmcall,
    }
}

/// At CPL 3 every KVM hypercall returns -KVM_EPERM, known or not, and raises no exception.
#[case(feature = HypercallPrivilege, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn cpl_3_is_not_permitted() {
    const NAMES: &[Text] =
        names!["VAPIC_POLL_IRQ", "KICK_CPU", "CLOCK_PAIRING", "SEND_IPI", "SCHED_YIELD", "12345", "2^63"];
    let code = of_vendor();
    for (row, number) in [1, 5, 9, 10, 11, 12345, 1 << 63].into_iter().enumerate() {
        let result = user::call(code, number);
        check_outcome!("the hypercall", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("RAX", [NAMES; row], result.unwrap_or(0), NOT_PERMITTED);
    }
}

user_code!(vmcall_kept: "push rbx", "mov rbx, rdi", "mov rcx, rdi", "mov rdx, rdi", "mov rsi, rdi", "mov r8, rdi",
    "mov eax, 1", "vmcall", "mov rax, rbx", "xor rax, rdi", "xor rcx, rdi", "or rax, rcx", "xor rdx, rdi",
    "or rax, rdx", "xor rsi, rdi", "or rax, rsi", "xor r8, rdi", "or rax, r8", "pop rbx", "ret");
user_code!(vmmcall_kept: "push rbx", "mov rbx, rdi", "mov rcx, rdi", "mov rdx, rdi", "mov rsi, rdi", "mov r8, rdi",
    "mov eax, 1", "vmmcall", "mov rax, rbx", "xor rax, rdi", "xor rcx, rdi", "or rax, rcx", "xor rdx, rdi",
    "or rax, rdx", "xor rsi, rdi", "or rax, rsi", "xor r8, rdi", "or rax, r8", "pop rbx", "ret");

/// A refused hypercall changes RAX and no other register.
#[case(feature = HypercallPrivilege, spec = kvm("Linux KVM Hypercall"), needs = Needs::KVM)]
fn refusal_keeps_other_registers() {
    let code = match Instruction::of_vendor() {
        Instruction::Vmcall => vmcall_kept as extern "C" fn(u64) -> u64,
        Instruction::Vmmcall => vmmcall_kept,
    };
    let result = user::call(code, 0x0123_4567_89ab_cdef);
    check_outcome!("the hypercall", result, Outcome::COMPLETED);
    check_eq!("difference of RBX, RCX, RDX, RSI and R8", result.unwrap_or(u64::MAX), 0);
}

user_code!(clock_pairing_vmcall: "push rbx", "mov rbx, rdi", "xor ecx, ecx", "mov eax, 9", "vmcall", "pop rbx", "ret");
user_code!(clock_pairing_vmmcall: "push rbx", "mov rbx, rdi", "xor ecx, ecx", "mov eax, 9", "vmmcall", "pop rbx", "ret");

/// A hypercall that CPL 3 may not make writes no memory on its behalf.
#[case(feature = HypercallPrivilege, spec = kvm("Linux KVM Hypercall"), needs = Needs::KVM)]
fn refusal_writes_nothing() {
    let code = match Instruction::of_vendor() {
        Instruction::Vmcall => clock_pairing_vmcall as extern "C" fn(u64) -> u64,
        Instruction::Vmmcall => clock_pairing_vmmcall,
    };
    let buffer = paging::frame(0);
    mmio::write_u64(buffer, 0x5555_5555_5555_5555);
    let result = user::call(code, buffer);
    check_outcome!("KVM_HC_CLOCK_PAIRING", result, Outcome::COMPLETED);
    check_eq!("RAX", result.unwrap_or(0), NOT_PERMITTED);
    check_eq!("memory", mmio::read_u64(buffer), 0x5555_5555_5555_5555_u64);
}

user_code!(compatible_vmcall: "vmcall", "ud2");
user_code!(compatible_vmmcall: "vmmcall", "ud2");

/// In compatibility mode at CPL 3 the answer is -KVM_EPERM in EAX.
#[case(feature = HypercallPrivilege, spec = kvm("Linux KVM Hypercall"), needs = Needs::KVM)]
fn compatibility_mode_is_not_permitted() {
    let code = match Instruction::of_vendor() {
        Instruction::Vmcall => compatible_vmcall as extern "C" fn(u64) -> u64,
        Instruction::Vmmcall => compatible_vmmcall,
    };
    let start = code as usize as u64;
    let mut state = user::State::at(start);
    state.cs = selector::USER_CODE_32;
    state.registers[register::RAX] = 1;
    let exception = user::enter(&mut state);
    check_outcome!("UD2 behind the hypercall", exception, Outcome::UD);
    check_eq!("the hypercall is behind RIP", exception.rip, start + 3);
    check_eq!("EAX", state.registers[register::RAX] & 0xffff_ffff, NOT_PERMITTED & 0xffff_ffff);
}
