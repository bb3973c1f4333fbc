//! KVM's hypercalls at CPL 0: numbers, arguments, results, registers.

use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::hypercall::{self, Instruction, Registers},
    instruction, mmio, names, paging,
    vocabulary::{Needs, Text},
};

/// Numbers of hypercalls.
mod number {
    pub(super) const VAPIC_POLL_IRQ: u64 = 1;
    pub(super) const MMU_OP: u64 = 2;
    pub(super) const FEATURES: u64 = 3;
    pub(super) const CLOCK_PAIRING: u64 = 9;
}

/// `-KVM_ENOSYS`, `-KVM_EOPNOTSUPP`, `-KVM_EFAULT`.
const NO_SUCH_CALL: u64 = -1000_i64 as u64;
const NOT_SUPPORTED: u64 = -95_i64 as u64;
const BAD_ADDRESS: u64 = -14_i64 as u64;

/// KVM_HC_VAPIC_POLL_IRQ succeeds with 0.
#[case(feature = HypercallKvm, spec = kvm("Linux KVM Hypercall"), needs = Needs::KVM)]
fn poll_succeeds() {
    let result = hypercall::call(Instruction::of_vendor(), number::VAPIC_POLL_IRQ, [0; 4]);
    check_outcome!("the hypercall", result, Outcome::COMPLETED);
    check_eq!("RAX", result.unwrap_or(u64::MAX), 0);
}

/// A hypercall that x86 does not have returns -KVM_ENOSYS: unknown numbers, retired ones and those of others.
#[case(feature = HypercallKvm, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn unknown_number() {
    const NAMES: &[Text] = names!["0", "MMU_OP", "FEATURES", "4", "MIPS_GET_CLOCK_FREQ", "12345", "2^31", "2^63"];
    let instruction = Instruction::of_vendor();
    let numbers = [0, number::MMU_OP, number::FEATURES, 4, 6, 12345, 1 << 31, 1 << 63];
    for (row, number) in numbers.into_iter().enumerate() {
        let result = hypercall::call(instruction, number, [0; 4]);
        check_outcome!("the hypercall", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("RAX", [NAMES; row], result.unwrap_or(0), NO_SUCH_CALL);
    }
}

/// In 64-bit mode the number is all of RAX: the low half alone does not make a known hypercall.
#[case(feature = HypercallKvm, spec = kvm("Linux KVM Hypercall"), needs = Needs::KVM)]
fn number_is_all_of_rax() {
    let instruction = Instruction::of_vendor();
    for (row, high) in [1_u64 << 32, 0xffff_ffff_0000_0000].into_iter().enumerate() {
        let result = hypercall::call(instruction, number::VAPIC_POLL_IRQ | high, [0; 4]);
        check_outcome!("the hypercall", [&[]; row], result, Outcome::COMPLETED);
        check_eq!("RAX", [&[]; row], result.unwrap_or(0), NO_SUCH_CALL);
    }
}

/// A hypercall changes RAX and no other register.
#[case(feature = HypercallKvm, spec = kvm("Linux KVM Hypercall"), needs = Needs::KVM)]
fn other_registers_are_kept() {
    const NAMES: &[Text] = names!["known number", "unknown number"];
    let instruction = Instruction::of_vendor();
    for (row, number) in [number::VAPIC_POLL_IRQ, 12345].into_iter().enumerate() {
        let before = Registers {
            rax: number,
            rbx: 0xb1b2_b3b4_b5b6_b7b8,
            rcx: 0xc1c2_c3c4_c5c6_c7c8,
            rdx: 0xd1d2_d3d4_d5d6_d7d8,
            rsi: 0x5152_5354_5556_5758,
            rdi: 0x6162_6364_6566_6768,
            r8: 0x8182_8384_8586_8788,
            r9: 0x9192_9394_9596_9798,
            r10: 0xa1a2_a3a4_a5a6_a7a8,
            r11: 0xe1e2_e3e4_e5e6_e7e8,
        };
        let result = hypercall::raw(instruction, before);
        check_outcome!("the hypercall", [NAMES; row], result, Outcome::COMPLETED);
        let after = result.unwrap_or(Registers { rbx: 0, ..before });
        check_eq!("RBX", [NAMES; row], after.rbx, before.rbx);
        check_eq!("RCX", [NAMES; row], after.rcx, before.rcx);
        check_eq!("RDX", [NAMES; row], after.rdx, before.rdx);
        check_eq!("RSI", [NAMES; row], after.rsi, before.rsi);
        check_eq!("RDI", [NAMES; row], after.rdi, before.rdi);
        check_eq!("R8", [NAMES; row], after.r8, before.r8);
        check_eq!("R9", [NAMES; row], after.r9, before.r9);
        check_eq!("R10", [NAMES; row], after.r10, before.r10);
        check_eq!("R11", [NAMES; row], after.r11, before.r11);
    }
}

