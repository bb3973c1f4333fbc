//! Tables of instructions in 32-bit protected mode.

use super::{
    model::Mode,
    runner::Runner,
    tables::{branches, data, decimal, memory, stack, system},
};
use rt::case;

/// Sums and differences of each size, with flags, in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = [sdm2("ADD—Add"), sdm2("SUB—Subtract")])]
fn protected_32_sums() {
    Runner::new(Mode::Protected32).run(&data::SUMS, &data::INPUTS[..2]);
}

/// Logic, moves and extensions of each size in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = [sdm2("AND—Logical AND"), sdm2("MOV—Move")])]
fn protected_32_logic() {
    Runner::new(Mode::Protected32).run(&data::LOGIC, &data::INPUTS[..2]);
}

/// Shifts, rotations and bit instructions of each size in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = [sdm2("SAL/SAR/SHL/SHR—Shift"), sdm2("RCL/RCR/ROL/ROR—Rotate")])]
fn protected_32_shifts() {
    Runner::new(Mode::Protected32).run(&data::SHIFTS, &data::INPUTS[..2]);
}

/// Products and quotients, with #DE where one does not fit, in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = [sdm2("MUL—Unsigned Multiply"), sdm2("DIV—Unsigned Divide")])]
fn protected_32_products() {
    Runner::new(Mode::Protected32).run(&data::PRODUCTS, &data::INPUTS);
}

/// DAA and DAS in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = [sdm2("DAA—Decimal Adjust AL After Addition"),
       sdm2("DAS—Decimal Adjust AL After Subtraction")])]
fn protected_32_packed_decimal() {
    Runner::new(Mode::Protected32).run(&decimal::PACKED, &decimal::INPUTS);
}

/// AAA and AAS in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = [sdm2("AAA—ASCII Adjust After Addition"),
       sdm2("AAS—ASCII Adjust AL After Subtraction")])]
fn protected_32_unpacked_decimal() {
    Runner::new(Mode::Protected32).run(&decimal::UNPACKED, &decimal::INPUTS);
}

/// AAM and AAD with any base in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = [sdm2("AAM—ASCII Adjust AX After Multiply"),
       sdm2("AAD—ASCII Adjust AX Before Division")])]
fn protected_32_decimal_digits() {
    Runner::new(Mode::Protected32).run(&decimal::DIGITS, &decimal::INPUTS[4..12]);
}

/// AAM with base 0 raises #DE in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("AAM—ASCII Adjust AX After Multiply"))]
fn protected_32_zero_base() {
    Runner::new(Mode::Protected32).run(&decimal::ZERO_BASE, &decimal::INPUTS[..2]);
}

/// PUSH, POP, PUSHA and POPA of both sizes in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = [sdm2("PUSH—Push Word, Doubleword, or Quadword Onto the Stack"),
       sdm1("Address-Size Attributes for Stack")])]
fn protected_32_stack() {
    Runner::new(Mode::Protected32).run(&stack::STACK, &stack::INPUTS_WIDE);
}

/// ENTER of both sizes in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("ENTER—Make Stack Frame for Procedure Parameters"))]
fn protected_32_enter() {
    Runner::new(Mode::Protected32).run(&stack::ENTER, &stack::INPUTS_FRAME);
}

/// ENTER with a nesting level pushes the frame pointer in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("ENTER—Make Stack Frame for Procedure Parameters"))]
fn protected_32_nested_enter() {
    Runner::new(Mode::Protected32).run(&stack::NESTED, &stack::INPUTS_FRAME);
}

/// LEAVE of both sizes in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("LEAVE—High Level Procedure Exit"))]
fn protected_32_leave() {
    Runner::new(Mode::Protected32).run(&stack::LEAVE, &stack::INPUTS_FRAME);
}

/// Each condition of Jcc in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("Jcc—Jump if Condition Is Met"))]
fn protected_32_conditions() {
    Runner::new(Mode::Protected32).run(&branches::CONDITIONS, &branches::INPUTS[1..4]);
}

