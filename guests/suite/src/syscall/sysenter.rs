//! SYSENTER and SYSEXIT.

use super::{RF, address_of, landing_address};
use case::{Needs, Text};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::msr::{
        self,
        number::{IA32_SYSENTER_CS, IA32_SYSENTER_EIP, IA32_SYSENTER_ESP},
    },
    instruction, names,
    tables::selector,
    user::{self, State, register},
    user_code,
};

user_code!(sysenter: "sysenter", "ud2");
user_code!(sysenter_32: ".code32", "sysenter", "ud2", ".code64");
user_code!(sysexit_64: "mov rdx, rdi", "mov rcx, rsp", "sysexitq");
user_code!(sysexit_32: "mov rdx, rdi", "mov rcx, rsp", "sysexit");

const STACK: u64 = 0xffff_8000_1234_5670;
/// CF, PF, AF, ZF, SF, DF, OF, AC, ID and the bit that is always set.
const FLAGS: u64 = 0x0024_0cd7;

fn enable_sysenter() {
    let code = u64::from(selector::KERNEL_CODE);
    check_outcome!("SYSENTER_CS", msr::write(IA32_SYSENTER_CS, code), Outcome::COMPLETED);
    check_outcome!("SYSENTER_ESP", msr::write(IA32_SYSENTER_ESP, STACK), Outcome::COMPLETED);
    check_outcome!("SYSENTER_EIP", msr::write(IA32_SYSENTER_EIP, landing_address()), Outcome::COMPLETED);
}

/// SYSENTER goes to SYSENTER_EIP in 64-bit mode at CPL 0 with the stack of SYSENTER_ESP, from 64-bit and from
/// compatibility mode.
#[case(feature = SysenterSysexit, spec = sdm2("SYSENTER—Fast System Call"), needs = Needs::INTEL | Needs::SYSENTER)]
fn sysenter_enters_the_kernel() {
    enable_sysenter();
    const NAMES: &[Text] = names!["64-bit mode", "compatibility mode"];
    let table = [(address_of(sysenter), selector::USER_CODE), (address_of(sysenter_32), selector::USER_CODE_32)];
    for (row, (address, cs)) in table.into_iter().enumerate() {
        let mut state = State::at(address);
        state.cs = cs;
        state.rflags = FLAGS;
        let exception = user::enter(&mut state);
        check_outcome!("what the UD2 at SYSENTER_EIP raises", [NAMES; row], Outcome::from(exception), Outcome::UD);
        check_eq!("RIP", [NAMES; row], exception.rip, landing_address());
        check_eq!("RSP", [NAMES; row], exception.rsp, STACK);
        check_eq!("CS", [NAMES; row], exception.cs, selector::KERNEL_CODE);
        check_eq!("SS", [NAMES; row], exception.ss, selector::KERNEL_DATA);
        check_eq!("RFLAGS", [NAMES; row], exception.rflags & !RF, FLAGS);
    }
}

/// SYSENTER saves no return address: RCX, RDX and R11 stay as they were.
#[case(feature = SysenterSysexit, spec = sdm2("SYSENTER—Fast System Call"), needs = Needs::INTEL | Needs::SYSENTER)]
fn sysenter_saves_nothing() {
    enable_sysenter();
    const NAMES: &[Text] = names!["RCX", "RDX", "R11"];
    let mut state = State::at(address_of(sysenter));
    let marks = [(register::RCX, 0x1111), (register::RDX, 0x2222), (register::R11, 0x3333)];
    for (index, mark) in marks {
        state.registers[index] = mark;
    }
    check_outcome!("what the UD2 raises", Outcome::from(user::enter(&mut state)), Outcome::UD);
    for (row, (index, mark)) in marks.into_iter().enumerate() {
        check_eq!("register", [NAMES; row], state.registers[index], mark);
    }
}

/// SYSENTER and SYSEXIT raise #GP(0) while SYSENTER_CS holds a null selector.
#[case(
    feature = SysenterSysexit,
    spec = [sdm2("SYSENTER—Fast System Call"), sdm2("SYSEXIT—Fast Return from Fast System Call")],
    needs = Needs::INTEL | Needs::SYSENTER,
)]
fn null_selector() {
    enable_sysenter();
    for selector in [0_u64, 3] {
        check_outcome!("SYSENTER_CS", [&[]; selector], msr::write(IA32_SYSENTER_CS, selector), Outcome::COMPLETED);
        let exception = user::enter(&mut State::at(address_of(sysenter)));
        check_outcome!("SYSENTER", [&[]; selector], Outcome::from(exception), Outcome::GP);
        check_eq!("RIP of SYSENTER", [&[]; selector], exception.rip, address_of(sysenter));
        let result = instruction!("sysexitq", in("rdx") landing_address(), in("rcx") STACK);
        check_outcome!("SYSEXIT", [&[]; selector], result, Outcome::GP);
        check!("CPL of SYSEXIT", [&[]; selector], matches!(result, Err(exception) if exception.cs & 3 == 0));
    }
}

