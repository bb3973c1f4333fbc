//! #MF on each instruction that waits for x87 exceptions, and not on the others.

use super::waiting_model::{MASKED, MEMORY, MMX, OTHERS, Observed, PROLOGUE, REGISTERS, Row, UNMASKED, columns, names};
use crate::exceptions::{
    mode::Mode,
    program::{Machine, Start},
};
use rt::{Outcome, case, check_eq, check_outcome, mmio, user, user_code, vocabulary::Text};

user_code!(clean: "fninit", "sub rsp, 8", "mov dword ptr [rsp], 0x1f80", "ldmxcsr [rsp]", "add rsp, 8", "ret");

/// Distances from the program's data: the control word, which RSI names, and the operand, which RDI names.
const CONTROL_WORD: u64 = 0x100;
const OPERAND: u64 = 0x200;
/// Longest instruction of the tables behind the prologue.
const MAX_BYTES: usize = PROLOGUE.len() + 5;

/// Executes a row behind a division by zero that is masked or is not.
fn observe(machine: &Machine, row: &Row, pending: bool) -> Observed {
    let operand = machine.data() + OPERAND;
    mmio::write_u64(machine.data() + CONTROL_WORD, if pending { UNMASKED } else { MASKED });
    // What FLDENV, FRSTOR and FXRSTOR take: a control word that masks everything, and MXCSR.
    mmio::write_u64(operand, MASKED);
    mmio::write_u64(operand + 8, 0);
    mmio::write_u64(operand + 16, 0);
    mmio::write_u64(operand + 24, 0x1f80);
    let mut bytes = [0x90; MAX_BYTES];
    for (to, &from) in bytes.iter_mut().zip(PROLOGUE.iter().chain(row.bytes)) {
        *to = from;
    }
    let bytes = bytes.get(..PROLOGUE.len() + row.bytes.len()).unwrap_or_default();
    let seen = machine.run(bytes, Start { address: Some(operand), ..Start::PLAIN });
    Observed { outcome: seen.outcome.0, ip: seen.ip }
}

macro_rules! walk {
    ($rows:ident) => {{
        const NAMES: &[Text] = &names(&$rows);
        let machine = Machine::new(Mode::Long3);
        for (index, row) in $rows.iter().enumerate() {
            let [outcome, ip] = columns(row, true, observe(&machine, row, true));
            check_outcome!("outcome, pending", [NAMES; index], Outcome(outcome.0), Outcome(outcome.1));
            check_eq!("saved IP, pending", [NAMES; index], ip.0, ip.1);
            let [outcome, ip] = columns(row, false, observe(&machine, row, false));
            check_outcome!("outcome, masked", [NAMES; index], Outcome(outcome.0), Outcome(outcome.1));
            check_eq!("saved IP, masked", [NAMES; index], ip.0, ip.1);
        }
        let _ = user::call(clean, 0);
    }};
}

/// With an unmasked exception pending, x87 instructions with a memory operand raise #MF before they do anything, but for
/// FNSTENV, FNSTCW, FNSAVE and FNSTSW.
#[case(feature = StateX87, spec = [sdm1("Waiting vs. Non-waiting Instructions"),
       sdm3a("Interrupt 16—x87 FPU Floating-Point Error (#MF)")], time = 2)]
fn pending_exception_and_memory_operands() {
    walk!(MEMORY);
}

/// With an unmasked exception pending, x87 instructions on registers raise #MF before they do anything, FNOP among them,
/// but for FNINIT, FNCLEX and FNSTSW.
#[case(feature = StateX87, spec = [sdm1("Waiting vs. Non-waiting Instructions"),
       sdm3a("Interrupt 16—x87 FPU Floating-Point Error (#MF)")], time = 2)]
fn pending_exception_and_register_operands() {
    walk!(REGISTERS);
}

/// With an unmasked x87 exception pending, every MMX instruction and every one between MMX and XMM registers raises #MF.
#[case(feature = StateX87, spec = [sdm3a("Interrupt 16—x87 FPU Floating-Point Error (#MF)"),
       sdm1("MMX Instruction Set")], time = 2)]
fn pending_exception_and_mmx() {
    walk!(MMX);
}

/// With an unmasked x87 exception pending, WAIT raises #MF; FXSAVE, FXRSTOR, SSE and general instructions do not.
#[case(feature = StateX87, spec = [sdm3a("Interrupt 16—x87 FPU Floating-Point Error (#MF)"),
       sdm2("WAIT/FWAIT—Wait")], time = 2)]
fn pending_exception_and_others() {
    walk!(OTHERS);
}
