//! SYSCALL.

use super::{RF, STAR, address_of, enable_syscall, landing_address};
use case::{Needs, Text};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::msr::{
        self,
        number::{IA32_CSTAR, IA32_EFER, IA32_FMASK, IA32_LSTAR, IA32_STAR},
    },
    instruction, names,
    tables::selector,
    user::{self, RFLAGS_CLEAR, State, register},
    user_code,
};

user_code!(syscall: "syscall", "ud2");
user_code!(syscall_32: ".code32", "syscall", "ud2", ".code64");
user_code!(return_to_rcx: "jmp rcx");

/// Length of SYSCALL in bytes.
const LENGTH: u64 = 2;
/// CF, PF, AF, ZF, SF, DF, OF, AC, ID and the bit that is always set: flags without effect on the next instruction.
const FLAGS: u64 = 0x0024_0cd7;

/// SYSCALL at CPL 3 goes to LSTAR at CPL 0, with the return address in RCX and RFLAGS in R11.
#[case(feature = SyscallSysret, spec = [sdm2("SYSCALL—Fast System Call"), apm3("SYSCALL")], needs = Needs::SYSCALL)]
fn syscall_enters_the_kernel() {
    enable_syscall();
    let mut state = State::at(address_of(syscall));
    state.rflags = FLAGS;
    let before = state;
    let exception = user::enter(&mut state);
    check_outcome!("what the UD2 at LSTAR raises", Outcome::from(exception), Outcome::UD);
    check_eq!("RIP", exception.rip, landing_address());
    check_eq!("CS", exception.cs, selector::KERNEL_CODE);
    check_eq!("SS", exception.ss, selector::KERNEL_DATA);
    check_eq!("RCX", state.registers[register::RCX], before.rip + LENGTH);
    check_eq!("R11", state.registers[register::R11], FLAGS);
    check_eq!("RFLAGS", exception.rflags & !RF, FLAGS);
    check_eq!("RSP", exception.rsp, before.registers[register::RSP]);
}

/// SYSCALL changes no general-purpose register but RCX and R11.
#[case(feature = SyscallSysret, spec = [sdm2("SYSCALL—Fast System Call"), apm3("SYSCALL")], needs = Needs::SYSCALL)]
fn syscall_keeps_registers() {
    enable_syscall();
    let mut state = State::at(address_of(syscall));
    for (index, value) in state.registers.iter_mut().enumerate() {
        if index != register::RSP {
            *value = 0x1111_1111_1111_1111_u64.wrapping_mul(index as u64 + 1);
        }
    }
    let before = state;
    check_outcome!("what the UD2 at LSTAR raises", Outcome::from(user::enter(&mut state)), Outcome::UD);
    for index in 0..state.registers.len() {
        if index != register::RCX && index != register::R11 {
            check_eq!("register", [&[]; index], state.registers[index], before.registers[index]);
        }
    }
}

/// SYSCALL clears the flags that are set in FMASK and no other; R11 keeps them.
#[case(feature = SyscallSysret, spec = [sdm2("SYSCALL—Fast System Call"), apm3("SYSCALL")], needs = Needs::SYSCALL)]
fn fmask_clears_flags() {
    enable_syscall();
    const NAMES: &[Text] = names!["CF", "ZF", "DF", "OF", "IOPL", "NT", "AC", "ID"];
    let flags = [1, 1 << 6, 1 << 10, 1 << 11, 3 << 12, 1 << 14, 1 << 18, 1 << 21];
    // All of them but IOPL and NT, which a subject may lose on the way to CPL 3.
    let others = 1 | 1 << 6 | 1 << 10 | 1 << 11 | 1 << 18 | 1 << 21 | RFLAGS_CLEAR;
    for (row, flag) in flags.into_iter().enumerate() {
        check_outcome!("FMASK", [NAMES; row], msr::write(IA32_FMASK, flag), Outcome::COMPLETED);
        let mut state = State::at(address_of(syscall));
        let all = others | flag;
        state.rflags = all;
        let exception = user::enter(&mut state);
        check_eq!("RFLAGS without", [NAMES; row], exception.rflags & !RF, all & !flag);
        check_eq!("R11", [NAMES; row], state.registers[register::R11] & !RF, all);
    }
}

/// An FMASK of all ones clears every flag but the one that is always set.
#[case(feature = SyscallSysret, spec = [sdm2("SYSCALL—Fast System Call"), apm3("SYSCALL")], needs = Needs::SYSCALL)]
fn fmask_of_all_ones() {
    enable_syscall();
    check_outcome!("FMASK of all ones", msr::write(IA32_FMASK, 0xffff_ffff), Outcome::COMPLETED);
    let mut state = State::at(address_of(syscall));
    state.rflags = FLAGS;
    let exception = user::enter(&mut state);
    check_outcome!("what the UD2 at LSTAR raises", Outcome::from(exception), Outcome::UD);
    check_eq!("RFLAGS", exception.rflags & !RF, RFLAGS_CLEAR);
    check_eq!("R11", state.registers[register::R11], FLAGS);
}

