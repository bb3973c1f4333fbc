//! Far JMP and CALL in 32-bit protected mode to every type, S, DPL, P and RPL.

use super::{
    model::{Systems, branch},
    rows::NR_ROWS,
    walk::{self, NAMES, Span, expected, outcomes},
};
use rt::case;

const BRANCH_0: &[u32; NR_ROWS] = expected!(8, |selector, d| branch(selector, d, 0, Systems::Legacy));
const BRANCH_3: &[u32; NR_ROWS] = expected!(8, |selector, d| branch(selector, d, 3, Systems::Legacy));

/// Far JMP at CPL 0 takes code of its own DPL and conforming code of an inner one.
#[case(feature = FarBranches, spec = [sdm2("JMP—Jump"), sdm3a("Privilege Level Checking When Transferring Program Control Between Code Segments"), apm2("Control-Transfer Privilege Checks")])]
fn far_jump_to_segments_at_cpl_0() {
    let site = rt::site!("far JMP", NAMES, Outcome);
    outcomes(&walk::FAR_JMP, 0, Span::PRESENT_SEGMENTS, site, BRANCH_0);
    outcomes(&walk::FAR_JMP, 0, Span::ABSENT_SEGMENTS, site, BRANCH_0);
}

/// Far JMP at CPL 0 to a system descriptor refuses all but gates and tasks, and those by their DPL, P and what they lead to.
#[case(feature = FarBranches, spec = [sdm2("JMP—Jump"), sdm3a("Privilege Level Checking When Transferring Program Control Between Code Segments"), apm2("Control-Transfer Privilege Checks")])]
fn far_jump_to_system_descriptors_at_cpl_0() {
    let site = rt::site!("far JMP", NAMES, Outcome);
    outcomes(&walk::FAR_JMP, 0, Span::PRESENT_SYSTEMS, site, BRANCH_0);
    outcomes(&walk::FAR_JMP, 0, Span::ABSENT_SYSTEMS, site, BRANCH_0);
}

/// Far CALL at CPL 0 takes code of its own DPL and conforming code of an inner one.
#[case(feature = FarBranches, spec = [sdm2("CALL—Call Procedure"), sdm3a("Privilege Level Checking When Transferring Program Control Between Code Segments"), apm2("Control-Transfer Privilege Checks")])]
fn far_call_to_segments_at_cpl_0() {
    let site = rt::site!("far CALL", NAMES, Outcome);
    outcomes(&walk::FAR_CALL, 0, Span::PRESENT_SEGMENTS, site, BRANCH_0);
    outcomes(&walk::FAR_CALL, 0, Span::ABSENT_SEGMENTS, site, BRANCH_0);
}

/// Far CALL at CPL 0 to a system descriptor refuses all but gates and tasks, and those by their DPL, P and what they lead to.
#[case(feature = FarBranches, spec = [sdm2("CALL—Call Procedure"), sdm3a("Privilege Level Checking When Transferring Program Control Between Code Segments"), apm2("Control-Transfer Privilege Checks")])]
fn far_call_to_system_descriptors_at_cpl_0() {
    let site = rt::site!("far CALL", NAMES, Outcome);
    outcomes(&walk::FAR_CALL, 0, Span::PRESENT_SYSTEMS, site, BRANCH_0);
    outcomes(&walk::FAR_CALL, 0, Span::ABSENT_SYSTEMS, site, BRANCH_0);
}

/// Far JMP at CPL 3 takes code of its own DPL and conforming code of an inner one.
#[case(feature = FarBranches, spec = [sdm2("JMP—Jump"), sdm3a("Privilege Level Checking When Transferring Program Control Between Code Segments"), apm2("Control-Transfer Privilege Checks")])]
fn far_jump_to_segments_at_cpl_3() {
    let site = rt::site!("far JMP", NAMES, Outcome);
    outcomes(&walk::FAR_JMP, 3, Span::PRESENT_SEGMENTS, site, BRANCH_3);
    outcomes(&walk::FAR_JMP, 3, Span::ABSENT_SEGMENTS, site, BRANCH_3);
}

/// Far JMP at CPL 3 to a system descriptor refuses all but gates and tasks, and those by their DPL, P and what they lead to.
#[case(feature = FarBranches, spec = [sdm2("JMP—Jump"), sdm3a("Privilege Level Checking When Transferring Program Control Between Code Segments"), apm2("Control-Transfer Privilege Checks")])]
fn far_jump_to_system_descriptors_at_cpl_3() {
    let site = rt::site!("far JMP", NAMES, Outcome);
    outcomes(&walk::FAR_JMP, 3, Span::PRESENT_SYSTEMS, site, BRANCH_3);
    outcomes(&walk::FAR_JMP, 3, Span::ABSENT_SYSTEMS, site, BRANCH_3);
}

/// Far CALL at CPL 3 takes code of its own DPL and conforming code of an inner one.
#[case(feature = FarBranches, spec = [sdm2("CALL—Call Procedure"), sdm3a("Privilege Level Checking When Transferring Program Control Between Code Segments"), apm2("Control-Transfer Privilege Checks")])]
fn far_call_to_segments_at_cpl_3() {
    let site = rt::site!("far CALL", NAMES, Outcome);
    outcomes(&walk::FAR_CALL, 3, Span::PRESENT_SEGMENTS, site, BRANCH_3);
    outcomes(&walk::FAR_CALL, 3, Span::ABSENT_SEGMENTS, site, BRANCH_3);
}

/// Far CALL at CPL 3 to a system descriptor refuses all but gates and tasks, and those by their DPL, P and what they lead to.
#[case(feature = FarBranches, spec = [sdm2("CALL—Call Procedure"), sdm3a("Privilege Level Checking When Transferring Program Control Between Code Segments"), apm2("Control-Transfer Privilege Checks")])]
fn far_call_to_system_descriptors_at_cpl_3() {
    let site = rt::site!("far CALL", NAMES, Outcome);
    outcomes(&walk::FAR_CALL, 3, Span::PRESENT_SYSTEMS, site, BRANCH_3);
    outcomes(&walk::FAR_CALL, 3, Span::ABSENT_SYSTEMS, site, BRANCH_3);
}
