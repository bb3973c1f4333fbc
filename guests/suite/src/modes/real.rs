//! Tables of instructions in real mode.

use super::{
    model::Mode,
    runner::Runner,
    tables::{branches, data, decimal, memory, stack, system},
};
use rt::case;

/// Sums and differences of each size, with flags, in real mode.
#[case(feature = RealMode, spec = [sdm2("ADD—Add"), sdm2("SUB—Subtract")])]
fn real_sums() {
    Runner::new(Mode::Real).run(&data::SUMS, &data::INPUTS[1..]);
}

/// Logic, moves and extensions of each size in real mode.
#[case(feature = RealMode, spec = [sdm2("AND—Logical AND"), sdm2("MOV—Move")])]
fn real_logic() {
    Runner::new(Mode::Real).run(&data::LOGIC, &data::INPUTS[1..]);
}

/// Shifts, rotations and bit instructions of each size in real mode.
#[case(feature = RealMode, spec = [sdm2("SAL/SAR/SHL/SHR—Shift"), sdm2("RCL/RCR/ROL/ROR—Rotate")])]
fn real_shifts() {
    Runner::new(Mode::Real).run(&data::SHIFTS, &data::INPUTS[1..]);
}

/// Products and quotients, with #DE where one does not fit, in real mode.
#[case(feature = RealMode, spec = [sdm2("MUL—Unsigned Multiply"), sdm2("DIV—Unsigned Divide")])]
fn real_products() {
    Runner::new(Mode::Real).run(&data::PRODUCTS, &data::INPUTS);
}

/// DAA and DAS in real mode.
#[case(feature = RealMode, spec = [sdm2("DAA—Decimal Adjust AL After Addition"),
       sdm2("DAS—Decimal Adjust AL After Subtraction")])]
fn real_packed_decimal() {
    Runner::new(Mode::Real).run(&decimal::PACKED, &decimal::INPUTS);
}

/// AAA and AAS in real mode.
#[case(feature = RealMode, spec = [sdm2("AAA—ASCII Adjust After Addition"),
       sdm2("AAS—ASCII Adjust AL After Subtraction")])]
fn real_unpacked_decimal() {
    Runner::new(Mode::Real).run(&decimal::UNPACKED, &decimal::INPUTS);
}

/// AAM and AAD with any base in real mode.
#[case(feature = RealMode, spec = [sdm2("AAM—ASCII Adjust AX After Multiply"),
       sdm2("AAD—ASCII Adjust AX Before Division")])]
fn real_decimal_digits() {
    Runner::new(Mode::Real).run(&decimal::DIGITS, &decimal::INPUTS[4..12]);
}

/// AAM with base 0 raises #DE in real mode.
#[case(feature = RealMode, spec = sdm2("AAM—ASCII Adjust AX After Multiply"))]
fn real_zero_base() {
    Runner::new(Mode::Real).run(&decimal::ZERO_BASE, &decimal::INPUTS[..2]);
}

/// PUSH, POP, PUSHA and POPA of both sizes in real mode.
#[case(feature = RealMode, spec = [sdm2("PUSH—Push Word, Doubleword, or Quadword Onto the Stack"),
       sdm1("Address-Size Attributes for Stack")])]
fn real_stack() {
    Runner::new(Mode::Real).run(&stack::STACK, &stack::INPUTS_NARROW);
}

/// ENTER of both sizes in real mode.
#[case(feature = RealMode, spec = sdm2("ENTER—Make Stack Frame for Procedure Parameters"))]
fn real_enter() {
    Runner::new(Mode::Real).run(&stack::ENTER, &stack::INPUTS_FRAME);
}

/// ENTER with a nesting level pushes the frame pointer in real mode.
#[case(feature = RealMode, spec = sdm2("ENTER—Make Stack Frame for Procedure Parameters"))]
fn real_nested_enter() {
    Runner::new(Mode::Real).run(&stack::NESTED, &stack::INPUTS_FRAME);
}

/// LEAVE of both sizes in real mode.
#[case(feature = RealMode, spec = sdm2("LEAVE—High Level Procedure Exit"))]
fn real_leave() {
    Runner::new(Mode::Real).run(&stack::LEAVE, &stack::INPUTS_FRAME);
}

/// Each condition of Jcc in real mode.
#[case(feature = RealMode, spec = sdm2("Jcc—Jump if Condition Is Met"))]
fn real_conditions() {
    Runner::new(Mode::Real).run(&branches::CONDITIONS, &branches::INPUTS[1..4]);
}

