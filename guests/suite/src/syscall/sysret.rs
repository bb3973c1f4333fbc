//! SYSRET.

use super::{STAR, address_of, enable_syscall, landing_address};
use case::{Needs, Text};
use rt::{
    Exception, Outcome, case, check, check_eq, check_outcome,
    cpu::msr::{
        self,
        efer::SCE,
        number::{IA32_EFER, IA32_STAR},
    },
    instruction, names,
    tables::selector,
    user::{self, RFLAGS_CLEAR},
    user_code,
};

user_code!(sysret_64: "mov rcx, rdi", "mov r11d, 2", "sysretq");
user_code!(sysret_32: "mov rcx, rdi", "mov r11d, 2", "sysret");

/// SYSRET to 64-bit mode, and the exception behind it.
pub(super) fn sysret(rip: u64, rflags: u64) -> Result<(), Exception> {
    instruction!("sysretq", in("rcx") rip, in("r11") rflags)
}

/// SYSRET to 64-bit mode goes to RCX at CPL 3, with the segments of STAR and RFLAGS from R11.
#[case(
    feature = SyscallSysret,
    spec = [sdm2("SYSRET—Return From Fast System Call"), apm3("SYSRET")],
    needs = Needs::SYSCALL,
)]
fn sysret_to_64_bit_mode() {
    enable_syscall();
    let (mut rsp, mut address) = (0_u64, landing_address());
    let result = instruction!("mov [{0}], rsp", "sysretq", in(reg) &raw mut rsp, inout("rcx") address, in("r11") 2_u64);
    check_outcome!("what the UD2 at RCX raises", result, Outcome::UD);
    let Err(exception) = result else { return };
    check_eq!("RIP", exception.rip, landing_address());
    check_eq!("CS", exception.cs, selector::USER_CODE);
    check_eq!("SS", exception.ss, selector::USER_DATA);
    check_eq!("RSP", exception.rsp, rsp);
    // Nothing may come back here with another target.
    address ^= landing_address();
    check_eq!("RCX", address, 0);
}

/// SYSRET to compatibility mode goes to ECX at CPL 3 in a 32-bit code segment.
#[case(
    feature = SyscallSysret,
    spec = [sdm2("SYSRET—Return From Fast System Call"), apm3("SYSRET")],
    needs = Needs::SYSCALL,
)]
fn sysret_to_compatibility_mode() {
    enable_syscall();
    let garbage = 0xdead_beef_u64 << 32;
    let result = instruction!("sysret", in("rcx") landing_address() | garbage, in("r11") RFLAGS_CLEAR);
    check_outcome!("what the UD2 at ECX raises", result, Outcome::UD);
    let Err(exception) = result else { return };
    check_eq!("RIP", exception.rip, landing_address());
    check_eq!("CS", exception.cs, selector::USER_CODE_32);
    check_eq!("SS", exception.ss, selector::USER_DATA);
}

/// SYSRET raises #UD while IA32_EFER.SCE is clear.
#[case(
    feature = SyscallSysret,
    spec = [sdm2("SYSRET—Return From Fast System Call"), apm3("SYSRET")],
    needs = Needs::SYSCALL,
)]
fn sysret_without_sce() {
    enable_syscall();
    let efer = msr::read(IA32_EFER).unwrap_or(0);
    check_outcome!("clearing SCE", msr::write(IA32_EFER, efer & !SCE), Outcome::COMPLETED);
    let result = sysret(landing_address(), RFLAGS_CLEAR);
    check_outcome!("SYSRET", result, Outcome::UD);
    check!("at CPL 0", matches!(result, Err(exception) if exception.cs == selector::KERNEL_CODE));
}

