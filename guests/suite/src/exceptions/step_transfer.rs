//! Single steps over instructions that change the privilege level: SYSCALL, SYSRET, SYSENTER and INT n.

use super::step_walk_model::TRAP_FLAG;
use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{read_dr6, write_dr6},
        debug::dr6,
        msr::{
            self,
            efer::SCE,
            number::{
                IA32_EFER, IA32_FMASK, IA32_LSTAR, IA32_STAR, IA32_SYSENTER_CS, IA32_SYSENTER_EIP, IA32_SYSENTER_ESP,
            },
        },
    },
    gate::{Gate, gate_type},
    names,
    tables::selector,
    user,
    user::{State, register},
    user_code,
    vocabulary::{Needs, Text},
};

user_code!(syscall: "syscall", "ud2");
user_code!(sysret: "sysretq", "ud2");
user_code!(sysenter: "sysenter", "ud2");
user_code!(int_80h: "int 0x80", "ud2");
user_code!(landing: "nop", "ud2");

fn address(function: extern "C" fn(u64) -> u64) -> u64 {
    function as *const () as u64
}

/// Starts a function at CPL 3 or 0 with these flags beside bit 1, and tells how it ended and the causes in DR6.
fn run(function: extern "C" fn(u64) -> u64, is_user: bool, flags: u64, registers: &[(usize, u64)]) -> (Exception, u64) {
    let _ = write_dr6(0);
    let mut state = State::at(address(function));
    if !is_user {
        (state.cs, state.ss) = (selector::KERNEL_CODE, selector::KERNEL_DATA);
    }
    state.rflags |= flags;
    for &(index, value) in registers {
        state.registers[index] = value;
    }
    let exception = user::enter(&mut state);
    let causes = read_dr6() & dr6::CAUSES;
    let _ = write_dr6(0);
    (exception, causes)
}

/// Where [`landing`] is left by a step that was due before it, one behind its NOP, or its own UD2.
#[derive(Clone, Copy)]
enum Due {
    Before,
    Behind,
    Nothing,
}

impl Due {
    /// Outcome, distance from [`landing`] and causes in DR6.
    const fn expected(self) -> (Outcome, u64, u64) {
        match self {
            Self::Before => (Outcome::DB, 0, dr6::BS),
            Self::Behind => (Outcome::DB, 1, dr6::BS),
            Self::Nothing => (Outcome::UD, 1, 0),
        }
    }
}

macro_rules! check_landing {
    ($names:expr, $row:expr, $seen:expr, $due:expr, $cs:expr) => {{
        let ((exception, causes), (outcome, distance, cause)) = ($seen, $due.expected());
        check_outcome!("what ends it", [$names; $row], exception, outcome);
        check_eq!("saved RIP", [$names; $row], exception.rip, address(landing) + distance);
        check_eq!("saved CS", [$names; $row], exception.cs, $cs);
        check_eq!("causes in DR6", [$names; $row], causes, cause);
    }};
}

fn enable_syscall() {
    let efer = msr::read(IA32_EFER).unwrap_or(0);
    check_outcome!("EFER.SCE", msr::write(IA32_EFER, efer | SCE), Outcome::COMPLETED);
    let star = u64::from(selector::KERNEL_CODE) << 32 | u64::from(selector::USER_CODE_32) << 48;
    check_outcome!("STAR", msr::write(IA32_STAR, star), Outcome::COMPLETED);
    check_outcome!("LSTAR", msr::write(IA32_LSTAR, address(landing)), Outcome::COMPLETED);
}

/// SYSCALL is stepped by the TF that it leaves: where FMASK clears TF no step is due; else it is, at the target at CPL 0.
// No clause says so: the SDM and the APM tell single steps by the TF that an instruction finds. See the model.
#[case(feature = ExceptionDebug, spec = [sdm2("SYSCALL—Fast System Call"), apm3("SYSCALL"),
       sdm3b("Single-Step Exception Condition")], needs = Needs::SYSCALL)]
