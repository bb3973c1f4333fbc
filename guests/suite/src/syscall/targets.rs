//! SYSRET and SYSEXIT to both sides of every canonical boundary.

use super::{enable_syscall, landing_address, sysret::sysret};
use crate::segments::boundaries::{NAMES, TARGETS, is_canonical};
use case::Needs;
use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    cpu::msr::{self, number::IA32_SYSENTER_CS},
    instruction,
    tables::selector,
    user::RFLAGS_CLEAR,
};

fn check_targets(cpl_of_refusal: u16) {
    enable_syscall();
    for (row, target) in TARGETS.into_iter().enumerate() {
        let result = sysret(target, RFLAGS_CLEAR);
        let (expected, cpl) = if is_canonical(target) { (Outcome::pf(4), 3) } else { (Outcome::GP, cpl_of_refusal) };
        check_outcome!("SYSRET", [NAMES; row], result, expected);
        let Err(exception) = result else { continue };
        check_eq!("CPL", [NAMES; row], exception.cs & 3, cpl);
        if cpl == 3 {
            check_eq!("RIP", [NAMES; row], exception.rip, target);
            check_eq!("SS", [NAMES; row], exception.ss, selector::USER_DATA);
        }
    }
}

/// On Intel processors SYSRET raises #GP(0) at CPL 0 for every address that is not canonical, and goes to every other.
#[case(feature = SyscallSysret, spec = [sdm2("SYSRET—Return From Fast System Call"), sdm1("Canonical Addressing")], needs = Needs::INTEL | Needs::SYSCALL)]
fn sysret_to_each_boundary_on_intel() {
    check_targets(0);
}

/// On AMD processors SYSRET goes to CPL 3 with every address; the fetch raises #GP(0) there for one that is not canonical.
#[case(feature = SyscallSysret, spec = [apm3("SYSRET"), apm2("Canonical Address Form")], needs = Needs::AMD | Needs::SYSCALL)]
fn sysret_to_each_boundary_on_amd() {
    check_targets(3);
}

/// SYSEXIT with REX.W raises #GP(0) at CPL 0 for every RDX and RCX that is not canonical.
#[case(feature = SysenterSysexit, spec = [sdm2("SYSEXIT—Fast Return from Fast System Call"), sdm1("Canonical Addressing")], needs = Needs::INTEL | Needs::SYSENTER)]
fn sysexit_to_each_boundary() {
    check_outcome!("SYSENTER_CS", msr::write(IA32_SYSENTER_CS, selector::KERNEL_CODE.into()), Outcome::COMPLETED);
    for (row, target) in TARGETS.into_iter().enumerate() {
        let by_rip: Result<(), Exception> = instruction!("sysexitq", in("rdx") target, in("rcx") 0x1000_u64);
        let by_stack: Result<(), Exception> = instruction!("sysexitq", in("rdx") landing_address(), in("rcx") target);
        let (rip, stack) =
            if is_canonical(target) { (Outcome::pf(4), Outcome::UD) } else { (Outcome::GP, Outcome::GP) };
        check_outcome!("RDX", [NAMES; row], by_rip, rip);
        check_outcome!("RCX", [NAMES; row], by_stack, stack);
    }
}