/// LOOP and JCXZ with CX and with ECX in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("LOOP/LOOPcc—Loop According to ECX Counter"))]
fn protected_32_loops() {
    Runner::new(Mode::Protected32).run(&branches::LOOPS, &branches::INPUTS);
}

/// Calls and returns, near and far, in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = [sdm2("CALL—Call Procedure"), sdm2("RET—Return From Procedure")])]
fn protected_32_calls() {
    Runner::new(Mode::Protected32).run(&branches::CALLS, &branches::INPUTS_ONE);
}

/// Encodings that are no instruction raise #UD in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = [sdm2("UD—Undefined Instruction"), sdm3a("Interrupt 6—Invalid Opcode Exception (#UD)")])]
fn protected_32_undefined() {
    Runner::new(Mode::Protected32).run(&system::UNDEFINED, &system::INPUTS[..1]);
}

/// INT3 is a trap behind the instruction in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"))]
fn protected_32_breakpoint() {
    Runner::new(Mode::Protected32).run(&system::BREAKPOINT, &system::INPUTS);
}

/// BOUND raises #BR for an index outside of the bounds in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("BOUND—Check Array Index Against Bounds"))]
fn protected_32_bounds() {
    Runner::new(Mode::Protected32).run(&system::BOUNDS, &system::INPUTS);
}

/// INTO is a trap behind the instruction with OF set, and does nothing with OF clear, in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"))]
fn protected_32_overflow() {
    Runner::new(Mode::Protected32).run(&system::OVERFLOW, &system::INPUTS);
}

/// UD2 and UD1 raise #UD in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("UD—Undefined Instruction"))]
fn protected_32_ud() {
    Runner::new(Mode::Protected32).run(&system::UD, &system::INPUTS[..1]);
}

/// PUSH and POP of 32-bit code use SP where the stack segment lacks flag B.
#[case(feature = ProtectedMode32, spec = [sdm1("Address-Size Attributes for Stack"), sdm3b("Mixing 16-Bit and 32-Bit Code")])]
fn protected_32_narrow_stack_stack() {
    Runner::new(Mode::Protected32NarrowStack).run(&stack::STACK, &stack::INPUTS_NARROW);
}

/// ENTER of 32-bit code use SP where the stack segment lacks flag B.
#[case(feature = ProtectedMode32, spec = [sdm1("Address-Size Attributes for Stack"), sdm3b("Mixing 16-Bit and 32-Bit Code")])]
fn protected_32_narrow_stack_enter() {
    Runner::new(Mode::Protected32NarrowStack).run(&stack::ENTER, &stack::INPUTS_FRAME);
}

/// LEAVE of 32-bit code use SP where the stack segment lacks flag B.
#[case(feature = ProtectedMode32, spec = [sdm1("Address-Size Attributes for Stack"), sdm3b("Mixing 16-Bit and 32-Bit Code")])]
fn protected_32_narrow_stack_leave() {
    Runner::new(Mode::Protected32NarrowStack).run(&stack::LEAVE, &stack::INPUTS_FRAME);
}

/// Addresses of 16 bits: each form, with sums that wrap, in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("ModR/M and SIB Bytes"))]
fn protected_32_forms_16() {
    Runner::new(Mode::Protected32).run(&memory::FORMS_16, &memory::INPUTS_16);
}

/// Addresses of 32 bits: base, index, scale and displacement, in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("ModR/M and SIB Bytes"))]
fn protected_32_forms_32() {
    Runner::new(Mode::Protected32).run(&memory::FORMS_32, &memory::INPUTS_32);
}

/// LES, LDS, LFS and LGS load offset and segment in 32-bit protected mode.
#[case(feature = ProtectedMode32, spec = sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"))]
fn protected_32_far_pointers() {
    Runner::new(Mode::Protected32).run(&memory::FAR_POINTERS, &memory::INPUTS_32);
}