/// SYSCALL raises #UD while IA32_EFER.SCE is clear, at CPL 3 and at CPL 0.
#[case(feature = SyscallSysret, spec = [sdm2("SYSCALL—Fast System Call"), apm3("SYSCALL")], needs = Needs::SYSCALL)]
fn syscall_without_sce() {
    enable_syscall();
    let efer = msr::read(IA32_EFER).unwrap_or(0) & !msr::efer::SCE;
    check_outcome!("clearing SCE", msr::write(IA32_EFER, efer), Outcome::COMPLETED);
    let mut state = State::at(address_of(syscall));
    let exception = user::enter(&mut state);
    check_outcome!("at CPL 3", Outcome::from(exception), Outcome::UD);
    check_eq!("RIP at CPL 3", exception.rip, address_of(syscall));
    check_eq!("CPL", exception.cs & 3, 3);
    let result = instruction!("syscall", out("rcx") _, out("r11") _);
    check_outcome!("at CPL 0", result, Outcome::UD);
}

/// SYSCALL works at CPL 0 too.
#[case(feature = SyscallSysret, spec = [sdm2("SYSCALL—Fast System Call"), apm3("SYSCALL")], needs = Needs::SYSCALL)]
fn syscall_at_cpl_0() {
    enable_syscall();
    check_outcome!("LSTAR of a jump", msr::write(IA32_LSTAR, address_of(return_to_rcx)), Outcome::COMPLETED);
    let (mut next, mut rcx, mut r11, mut rflags) = (0_u64, 0_u64, 0_u64, 0_u64);
    let result = instruction!(
        "lea {0}, [rip + 2f]", "stc", "pushfq", "pop {1}", "syscall", "2: nop",
        out(reg) next, out(reg) rflags, out("rcx") rcx, out("r11") r11
    );
    check_outcome!("SYSCALL and a jump to RCX", result, Outcome::COMPLETED);
    check_eq!("RCX", rcx, next);
    check_eq!("R11", r11, rflags);
}

/// SYSCALL takes CS and SS from bits 47 to 32 of STAR, with the two low bits of CS cleared.
#[case(feature = SyscallSysret, spec = [sdm2("SYSCALL—Fast System Call"), apm3("SYSCALL")], needs = Needs::SYSCALL)]
fn selectors_of_syscall() {
    // Neither instruction looks at the descriptor table, so selectors without a descriptor do.
    const NAMES: &[Text] = names!["0008", "0010", "1000"];
    enable_syscall();
    for (row, base) in [0x08_u16, 0x10, 0x1000].into_iter().enumerate() {
        let star = STAR & !(0xffff << 32) | u64::from(base) << 32;
        check_outcome!("STAR", [NAMES; row], msr::write(IA32_STAR, star), Outcome::COMPLETED);
        let exception = user::enter(&mut State::at(address_of(syscall)));
        check_outcome!("what the UD2 at LSTAR raises", [NAMES; row], Outcome::from(exception), Outcome::UD);
        check_eq!("CS", [NAMES; row], exception.cs, base);
        check_eq!("SS", [NAMES; row], exception.ss, base + 8);
    }
}

/// On AMD processors SYSCALL in compatibility mode goes to CSTAR, in 64-bit mode.
#[case(feature = SyscallSysret, spec = apm3("SYSCALL"), needs = Needs::AMD | Needs::SYSCALL)]
fn syscall_in_compatibility_mode_on_amd() {
    enable_syscall();
    check_outcome!("LSTAR elsewhere", msr::write(IA32_LSTAR, 0), Outcome::COMPLETED);
    check_eq!("CSTAR is kept", msr::read(IA32_CSTAR).unwrap_or(0), landing_address());
    let mut state = State::at(address_of(syscall_32));
    state.cs = selector::USER_CODE_32;
    let exception = user::enter(&mut state);
    check_outcome!("what the UD2 at CSTAR raises", Outcome::from(exception), Outcome::UD);
    check_eq!("RIP", exception.rip, landing_address());
    check_eq!("CS", exception.cs, selector::KERNEL_CODE);
    check_eq!("RCX", state.registers[register::RCX], address_of(syscall_32) + LENGTH);
}

/// On Intel processors SYSCALL raises #UD in compatibility mode.
#[case(feature = SyscallSysret, spec = sdm2("SYSCALL—Fast System Call"), needs = Needs::INTEL | Needs::SYSCALL)]
fn syscall_in_compatibility_mode_on_intel() {
    enable_syscall();
    let mut state = State::at(address_of(syscall_32));
    state.cs = selector::USER_CODE_32;
    let exception = user::enter(&mut state);
    check_outcome!("SYSCALL", Outcome::from(exception), Outcome::UD);
    check_eq!("RIP", exception.rip, address_of(syscall_32));
    check_eq!("CS", exception.cs, selector::USER_CODE_32);
}