fn step_over_syscall() {
    const NAMES: &[Text] = names!["TF masked", "TF not masked", "TF clear", "TF clear, masked"];
    enable_syscall();
    for (row, (flags, mask, due)) in [
        (TRAP_FLAG, TRAP_FLAG, Due::Nothing),
        (TRAP_FLAG, 0, Due::Before),
        (0, 0, Due::Nothing),
        (0, TRAP_FLAG, Due::Nothing),
    ]
    .into_iter()
    .enumerate()
    {
        check_outcome!("FMASK", [NAMES; row], msr::write(IA32_FMASK, mask), Outcome::COMPLETED);
        check_landing!(NAMES, row, run(syscall, true, flags, &[]), due, selector::KERNEL_CODE);
    }
}

/// SYSRET is stepped by the TF that it loads: the step strikes before the first instruction at CPL 3.
#[case(feature = ExceptionDebug, spec = [sdm2("SYSRET—Return From Fast System Call"), apm3("SYSRET"),
       sdm3b("Single-Step Exception Condition")], needs = Needs::SYSCALL)]
fn step_over_sysret() {
    const NAMES: &[Text] = names!["TF loaded", "TF kept", "TF cleared", "TF clear"];
    enable_syscall();
    for (row, (flags, loaded, due)) in [
        (0, TRAP_FLAG, Due::Before),
        (TRAP_FLAG, TRAP_FLAG, Due::Before),
        (TRAP_FLAG, 0, Due::Nothing),
        (0, 0, Due::Nothing),
    ]
    .into_iter()
    .enumerate()
    {
        let registers = [(register::RCX, address(landing)), (register::R11, loaded | 2)];
        check_landing!(NAMES, row, run(sysret, false, flags, &registers), due, selector::USER_CODE);
    }
}

/// SYSENTER leaves TF alone, so a step over it strikes at its target at CPL 0.
#[case(feature = ExceptionDebug, spec = [sdm2("SYSENTER—Fast System Call"), sdm3b("Single-Step Exception Condition")],
       needs = Needs::INTEL | Needs::SYSENTER)]
fn step_over_sysenter() {
    const NAMES: &[Text] = names!["TF set", "TF clear"];
    let _ = msr::write(IA32_SYSENTER_CS, u64::from(selector::KERNEL_CODE));
    let _ = msr::write(IA32_SYSENTER_ESP, user::stack_top());
    let _ = msr::write(IA32_SYSENTER_EIP, address(landing));
    for (row, (flags, due)) in [(TRAP_FLAG, Due::Before), (0, Due::Nothing)].into_iter().enumerate() {
        check_landing!(NAMES, row, run(sysenter, true, flags, &[]), due, selector::KERNEL_CODE);
    }
    let _ = msr::write(IA32_SYSENTER_CS, 0);
}

/// IRETQ to CPL 3 that loads TF is not stepped over itself: the step strikes behind the first instruction at CPL 3.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"), apm2("Single Stepping")])]
fn step_over_iretq_to_cpl_3() {
    const NAMES: &[Text] = names!["TF loaded", "TF clear"];
    for (row, (flags, due)) in [(TRAP_FLAG, Due::Behind), (0, Due::Nothing)].into_iter().enumerate() {
        check_landing!(NAMES, row, run(landing, true, flags, &[]), due, selector::USER_CODE);
    }
}

/// INT n is not stepped: delivery clears TF, through an interrupt gate as through a trap gate, and saves it.
#[case(feature = ExceptionDebug, spec = [sdm3b("Single-Step Exception Condition"),
       sdm3a("Flag Usage By Exception- or Interrupt-Handler Procedure")])]
fn step_over_software_interrupts() {
    const NAMES: &[Text] = names!["interrupt gate, TF", "trap gate, TF", "interrupt gate", "trap gate"];
    let table = [
        (gate_type::INTERRUPT, TRAP_FLAG),
        (gate_type::TRAP, TRAP_FLAG),
        (gate_type::INTERRUPT, 0),
        (gate_type::TRAP, 0),
    ];
    for (row, (kind, flags)) in table.into_iter().enumerate() {
        let _gate = Gate::with_type(0x80, kind);
        let (exception, causes) = run(int_80h, true, flags, &[]);
        check_outcome!("what ends it", [NAMES; row], exception, Outcome::exception(0x80, 0));
        check_eq!("saved RIP", [NAMES; row], exception.rip, address(int_80h) + 2);
        check_eq!("saved TF", [NAMES; row], exception.rflags & TRAP_FLAG, flags);
        check_eq!("causes in DR6", [NAMES; row], causes, 0);
    }
}
