//! What CALL, RET, exceptions and IRET at CPL 0 push onto a shadow stack, and compare with it.

use super::supervisor_shadow_stack::Supervisor;
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::shadow_stack::{ASTRAY, RETURNING},
    tables::selector,
    vocabulary::Needs,
};

/// CALL over an INT3; POP R11.
const CALL: &[u8] = &[0xe8, 1, 0, 0, 0, 0xcc, 0x41, 0x5b];
/// CALL of the next instruction; POP R11.
const CALL_NEXT: &[u8] = &[0xe8, 0, 0, 0, 0, 0x41, 0x5b];
/// CALL of a RET; behind it JMP R15.
const CALL_AND_RETURN: &[u8] = &[0xe8, 3, 0, 0, 0, 0x41, 0xff, 0xe7, 0xc3];
/// CALL over an INT3; INC QWORD PTR [RSP]; RET.
const RETURN_ASTRAY: &[u8] = &[0xe8, 1, 0, 0, 0, 0xcc, 0x48, 0xff, 0x04, 0x24, 0xc3];
/// CALL over an INT3, twice; POP R11, twice; INCSSPQ RDI.
const CALL_AND_FORGET: &[u8] =
    &[0xe8, 1, 0, 0, 0, 0xcc, 0xe8, 1, 0, 0, 0, 0xcc, 0x41, 0x5b, 0x41, 0x5b, 0xf3, 0x48, 0x0f, 0xae, 0xef];
/// #CP, with the error codes of a near return, and of a far return or IRET.
const NEAR: Outcome = Outcome::exception(21, 1);
const FAR: Outcome = Outcome::exception(21, 2);

/// CALL pushes its return address onto the shadow stack of CPL 0 too, but not a CALL of the next instruction; RET pops it, and
/// raises #CP(1) if it is another.
#[case(feature = PagingPermissions, spec = [sdm2("CALL—Call Procedure"), sdm2("RET—Return From Procedure")], needs = Needs::SHADOW_STACK)]
fn calls_at_cpl_0_with_a_shadow_stack() {
    let Some(stacks) = Supervisor::new() else { return };
    let (start, code) = (stacks.start(), stacks.code());
    let arrival = stacks.run(CALL, 0, 0);
    check_outcome!("CALL", arrival.outcome, Outcome::COMPLETED);
    check_eq!("SSP behind CALL", arrival.ssp, start - 8);
    check_eq!("pushed by CALL", stacks.read(-8), code + 5);
    let arrival = stacks.run(CALL_NEXT, 0, 0);
    check_outcome!("CALL of the next instruction", arrival.outcome, Outcome::COMPLETED);
    check_eq!("SSP behind a CALL of the next instruction", arrival.ssp, start);
    let arrival = stacks.run(CALL_AND_RETURN, 0, 0);
    check_outcome!("RET", arrival.outcome, Outcome::COMPLETED);
    check_eq!("SSP behind RET", arrival.ssp, start);
    let arrival = stacks.run(RETURN_ASTRAY, 0, 0);
    check_outcome!("RET to another address", arrival.outcome, NEAR);
    check_eq!("RIP of #CP", arrival.rip, code + 10);
}

/// INCSSPQ takes as many quadwords from the shadow stack as bits 7 to 0 of its operand say.
#[case(feature = PagingPermissions, spec = sdm2("INCSSPD/INCSSPQ—Increment Shadow Stack Pointer"), needs = Needs::SHADOW_STACK)]
fn incssp_forgets_addresses() {
    let Some(stacks) = Supervisor::new() else { return };
    for count in [0, 1, 2, 0x100, 0xffff_ff01] {
        let arrival = stacks.run(CALL_AND_FORGET, 0, count);
        check_outcome!("INCSSPQ", [&[]; count], arrival.outcome, Outcome::COMPLETED);
        let due = stacks.start() - 16 + (count & 0xff) * 8;
        check_eq!("SSP", [&[]; count], arrival.ssp, due);
    }
}

/// An exception at CPL 0 without a change of stacks pushes CS, the return address and SSP onto the shadow stack.
#[case(feature = PagingPermissions, spec = [sdm2("INT n/INTO/INT3/INT1—Call to Interrupt Procedure"),
       sdm1("Control-flow Enforcement Technology (CET)")], needs = Needs::SHADOW_STACK)]
fn exceptions_push_onto_the_shadow_stack() {
    let Some(stacks) = Supervisor::new() else { return };
    let (start, code) = (stacks.start(), stacks.code());
    // INT3, UD2 behind a NOP.
    for (row, (bytes, vector, address)) in
        [(&[0xcc][..], 3, code + 1), (&[0x90, 0x0f, 0x0b][..], 6, code + 1)].into_iter().enumerate()
    {
        let arrival = stacks.run(bytes, 0, 0);
        check_outcome!("exception", [&[]; row], arrival.outcome, Outcome::exception(vector, 0));
        check_eq!("SSP in the handler", [&[]; row], arrival.ssp, start - 24);
        check_eq!("CS", [&[]; row], stacks.read(-8), selector::KERNEL_CODE);
        check_eq!("return address", [&[]; row], stacks.read(-16), address);
        check_eq!("SSP that is pushed", [&[]; row], stacks.read(-24), start);
    }
}

/// IRET at CPL 0 pops what the interrupt pushed, and raises #CP(2) if it goes to another address.
#[case(feature = PagingPermissions, spec = sdm2("IRET/IRETD/IRETQ—Interrupt Return"), needs = Needs::SHADOW_STACK)]
fn interrupt_returns_agree_with_the_shadow_stack() {
    let Some(stacks) = Supervisor::new() else { return };
    let arrival = stacks.run(&[0xcd, RETURNING], 0, 0);
    check_outcome!("IRETQ", arrival.outcome, Outcome::COMPLETED);
    check_eq!("SSP behind IRETQ", arrival.ssp, stacks.start());
    let arrival = stacks.run(&[0xcd, ASTRAY, 0x90, 0x90], 0, 0);
    check_outcome!("IRETQ to another address", arrival.outcome, FAR);
}
