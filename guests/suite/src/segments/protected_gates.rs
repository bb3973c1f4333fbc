//! Call and interrupt gates in 32-bit protected mode that lead to every type, S, DPL, P and RPL.

use super::{
    model::{Through, gate_target, inner_stack},
    rows::NR_ROWS,
    walk::{self, NAMES, Span, expected, outcomes},
};
use rt::case;

const CALL_0: &[u32; NR_ROWS] = expected!(8, |selector, d| gate_target(selector, d, 0, Through::Call));
const CALL_3: &[u32; NR_ROWS] = expected!(8, |selector, d| gate_target(selector, d, 3, Through::Call));
const JUMP_0: &[u32; NR_ROWS] = expected!(8, |selector, d| gate_target(selector, d, 0, Through::Jump));
const JUMP_3: &[u32; NR_ROWS] = expected!(8, |selector, d| gate_target(selector, d, 3, Through::Jump));
const STACK: &[u32; NR_ROWS] = expected!(8, |selector, d| inner_stack(selector, d, 1));

/// CALL through a gate at CPL 0 takes code whose DPL is not above CPL.
#[case(feature = CallGates, spec = [sdm2("CALL—Call Procedure"), sdm3a("Accessing a Code Segment Through a Call Gate"), apm2("Control Transfers Through Call Gates")])]
fn call_through_gate_at_cpl_0() {
    let site = rt::site!("CALL", NAMES, Outcome);
    outcomes(&walk::CALL_GATE, 0, Span::ALL, site, CALL_0);
}

/// JMP through a gate at CPL 0 takes code of its own DPL, and conforming code of an inner one.
#[case(feature = CallGates, spec = [sdm2("JMP—Jump"), sdm3a("Accessing a Code Segment Through a Call Gate"), apm2("Control Transfers Through Call Gates")])]
fn jump_through_gate_at_cpl_0() {
    let site = rt::site!("JMP", NAMES, Outcome);
    outcomes(&walk::JUMP_GATE, 0, Span::ALL, site, JUMP_0);
}

/// INT n at CPL 0 takes a gate to code whose DPL is not above CPL.
#[case(feature = InterruptGates, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Protection of Exception- and Interrupt-Handler Procedures"), apm2("Privilege Checks on Interrupt Gates")])]
fn interrupt_gate_target_at_cpl_0() {
    let site = rt::site!("INT n", NAMES, Outcome);
    outcomes(&walk::INTERRUPT, 0, Span::ALL, site, CALL_0);
}

/// CALL through a gate at CPL 3 takes code whose DPL is not above CPL.
#[case(feature = CallGates, spec = [sdm2("CALL—Call Procedure"), sdm3a("Accessing a Code Segment Through a Call Gate"), apm2("Control Transfers Through Call Gates")])]
fn call_through_gate_at_cpl_3() {
    let site = rt::site!("CALL", NAMES, Outcome);
    outcomes(&walk::CALL_GATE, 3, Span::ALL, site, CALL_3);
}

/// JMP through a gate at CPL 3 takes code of its own DPL, and conforming code of an inner one.
#[case(feature = CallGates, spec = [sdm2("JMP—Jump"), sdm3a("Accessing a Code Segment Through a Call Gate"), apm2("Control Transfers Through Call Gates")])]
fn jump_through_gate_at_cpl_3() {
    let site = rt::site!("JMP", NAMES, Outcome);
    outcomes(&walk::JUMP_GATE, 3, Span::ALL, site, JUMP_3);
}

/// INT n at CPL 3 takes a gate to code whose DPL is not above CPL.
#[case(feature = InterruptGates, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Protection of Exception- and Interrupt-Handler Procedures"), apm2("Privilege Checks on Interrupt Gates")])]
fn interrupt_gate_target_at_cpl_3() {
    let site = rt::site!("INT n", NAMES, Outcome);
    outcomes(&walk::INTERRUPT, 3, Span::ALL, site, CALL_3);
}

/// The stack segment that the TSS tells for an inner level raises #TS if it is not writable data of that level, and #SS if it is not present.
#[case(feature = InterruptGates, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"), sdm3a("Interrupt 10—Invalid TSS Exception (#TS)")])]
fn stack_segment_of_inner_level() {
    let site = rt::site!("SS of the TSS", NAMES, Outcome);
    outcomes(&walk::INNER_STACK, 3, Span::ALL, site, STACK);
}
