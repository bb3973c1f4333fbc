//! Tables of instructions in virtual-8086 mode.

use super::{
    model::Mode,
    runner::Runner,
    tables::{branches, data, decimal, stack},
};
use rt::case;

/// Sums and differences of each size, with flags, in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("ADD—Add"), sdm2("SUB—Subtract")])]
fn virtual_8086_sums() {
    Runner::new(Mode::Virtual8086).run(&data::SUMS, &data::INPUTS);
}

/// Logic, moves and extensions of each size in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("AND—Logical AND"), sdm2("MOV—Move")])]
fn virtual_8086_logic() {
    Runner::new(Mode::Virtual8086).run(&data::LOGIC, &data::INPUTS);
}

/// Shifts, rotations and bit instructions of each size in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("SAL/SAR/SHL/SHR—Shift"), sdm2("RCL/RCR/ROL/ROR—Rotate")])]
fn virtual_8086_shifts() {
    Runner::new(Mode::Virtual8086).run(&data::SHIFTS, &data::INPUTS);
}

/// Products and quotients, with #DE where one does not fit, in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("MUL—Unsigned Multiply"), sdm2("DIV—Unsigned Divide")])]
fn virtual_8086_products() {
    Runner::new(Mode::Virtual8086).run(&data::PRODUCTS, &data::INPUTS);
}

/// DAA and DAS in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("DAA—Decimal Adjust AL After Addition"),
       sdm2("DAS—Decimal Adjust AL After Subtraction")])]
fn virtual_8086_packed_decimal() {
    Runner::new(Mode::Virtual8086).run(&decimal::PACKED, &decimal::INPUTS);
}

/// AAA and AAS in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("AAA—ASCII Adjust After Addition"),
       sdm2("AAS—ASCII Adjust AL After Subtraction")])]
fn virtual_8086_unpacked_decimal() {
    Runner::new(Mode::Virtual8086).run(&decimal::UNPACKED, &decimal::INPUTS);
}

/// AAM and AAD with any base in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("AAM—ASCII Adjust AX After Multiply"),
       sdm2("AAD—ASCII Adjust AX Before Division")])]
fn virtual_8086_decimal_digits() {
    Runner::new(Mode::Virtual8086).run(&decimal::DIGITS, &decimal::INPUTS);
}

/// AAM with base 0 raises #DE in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("AAM—ASCII Adjust AX After Multiply"))]
fn virtual_8086_zero_base() {
    Runner::new(Mode::Virtual8086).run(&decimal::ZERO_BASE, &decimal::INPUTS[..2]);
}

/// PUSH, POP, PUSHA and POPA of both sizes in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("PUSH—Push Word, Doubleword, or Quadword Onto the Stack"),
       sdm1("Address-Size Attributes for Stack")])]
fn virtual_8086_stack() {
    Runner::new(Mode::Virtual8086).run(&stack::STACK, &stack::INPUTS_NARROW);
}

/// ENTER of both sizes in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("ENTER—Make Stack Frame for Procedure Parameters"))]
fn virtual_8086_enter() {
    Runner::new(Mode::Virtual8086).run(&stack::ENTER, &stack::INPUTS_FRAME);
}

/// ENTER with a nesting level pushes the frame pointer in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("ENTER—Make Stack Frame for Procedure Parameters"))]
fn virtual_8086_nested_enter() {
    Runner::new(Mode::Virtual8086).run(&stack::NESTED, &stack::INPUTS_FRAME);
}

/// LEAVE of both sizes in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("LEAVE—High Level Procedure Exit"))]
fn virtual_8086_leave() {
    Runner::new(Mode::Virtual8086).run(&stack::LEAVE, &stack::INPUTS_FRAME);
}

/// Each condition of Jcc in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("Jcc—Jump if Condition Is Met"))]
fn virtual_8086_conditions() {
    Runner::new(Mode::Virtual8086).run(&branches::CONDITIONS, &branches::INPUTS);
}

/// LOOP and JCXZ with CX and with ECX in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("LOOP/LOOPcc—Loop According to ECX Counter"))]
fn virtual_8086_loops() {
    Runner::new(Mode::Virtual8086).run(&branches::LOOPS, &branches::INPUTS);
}

/// Calls and returns, near and far, in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("CALL—Call Procedure"), sdm2("RET—Return From Procedure")])]
fn virtual_8086_calls() {
    Runner::new(Mode::Virtual8086).run(&branches::CALLS, &branches::INPUTS_ONE);
}
