//! #MF on each instruction that waits for x87 exceptions, and not on the others.

use super::waiting_model::{MASKED, MEMORY, MMX, OTHERS, Observed, PROLOGUE, REGISTERS, Row, UNMASKED, columns, names};
use rt::{
    Outcome, case, check_eq, check_outcome, mmio,
    paging::frame,
    user::{self, State, register},
    user_code,
    vocabulary::Text,
};

user_code!(clean: "fninit", "sub rsp, 8", "mov dword ptr [rsp], 0x1f80", "ldmxcsr [rsp]", "add rsp, 8", "ret");

/// Distance from program to program: a page and a half of the first frames hold those of all rows.
const PROGRAM_BYTES: u64 = 64;
/// Where the control words are: one that leaves an exception pending, and one that masks it.
const CONTROL_WORDS: usize = 3;
/// The first frame of operands, of which each row has its own, and their distance.
const OPERANDS: usize = 4;
const OPERAND_BYTES: u64 = 512;
/// Most rows of a table.
const NR_ROWS: usize = 72;

fn program(index: usize) -> u64 {
    frame(0) + index as u64 * PROGRAM_BYTES
}

fn operand(index: usize) -> u64 {
    frame(OPERANDS) + index as u64 * OPERAND_BYTES
}

/// Writes the programs, at CPL 3, where that costs nothing.
fn prepare(rows: &[Row]) {
    let prepared = user::run(|| {
        mmio::write_u64(frame(CONTROL_WORDS), MASKED);
        mmio::write_u64(frame(CONTROL_WORDS) + 8, UNMASKED);
        for (index, row) in rows.iter().enumerate() {
            for (at, &byte) in (program(index)..).zip(PROLOGUE.iter().chain(row.bytes).chain(&[0x0f, 0x0b])) {
                mmio::write_u8(at, byte);
            }
            // What FLDENV, FRSTOR and FXRSTOR take: a control word that masks everything, and MXCSR.
            for (offset, quadword) in (0..).step_by(8).zip([MASKED, 0, 0, 0x1f80]) {
                mmio::write_u64(operand(index) + offset, quadword);
            }
        }
    });
    check_outcome!("preparation", prepared, Outcome::COMPLETED);
}

/// Executes a row behind a division by zero that is masked or is not.
fn observe(index: usize, row: &Row, pending: bool) -> Observed {
    let mut state = State::at(program(index));
    let top = state.registers[register::RSP];
    state.registers = [operand(index); 16];
    state.registers[register::RAX] = u64::from(state.ss);
    state.registers[register::RCX] = 3;
    state.registers[register::RDX] = 0;
    state.registers[register::RSP] = top - 0x100;
    state.registers[register::RSI] = frame(CONTROL_WORDS) + u64::from(pending) * 8;
    let exception = user::enter(&mut state);
    let ip = exception.rip.wrapping_sub(program(index));
    let outcome = Outcome::from(exception);
    let has_ended = outcome == Outcome::UD && ip == (PROLOGUE.len() + row.bytes.len()) as u64;
    Observed { outcome: if has_ended { Outcome::COMPLETED.0 } else { outcome.0 }, ip }
}

macro_rules! walk {
    ($rows:ident) => {{
        const NAMES: &[Text] = &names(&$rows);
        prepare(&$rows);
        let mut seen = [[Observed { outcome: 0, ip: 0 }; 2]; NR_ROWS];
        for (index, (row, seen)) in $rows.iter().zip(&mut seen).enumerate() {
            *seen = [observe(index, row, true), observe(index, row, false)];
        }
        let _ = user::call(clean, 0);
        let reported = user::run(|| {
            for (index, (row, seen)) in $rows.iter().zip(&seen).enumerate() {
                let [outcome, ip] = columns(row, true, seen[0]);
                check_outcome!("outcome, pending", [NAMES; index], Outcome(outcome.0), Outcome(outcome.1));
                check_eq!("saved IP, pending", [NAMES; index], ip.0, ip.1);
                let [outcome, ip] = columns(row, false, seen[1]);
                check_outcome!("outcome, masked", [NAMES; index], Outcome(outcome.0), Outcome(outcome.1));
                check_eq!("saved IP, masked", [NAMES; index], ip.0, ip.1);
            }
        });
        check_outcome!("report", reported, Outcome::COMPLETED);
    }};
}

const _: () = assert!(MEMORY.len() <= NR_ROWS && REGISTERS.len() <= NR_ROWS);
const _: () = assert!(MMX.len() <= NR_ROWS && OTHERS.len() <= NR_ROWS);

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