/// SYSRET raises #GP(0) at CPL 3.
#[case(
    feature = SyscallSysret,
    spec = [sdm2("SYSRET—Return From Fast System Call"), apm3("SYSRET")],
    needs = Needs::SYSCALL,
)]
fn sysret_at_cpl_3() {
    enable_syscall();
    const NAMES: &[Text] = names!["to 64-bit mode", "to compatibility mode"];
    for (row, function) in [sysret_64 as extern "C" fn(u64) -> u64, sysret_32].into_iter().enumerate() {
        let result = user::call(function, landing_address());
        check_outcome!("SYSRET", [NAMES; row], result, Outcome::GP);
        check!("RIP", [NAMES; row], matches!(result, Err(exception) if exception.rip != landing_address()));
    }
}

/// On Intel processors SYSRET to a non-canonical address raises #GP(0) at CPL 0.
#[case(
    feature = SyscallSysret,
    spec = sdm2("SYSRET—Return From Fast System Call"),
    needs = Needs::INTEL | Needs::SYSCALL,
)]
fn sysret_to_non_canonical_address_on_intel() {
    enable_syscall();
    let mut rip = 0_u64;
    let result = instruction!(
        "lea {0}, [rip + 2f]", "mov [{1}], {0}", "2: sysretq",
        out(reg) _, in(reg) &raw mut rip, in("rcx") 1_u64 << 63, in("r11") RFLAGS_CLEAR
    );
    check_outcome!("SYSRET", result, Outcome::GP);
    let Err(exception) = result else { return };
    check_eq!("CS", exception.cs, selector::KERNEL_CODE);
    check_eq!("RIP", exception.rip, rip);
}

/// On AMD processors SYSRET to a non-canonical address raises #GP(0) at CPL 3, when the next instruction is fetched.
#[case(feature = SyscallSysret, spec = apm3("SYSRET"), needs = Needs::AMD | Needs::SYSCALL)]
fn sysret_to_non_canonical_address_on_amd() {
    enable_syscall();
    let result = sysret(1 << 63, RFLAGS_CLEAR);
    check_outcome!("SYSRET", result, Outcome::GP);
    let Err(exception) = result else { return };
    check_eq!("CS", exception.cs, selector::USER_CODE);
    check_eq!("RIP", exception.rip, 1_u64 << 63);
}

/// SYSRET gives CS the privilege level 3, whatever stands in the two low bits of STAR's selector.
#[case(
    feature = SyscallSysret,
    spec = [sdm2("SYSRET—Return From Fast System Call"), apm3("SYSRET")],
    needs = Needs::SYSCALL,
)]
fn sysret_forces_the_privilege_level() {
    // AMD's manual does not force that of SS.
    enable_syscall();
    for rpl in 0..4_u64 {
        let star = STAR & !(3 << 48) | rpl << 48;
        check_outcome!("STAR with RPL", [&[]; rpl], msr::write(IA32_STAR, star), Outcome::COMPLETED);
        let result = sysret(landing_address(), RFLAGS_CLEAR);
        check_eq!("CS with RPL", [&[]; rpl], result.map_or_else(|exception| exception.cs, |()| 0), selector::USER_CODE);
    }
}

user_code!(syscall: "syscall", "lea rax, [rdi + 1]", "ret");
user_code!(return_to_user: "sysretq");

/// SYSCALL and SYSRET behind it return to the instruction behind SYSCALL, with registers and flags as they were.
#[case(
    feature = SyscallSysret,
    spec = [sdm2("SYSRET—Return From Fast System Call"), apm3("SYSRET")],
    needs = Needs::SYSCALL,
)]
fn syscall_and_back() {
    enable_syscall();
    let lstar = msr::number::IA32_LSTAR;
    check_outcome!("LSTAR of a SYSRET", msr::write(lstar, address_of(return_to_user)), Outcome::COMPLETED);
    const NAMES: &[Text] = names!["small argument", "large argument"];
    for (row, argument) in [1_u64, u64::MAX - 1].into_iter().enumerate() {
        let result = user::call(syscall, argument);
        check_outcome!("call at CPL 3", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("result", [NAMES; row], result.unwrap_or(0), argument.wrapping_add(1));
    }
}
