//! Tables of instructions in big real mode.

use super::{
    model::Mode,
    runner::Runner,
    tables::{branches, memory, stack},
};
use rt::case;

/// PUSH, POP, PUSHA and POPA of both sizes in big real mode.
#[case(feature = BigRealMode, spec = [sdm2("PUSH—Push Word, Doubleword, or Quadword Onto the Stack"),
       sdm1("Address-Size Attributes for Stack")])]
fn big_real_stack() {
    Runner::new(Mode::BigReal).run(&stack::STACK, &stack::INPUTS_NARROW);
}

/// ENTER of both sizes in big real mode.
#[case(feature = BigRealMode, spec = sdm2("ENTER—Make Stack Frame for Procedure Parameters"))]
fn big_real_enter() {
    Runner::new(Mode::BigReal).run(&stack::ENTER, &stack::INPUTS_FRAME);
}

/// LEAVE of both sizes in big real mode.
#[case(feature = BigRealMode, spec = sdm2("LEAVE—High Level Procedure Exit"))]
fn big_real_leave() {
    Runner::new(Mode::BigReal).run(&stack::LEAVE, &stack::INPUTS_FRAME);
}

/// LOOP and JCXZ with CX and with ECX in big real mode.
#[case(feature = BigRealMode, spec = sdm2("LOOP/LOOPcc—Loop According to ECX Counter"))]
fn big_real_loops() {
    Runner::new(Mode::BigReal).run(&branches::LOOPS, &branches::INPUTS);
}

/// Calls and returns, near and far, in big real mode.
#[case(feature = BigRealMode, spec = [sdm2("CALL—Call Procedure"), sdm2("RET—Return From Procedure")])]
fn big_real_calls() {
    Runner::new(Mode::BigReal).run(&branches::CALLS, &branches::INPUTS_ONE);
}

/// Addresses of 16 bits: each form, with sums that wrap, in big real mode.
#[case(feature = BigRealMode, spec = sdm2("ModR/M and SIB Bytes"))]
fn big_real_forms_16() {
    Runner::new(Mode::BigReal).run(&memory::FORMS_16, &memory::INPUTS_16);
}

/// Addresses of 32 bits: base, index, scale and displacement, in big real mode.
#[case(feature = BigRealMode, spec = sdm2("ModR/M and SIB Bytes"))]
fn big_real_forms_32() {
    Runner::new(Mode::BigReal).run(&memory::FORMS_32, &memory::INPUTS_32);
}

/// LES, LDS, LFS and LGS load offset and segment in big real mode.
#[case(feature = BigRealMode, spec = sdm2("LDS/LES/LFS/LGS/LSS—Load Far Pointer"))]
fn big_real_far_pointers() {
    Runner::new(Mode::BigReal).run(&memory::FAR_POINTERS, &memory::INPUTS_32);
}
