//! Tables of instructions in virtual-8086 mode.

use super::{
    model::Mode,
    runner::Runner,
    tables::{branches, data, decimal, memory, stack, system},
};
use rt::{case, excursion::EFLAGS_IOPL_3};

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

/// Encodings that are no instruction raise #UD in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm2("UD—Undefined Instruction"), sdm3a("Interrupt 6—Invalid Opcode Exception (#UD)")])]
fn virtual_8086_undefined() {
    Runner::new(Mode::Virtual8086).run(&system::UNDEFINED, &system::INPUTS[..1]);
}

/// INT3 is a trap behind the instruction in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"))]
fn virtual_8086_breakpoint() {
    Runner::new(Mode::Virtual8086).run(&system::BREAKPOINT, &system::INPUTS);
}

/// BOUND raises #BR for an index outside of the bounds in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("BOUND—Check Array Index Against Bounds"))]
fn virtual_8086_bounds() {
    Runner::new(Mode::Virtual8086).run(&system::BOUNDS, &system::INPUTS);
}

/// Loads and stores of LDTR and TR raise #UD in virtual-8086 mode.
#[case(feature = Virtual8086, spec = [sdm3b("Instructions Supported in Real-Address Mode"), sdm2("ARPL—Adjust RPL Field of Segment Selector")])]
fn virtual_8086_lacks_protected_mode_instructions() {
    Runner::new(Mode::Virtual8086).run(&system::PROTECTED_ONLY, &system::INPUTS[..1]);
}

/// Privileged instructions raise #GP(0) in virtual-8086 mode, whatever IOPL is.
#[case(feature = Virtual8086, spec = [sdm3b("Virtual-8086 Mode"), sdm3a("Privileged Instructions")])]
fn virtual_8086_privileged() {
    let mut runner = Runner::new(Mode::Virtual8086);
    runner.program.registers.eflags |= EFLAGS_IOPL_3;
    runner.run(&system::PRIVILEGED, &system::INPUTS[..1]);
}

/// CLI, STI, PUSHF, POPF, INT n and IRET raise #GP(0) in virtual-8086 mode with an IOPL of 0.
#[case(feature = Virtual8086, spec = [sdm3b("Sensitive Instructions"), sdm3b("Virtual-8086 Mode")])]
fn virtual_8086_sensitive_iopl_0() {
    Runner::new(Mode::Virtual8086).run(&system::SENSITIVE, &system::INPUTS);
}

/// The same with an IOPL of 1.
#[case(feature = Virtual8086, spec = sdm3b("Sensitive Instructions"))]
fn virtual_8086_sensitive_iopl_1() {
    let mut runner = Runner::new(Mode::Virtual8086);
    runner.program.registers.eflags |= 1 << 12;
    runner.run(&system::SENSITIVE, &system::INPUTS);
}

/// The same with an IOPL of 2.
#[case(feature = Virtual8086, spec = sdm3b("Sensitive Instructions"))]
fn virtual_8086_sensitive_iopl_2() {
    let mut runner = Runner::new(Mode::Virtual8086);
    runner.program.registers.eflags |= 2 << 12;
    runner.run(&system::SENSITIVE, &system::INPUTS);
}

/// With an IOPL of 3 they execute: PUSHF tells IOPL, POPF does not change it, INT goes through the IDT.
#[case(feature = Virtual8086, spec = sdm3b("Sensitive Instructions"))]
fn virtual_8086_sensitive_iopl_3() {
    let mut runner = Runner::new(Mode::Virtual8086);
    runner.program.registers.eflags |= EFLAGS_IOPL_3;
    runner.run(&system::WITH_IOPL_3, &system::INPUTS_IOPL);
}

/// Other instructions do not depend on IOPL in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm3b("Sensitive Instructions"))]
fn virtual_8086_not_sensitive() {
    Runner::new(Mode::Virtual8086).run(&system::NOT_SENSITIVE, &system::INPUTS);
}

/// INTO is a trap behind the instruction with OF set, and does nothing with OF clear, in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"))]
fn virtual_8086_overflow() {
    Runner::new(Mode::Virtual8086).run(&system::OVERFLOW, &system::INPUTS);
}

/// UD2 and UD1 raise #UD in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("UD—Undefined Instruction"))]
fn virtual_8086_ud() {
    Runner::new(Mode::Virtual8086).run(&system::UD, &system::INPUTS[..1]);
}

/// VERR and VERW raise #UD in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("VERR/VERW—Verify a Segment for Reading or Writing"))]
fn virtual_8086_verify() {
    Runner::new(Mode::Virtual8086).run(&system::VERIFY, &system::INPUTS[..1]);
}

/// LAR and LSL raise #UD in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("LAR—Load Access Rights Byte"))]
fn virtual_8086_rights() {
    Runner::new(Mode::Virtual8086).run(&system::RIGHTS, &system::INPUTS[..1]);
}

/// ARPL raises #UD in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("ARPL—Adjust RPL Field of Segment Selector"))]
fn virtual_8086_arpl() {
    Runner::new(Mode::Virtual8086).run(&system::ARPL, &system::INPUTS[..1]);
}

/// LES, LDS and BOUND of a register raise #UD in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"))]
fn virtual_8086_pointers() {
    Runner::new(Mode::Virtual8086).run(&system::POINTERS, &system::INPUTS[..1]);
}

/// Addresses of 16 bits: each form, with sums that wrap, in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("ModR/M and SIB Bytes"))]
fn virtual_8086_forms_16() {
    Runner::new(Mode::Virtual8086).run(&memory::FORMS_16, &memory::INPUTS_16);
}

/// Addresses of 32 bits: base, index, scale and displacement, in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("ModR/M and SIB Bytes"))]
fn virtual_8086_forms_32() {
    Runner::new(Mode::Virtual8086).run(&memory::FORMS_32, &memory::INPUTS_32);
}

/// LES, LDS, LFS and LGS load offset and segment in virtual-8086 mode.
#[case(feature = Virtual8086, spec = sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"))]
fn virtual_8086_far_pointers() {
    Runner::new(Mode::Virtual8086).run(&memory::FAR_POINTERS, &memory::INPUTS_32);
}