/// LOOP and JCXZ with CX and with ECX in real mode.
#[case(feature = RealMode, spec = sdm2("LOOP/LOOPcc—Loop According to ECX Counter"))]
fn real_loops() {
    Runner::new(Mode::Real).run(&branches::LOOPS, &branches::INPUTS);
}

/// Calls and returns, near and far, in real mode.
#[case(feature = RealMode, spec = [sdm2("CALL—Call Procedure"), sdm2("RET—Return From Procedure")])]
fn real_calls() {
    Runner::new(Mode::Real).run(&branches::CALLS, &branches::INPUTS_ONE);
}

/// Encodings that are no instruction raise #UD in real mode.
#[case(feature = RealMode, spec = [sdm2("UD—Undefined Instruction"), sdm3a("Interrupt 6—Invalid Opcode Exception (#UD)")])]
fn real_undefined() {
    Runner::new(Mode::Real).run(&system::UNDEFINED, &system::INPUTS[..1]);
}

/// INT3 is a trap behind the instruction in real mode.
#[case(feature = RealMode, spec = sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"))]
fn real_breakpoint() {
    Runner::new(Mode::Real).run(&system::BREAKPOINT, &system::INPUTS);
}

/// BOUND raises #BR for an index outside of the bounds in real mode.
#[case(feature = RealMode, spec = sdm2("BOUND—Check Array Index Against Bounds"))]
fn real_bounds() {
    Runner::new(Mode::Real).run(&system::BOUNDS, &system::INPUTS);
}

/// Loads and stores of LDTR and TR raise #UD in real mode.
#[case(feature = RealMode, spec = [sdm3b("Instructions Supported in Real-Address Mode"), sdm2("ARPL—Adjust RPL Field of Segment Selector")])]
fn real_lacks_protected_mode_instructions() {
    Runner::new(Mode::Real).run(&system::PROTECTED_ONLY, &system::INPUTS[..1]);
}

/// INTO is a trap behind the instruction with OF set, and does nothing with OF clear, in real mode.
#[case(feature = RealMode, spec = sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"))]
fn real_overflow() {
    Runner::new(Mode::Real).run(&system::OVERFLOW, &system::INPUTS);
}

/// UD2 and UD1 raise #UD in real mode.
#[case(feature = RealMode, spec = sdm2("UD—Undefined Instruction"))]
fn real_ud() {
    Runner::new(Mode::Real).run(&system::UD, &system::INPUTS[..1]);
}

/// VERR and VERW raise #UD in real mode.
#[case(feature = RealMode, spec = sdm2("VERR/VERW—Verify a Segment for Reading or Writing"))]
fn real_verify() {
    Runner::new(Mode::Real).run(&system::VERIFY, &system::INPUTS[..1]);
}

/// LAR and LSL raise #UD in real mode.
#[case(feature = RealMode, spec = sdm2("LAR—Load Access Rights Byte"))]
fn real_rights() {
    Runner::new(Mode::Real).run(&system::RIGHTS, &system::INPUTS[..1]);
}

/// ARPL raises #UD in real mode.
#[case(feature = RealMode, spec = sdm2("ARPL—Adjust RPL Field of Segment Selector"))]
fn real_arpl() {
    Runner::new(Mode::Real).run(&system::ARPL, &system::INPUTS[..1]);
}

/// LES, LDS and BOUND of a register raise #UD in real mode.
#[case(feature = RealMode, spec = sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"))]
fn real_pointers() {
    Runner::new(Mode::Real).run(&system::POINTERS, &system::INPUTS[..1]);
}

/// Addresses of 16 bits: each form, with sums that wrap, in real mode.
#[case(feature = RealMode, spec = sdm2("ModR/M and SIB Bytes"))]
fn real_forms_16() {
    Runner::new(Mode::Real).run(&memory::FORMS_16, &memory::INPUTS_16);
}

/// Addresses of 32 bits: base, index, scale and displacement, in real mode.
#[case(feature = RealMode, spec = sdm2("ModR/M and SIB Bytes"))]
fn real_forms_32() {
    Runner::new(Mode::Real).run(&memory::FORMS_32, &memory::INPUTS_32);
}

/// LES, LDS, LFS and LGS load offset and segment in real mode.
#[case(feature = RealMode, spec = sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"))]
fn real_far_pointers() {
    Runner::new(Mode::Real).run(&memory::FAR_POINTERS, &memory::INPUTS_32);
}