/// KVM_HC_CLOCK_PAIRING refuses every clock type but the wall clock with -KVM_EOPNOTSUPP, and writes nothing.
#[case(feature = HypercallKvm, spec = kvm("Linux KVM Hypercall"), needs = Needs::KVM)]
fn clock_pairing_refuses_other_clocks() {
    let instruction = Instruction::of_vendor();
    let buffer = paging::frame(0);
    mmio::write_u64(buffer, 0x5555_5555_5555_5555);
    for (row, clock) in [1_u64, 0x8000_0000, u64::MAX].into_iter().enumerate() {
        let result = hypercall::call(instruction, number::CLOCK_PAIRING, [buffer, clock, 0, 0]);
        check_outcome!("the hypercall", [&[]; row], result, Outcome::COMPLETED);
        check_eq!("RAX", [&[]; row], result.unwrap_or(0), NOT_SUPPORTED);
    }
    check_eq!("memory", mmio::read_u64(buffer), 0x5555_5555_5555_5555_u64);
}

/// KVM_HC_CLOCK_PAIRING either fills its structure with a time, or says -KVM_EOPNOTSUPP because the host's clock is not
/// the TSC; an address without memory gives -KVM_EFAULT in the first case.
#[case(feature = HypercallKvm, spec = [kvm("Linux KVM Hypercall"), kvm_para("Return values for hypercalls")],
       needs = Needs::KVM)]
fn clock_pairing_fills_its_structure() {
    let instruction = Instruction::of_vendor();
    let buffer = paging::frame(0);
    let result = hypercall::call(instruction, number::CLOCK_PAIRING, [buffer, 0, 0, 0]);
    check_outcome!("the hypercall", result, Outcome::COMPLETED);
    match result.unwrap_or(u64::MAX) {
        0 => {
            check!("seconds since 1970 are more than those of 2020", mmio::read_u64(buffer) > 1_577_836_800);
            check!("nanoseconds are fewer than a second's", mmio::read_u64(buffer + 8) < 1_000_000_000);
            check!("there is a TSC value", mmio::read_u64(buffer + 16) != 0);
            let result = hypercall::call(instruction, number::CLOCK_PAIRING, [1 << 45, 0, 0, 0]);
            check_eq!("RAX for an address without memory", result.unwrap_or(0), BAD_ADDRESS);
        }
        // A KVM without the call does not know its number.
        NO_SUCH_CALL => rt::skip!("this KVM has no KVM_HC_CLOCK_PAIRING"),
        other => {
            check_eq!("RAX", other, NOT_SUPPORTED);
            check_eq!("memory", mmio::read_u64(buffer), 0);
        }
    }
}

/// LOCK before VMCALL or VMMCALL raises #UD.
#[case(feature = HypercallKvm, spec = [sdm2("LOCK—Assert LOCK# Signal Prefix"), apm3("Lock Prefix")])]
fn lock_prefix_is_invalid() {
    let vmcall = instruction!(".byte 0xf0, 0x0f, 0x01, 0xc1", inout("rax") number::VAPIC_POLL_IRQ => _);
    check_outcome!("LOCK VMCALL", vmcall, Outcome::UD);
    let vmmcall = instruction!(".byte 0xf0, 0x0f, 0x01, 0xd9", inout("rax") number::VAPIC_POLL_IRQ => _);
    check_outcome!("LOCK VMMCALL", vmmcall, Outcome::UD);
}
