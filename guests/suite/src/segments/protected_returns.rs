//! Far RET and IRET in 32-bit protected mode to every type, S, DPL, P and RPL.

use super::{
    model::{return_stack, return_to},
    rows::NR_ROWS,
    walk::{self, NAMES, Span, expected, outcomes},
};
use rt::case;

const RETURN_0: &[u32; NR_ROWS] = expected!(8, |selector, d| return_to(selector, d, 0));
const RETURN_3: &[u32; NR_ROWS] = expected!(8, |selector, d| return_to(selector, d, 3));
const STACK: &[u32; NR_ROWS] = expected!(8, |selector, d| return_stack(selector, d, 3));

/// Far RET at CPL 0 with RPL 0 takes code of that DPL, and conforming code of an inner one.
#[case(feature = FarBranches, spec = [sdm2("RET—Return From Procedure"), apm2("Return Control Transfers")])]
fn far_return_with_rpl_0() {
    let site = rt::site!("far RET", NAMES, Outcome);
    outcomes(&walk::FAR_RET, 0, Span::rpl(0), site, RETURN_0);
}

/// IRET at CPL 0 with RPL 0 takes code of that DPL, and conforming code of an inner one.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm2("Returning From Interrupt Procedures")])]
fn interrupt_return_with_rpl_0() {
    let site = rt::site!("IRET", NAMES, Outcome);
    outcomes(&walk::IRET, 0, Span::rpl(0), site, RETURN_0);
}

/// Far RET at CPL 0 with RPL 1 takes code of that DPL, and conforming code of an inner one.
#[case(feature = FarBranches, spec = [sdm2("RET—Return From Procedure"), apm2("Return Control Transfers")])]
fn far_return_with_rpl_1() {
    let site = rt::site!("far RET", NAMES, Outcome);
    outcomes(&walk::FAR_RET, 0, Span::rpl(1), site, RETURN_0);
}

/// IRET at CPL 0 with RPL 1 takes code of that DPL, and conforming code of an inner one.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm2("Returning From Interrupt Procedures")])]
fn interrupt_return_with_rpl_1() {
    let site = rt::site!("IRET", NAMES, Outcome);
    outcomes(&walk::IRET, 0, Span::rpl(1), site, RETURN_0);
}

/// Far RET at CPL 0 with RPL 2 takes code of that DPL, and conforming code of an inner one.
#[case(feature = FarBranches, spec = [sdm2("RET—Return From Procedure"), apm2("Return Control Transfers")])]
fn far_return_with_rpl_2() {
    let site = rt::site!("far RET", NAMES, Outcome);
    outcomes(&walk::FAR_RET, 0, Span::rpl(2), site, RETURN_0);
}

/// IRET at CPL 0 with RPL 2 takes code of that DPL, and conforming code of an inner one.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm2("Returning From Interrupt Procedures")])]
fn interrupt_return_with_rpl_2() {
    let site = rt::site!("IRET", NAMES, Outcome);
    outcomes(&walk::IRET, 0, Span::rpl(2), site, RETURN_0);
}

/// Far RET at CPL 0 with RPL 3 takes code of that DPL, and conforming code of an inner one.
#[case(feature = FarBranches, spec = [sdm2("RET—Return From Procedure"), apm2("Return Control Transfers")])]
fn far_return_with_rpl_3() {
    let site = rt::site!("far RET", NAMES, Outcome);
    outcomes(&walk::FAR_RET, 0, Span::rpl(3), site, RETURN_0);
}

/// IRET at CPL 0 with RPL 3 takes code of that DPL, and conforming code of an inner one.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm2("Returning From Interrupt Procedures")])]
fn interrupt_return_with_rpl_3() {
    let site = rt::site!("IRET", NAMES, Outcome);
    outcomes(&walk::IRET, 0, Span::rpl(3), site, RETURN_0);
}

/// Far RET at CPL 3 goes to no inner level.
#[case(feature = FarBranches, spec = [sdm2("RET—Return From Procedure"), apm2("Return Control Transfers")])]
fn far_return_at_cpl_3() {
    let site = rt::site!("far RET", NAMES, Outcome);
    outcomes(&walk::FAR_RET, 3, Span::ALL, site, RETURN_3);
}

/// IRET at CPL 3 goes to no inner level.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm2("Returning From Interrupt Procedures")])]
fn interrupt_return_at_cpl_3() {
    let site = rt::site!("IRET", NAMES, Outcome);
    outcomes(&walk::IRET, 3, Span::ALL, site, RETURN_3);
}

/// Far RET to CPL 3 takes a stack of writable data whose DPL and RPL are 3.
#[case(feature = FarBranches, spec = [sdm2("RET—Return From Procedure"), apm2("Return Control Transfers")])]
fn far_return_stack() {
    let site = rt::site!("SS", NAMES, Outcome);
    outcomes(&walk::FAR_RET_STACK, 0, Span::ALL, site, STACK);
}

/// IRET to CPL 3 takes a stack of writable data whose DPL and RPL are 3.
#[case(feature = InterruptReturn, spec = [sdm2("IRET/IRETD/IRETQ—Interrupt Return"), apm2("Returning From Interrupt Procedures")])]
fn interrupt_return_stack() {
    let site = rt::site!("SS", NAMES, Outcome);
    outcomes(&walk::IRET_STACK, 0, Span::ALL, site, STACK);
}