/// SYSEXIT goes to RDX at CPL 3 with the stack of RCX: with REX.W to 64-bit mode, without it to compatibility mode.
#[case(
    feature = SysenterSysexit,
    spec = sdm2("SYSEXIT—Fast Return from Fast System Call"),
    needs = Needs::INTEL | Needs::SYSENTER,
)]
fn sysexit_leaves_the_kernel() {
    enable_sysenter();
    const NAMES: &[Text] = names!["with REX.W", "without REX.W"];
    let code = selector::KERNEL_CODE;
    let wide = instruction!("sysexitq", in("rdx") landing_address(), in("rcx") STACK);
    let narrow = instruction!("sysexit", in("rdx") landing_address(), in("rcx") STACK);
    let table = [
        (wide, u64::MAX, (code + 32) | 3, (code + 40) | 3),
        // The upper half of RSP means nothing in compatibility mode.
        (narrow, 0xffff_ffff, (code + 16) | 3, (code + 24) | 3),
    ];
    for (row, (result, width, cs, ss)) in table.into_iter().enumerate() {
        check_outcome!("what the UD2 at RDX raises", [NAMES; row], result, Outcome::UD);
        if let Err(exception) = result {
            check_eq!("RIP", [NAMES; row], exception.rip, landing_address());
            check_eq!("RSP", [NAMES; row], exception.rsp & width, STACK & width);
            check_eq!("CS", [NAMES; row], exception.cs, cs);
            check_eq!("SS", [NAMES; row], exception.ss, ss);
        }
    }
}

/// SYSEXIT with REX.W raises #GP(0) at CPL 0 if RCX or RDX is not canonical.
#[case(
    feature = SysenterSysexit,
    spec = sdm2("SYSEXIT—Fast Return from Fast System Call"),
    needs = Needs::INTEL | Needs::SYSENTER,
)]
fn sysexit_to_non_canonical_addresses() {
    enable_sysenter();
    const NAMES: &[Text] = names!["RDX", "RCX"];
    for (row, (rip, stack)) in [(1 << 63, STACK), (landing_address(), 1 << 63)].into_iter().enumerate() {
        let result = instruction!("sysexitq", in("rdx") rip, in("rcx") stack);
        check_outcome!("SYSEXIT", [NAMES; row], result, Outcome::GP);
        check!("CPL", [NAMES; row], matches!(result, Err(exception) if exception.cs & 3 == 0));
    }
}

/// SYSEXIT raises #GP(0) at CPL 3.
#[case(
    feature = SysenterSysexit,
    spec = sdm2("SYSEXIT—Fast Return from Fast System Call"),
    needs = Needs::INTEL | Needs::SYSENTER,
)]
fn sysexit_at_cpl_3() {
    enable_sysenter();
    const NAMES: &[Text] = names!["with REX.W", "without REX.W"];
    for (row, function) in [sysexit_64 as extern "C" fn(u64) -> u64, sysexit_32].into_iter().enumerate() {
        check_outcome!("SYSEXIT", [NAMES; row], user::call(function, landing_address()), Outcome::GP);
    }
}

/// On AMD processors SYSENTER raises #UD in long mode, at CPL 3 in 64-bit and in compatibility mode.
#[case(feature = SysenterSysexit, spec = apm3("SYSENTER"), needs = Needs::AMD | Needs::SYSENTER)]
fn sysenter_in_long_mode_on_amd() {
    enable_sysenter();
    const NAMES: &[Text] = names!["64-bit mode", "compatibility mode"];
    let table = [(address_of(sysenter), selector::USER_CODE), (address_of(sysenter_32), selector::USER_CODE_32)];
    for (row, (address, cs)) in table.into_iter().enumerate() {
        let mut state = State::at(address);
        state.cs = cs;
        let exception = user::enter(&mut state);
        check_outcome!("at CPL 3", [NAMES; row], Outcome::from(exception), Outcome::UD);
        check_eq!("RIP at CPL 3", [NAMES; row], exception.rip, address);
        check_eq!("CS at CPL 3", [NAMES; row], exception.cs, cs);
    }
}

/// On AMD processors SYSENTER raises #UD in 64-bit mode at CPL 0.
#[case(feature = SysenterSysexit, spec = apm3("SYSENTER"), needs = Needs::AMD | Needs::SYSENTER)]
fn sysenter_at_cpl_0_on_amd() {
    enable_sysenter();
    let mut rip = 0_u64;
    let result = instruction!("lea {0}, [rip + 2f]", "mov [{1}], {0}", "2: sysenter", out(reg) _, in(reg) &raw mut rip);
    check_outcome!("SYSENTER", result, Outcome::UD);
    check_eq!("RIP", result.map_or_else(|exception| exception.rip, |()| 0), rip);
}

/// On AMD processors SYSEXIT raises #UD in long mode.
#[case(feature = SysenterSysexit, spec = apm3("SYSEXIT"), needs = Needs::AMD | Needs::SYSENTER)]
fn sysexit_in_long_mode_on_amd() {
    enable_sysenter();
    const NAMES: &[Text] = names!["with REX.W", "without REX.W"];
    let wide = instruction!("sysexitq", in("rdx") landing_address(), in("rcx") STACK);
    let narrow = instruction!("sysexit", in("rdx") landing_address(), in("rcx") STACK);
    for (row, result) in [wide, narrow].into_iter().enumerate() {
        check_outcome!("SYSEXIT", [NAMES; row], result, Outcome::UD);
        check!("CPL", [NAMES; row], matches!(result, Err(exception) if exception.cs & 3 == 0));
    }
}
