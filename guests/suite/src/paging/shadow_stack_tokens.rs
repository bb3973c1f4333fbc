//! SETSSBSY, CLRSSBSY, RSTORSSP and SAVEPREVSSP: which tokens they take, and what they leave.

use super::{
    reporting::{report, sites},
    shadow_rules::LEAVES,
    supervisor_shadow_stack::Supervisor,
    token_model::{Instruction, Left, WRONG, accessed, left, token},
};
use rt::{
    Outcome, case, check_eq, check_outcome, instruction, names, user, user_code,
    vocabulary::{Needs, Text},
};

const SET: &[u8] = &[0xf3, 0x0f, 0x01, 0xe8];
const CLEAR: &[u8] = &[0xf3, 0x0f, 0xae, 0x37];
const RESTORE: &[u8] = &[0xf3, 0x0f, 0x01, 0x2f];
/// RSTORSSP [RDI]; SAVEPREVSSP.
const SWITCH: &[u8] = &[0xf3, 0x0f, 0x01, 0x2f, 0xf3, 0x0f, 0x01, 0xea];
/// RSTORSSP [RDI]; STC; SAVEPREVSSP.
const SWITCH_WITH_CARRY: &[u8] = &[0xf3, 0x0f, 0x01, 0x2f, 0xf9, 0xf3, 0x0f, 0x01, 0xea];
const SAVE: &[u8] = &[0xf3, 0x0f, 0x01, 0xea];

/// Where in the other page the token is.
const OFFSET: u64 = 0x400;
const NAMES: &[Text] = names!["free", "bit 0", "bit 1", "bit 2", "bit 3", "bit 12", "bit 31", "bit 47", "bit 63"];
const LEAF_NAMES: &[Text] = names![
    "----", "P---", "-W--", "PW--", "--U-", "P-U-", "-WU-", "PWU-", "---D", "P--D", "-W-D", "PW-D", "--UD", "P-UD",
    "-WUD", "PWUD",
];

fn code_of(instruction: Instruction) -> &'static [u8] {
    match instruction {
        Instruction::Set => SET,
        Instruction::Clear => CLEAR,
        Instruction::Restore => RESTORE,
    }
}

fn check_tokens(instruction: Instruction) {
    let Some(stacks) = Supervisor::new() else { return };
    let address = stacks.other(OFFSET);
    for (row, wrong) in WRONG.into_iter().enumerate() {
        stacks.write_other(OFFSET, token(instruction, address, wrong));
        let arrival = stacks.run(code_of(instruction), address, address);
        let seen = Left {
            outcome: arrival.outcome.0,
            token: stacks.read_other(OFFSET),
            ssp: arrival.ssp,
            flags: arrival.rflags,
        };
        let sites = sites![NAMES; Outcome "outcome", Hex "token behind", Hex "SSP behind", Hex "flags behind"];
        report(sites, row, seen.beside(left(instruction, address, wrong, stacks.start())));
    }
    let arrival = stacks.run(code_of(instruction), address + 4, address + 4);
    check_outcome!("off its alignment", arrival.outcome, Outcome::GP);
    check_eq!("SSP in the handler of #GP", arrival.ssp, stacks.start() - 24);
}

fn check_leaves(instruction: Instruction) {
    /// Bit 1 of error codes of #PF.
    const WRITE: u64 = 1 << 1;
    let Some(stacks) = Supervisor::new() else { return };
    let address = stacks.other(OFFSET);
    let wrong = if instruction == Instruction::Clear { 1 } else { 0 };
    for (row, leaf) in LEAVES.into_iter().enumerate() {
        stacks.write_other(OFFSET, token(instruction, address, wrong));
        stacks.map_other(leaf);
        let outcome = stacks.run(code_of(instruction), address, address).outcome;
        let outcome = Outcome(if outcome == Outcome::COMPLETED { outcome.0 } else { outcome.0 & !WRITE });
        check_outcome!("by entry, less the bit W/R", [LEAF_NAMES; row], outcome, accessed(leaf));
    }
}

/// SETSSBSY takes a token that holds its own address and nothing else, sets its busy bit and goes to its shadow stack;
/// another raises #CP(5), and one off its alignment #GP(0).
#[case(feature = PagingPermissions, spec = [sdm2("SETSSBSY—Mark Shadow Stack Busy"), sdm1("Supervisor Shadow Stack Token")],
       needs = Needs::SHADOW_STACK)]
fn tokens_of_setssbsy() {
    check_tokens(Instruction::Set);
}

/// CLRSSBSY clears the busy bit of a token that has it, else it sets CF and leaves the token; SSP is 0 either way.
#[case(feature = PagingPermissions, spec = [sdm2("CLRSSBSY—Clear Busy Flag in a Supervisor Shadow Stack Token"),
       sdm1("Supervisor Shadow Stack Token")], needs = Needs::SHADOW_STACK)]
fn tokens_of_clrssbsy() {
    check_tokens(Instruction::Clear);
}

/// RSTORSSP goes to a shadow stack whose token tells the address behind it and 64-bit mode, and leaves the former SSP there;
/// another raises #CP(4).
#[case(feature = PagingPermissions, spec = [sdm2("RSTORSSP—Restore Saved Shadow Stack Pointer"), sdm1("Switching Shadow Stacks")],
       needs = Needs::SHADOW_STACK)]
fn tokens_of_rstorssp() {
    check_tokens(Instruction::Restore);
}

/// SETSSBSY needs its token in a supervisor shadow-stack page; elsewhere it raises #PF with the bit SS.
#[case(feature = PagingPermissions, spec = [sdm3a("Determination of Access Rights"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::SHADOW_STACK)]
fn setssbsy_by_entry() {
    check_leaves(Instruction::Set);
}

/// So does CLRSSBSY.
#[case(feature = PagingPermissions, spec = [sdm3a("Determination of Access Rights"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::SHADOW_STACK)]
fn clrssbsy_by_entry() {
    check_leaves(Instruction::Clear);
}

/// So does RSTORSSP at CPL 0.
#[case(feature = PagingPermissions, spec = [sdm3a("Determination of Access Rights"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::SHADOW_STACK)]
fn rstorssp_by_entry() {
    check_leaves(Instruction::Restore);
}

/// SAVEPREVSSP behind RSTORSSP takes the former SSP from the shadow stack and leaves a token there to restore from; it raises
/// #GP(0) if it finds another token, and with CF in 64-bit mode.
#[case(feature = PagingPermissions, spec = sdm2("SAVEPREVSSP—Save Previous Shadow Stack Pointer"), needs = Needs::SHADOW_STACK)]
fn saveprevssp_leaves_a_token() {
    let Some(stacks) = Supervisor::new() else { return };
    let (start, other) = (stacks.start(), stacks.other(OFFSET));
    stacks.write_other(OFFSET, token(Instruction::Restore, other, 0));
    let arrival = stacks.run(SWITCH, 0, other);
    check_outcome!("RSTORSSP and SAVEPREVSSP", arrival.outcome, Outcome::COMPLETED);
    check_eq!("SSP", arrival.ssp, other + 8);
    check_eq!("token that is left", stacks.read(-8), start | 1);
    check_eq!("token that was taken", stacks.read_other(OFFSET), start | 3);
    stacks.write_other(OFFSET, token(Instruction::Restore, other, 0));
    let arrival = stacks.run(SWITCH_WITH_CARRY, 0, other);
    check_outcome!("with CF", arrival.outcome, Outcome::GP);
    check_outcome!("without RSTORSSP", stacks.run(SAVE, 0, other).outcome, Outcome::GP);
}

user_code!(set_user: ".byte 0xf3, 0x0f, 0x01, 0xe8", "ret");
user_code!(save_user: ".byte 0xf3, 0x0f, 0x01, 0xea", "ret");
user_code!(restore_user: ".byte 0xf3, 0x0f, 0x01, 0x2f", "ret");
user_code!(clear_user: ".byte 0xf3, 0x0f, 0xae, 0x37", "ret");

/// While CR4.CET is clear the instructions on shadow stacks raise #UD, at CPL 0 and CPL 3, whether CPUID tells of them or
/// not.
#[case(feature = PagingPermissions, spec = [sdm2("SETSSBSY—Mark Shadow Stack Busy"),
       sdm2("SAVEPREVSSP—Save Previous Shadow Stack Pointer"), sdm2("RSTORSSP—Restore Saved Shadow Stack Pointer"),
       sdm2("CLRSSBSY—Clear Busy Flag in a Supervisor Shadow Stack Token")], needs = Needs::INTEL)]
fn shadow_stack_instructions_without_cet() {
    const ROWS: &[Text] = names!["SETSSBSY", "SAVEPREVSSP", "RSTORSSP", "CLRSSBSY"];
    let stack = user::stack_top() - 64;
    for (row, code) in [set_user, save_user, restore_user, clear_user].into_iter().enumerate() {
        check_outcome!("at CPL 3", [ROWS; row], user::call(code, stack), Outcome::UD);
    }
    let at_0 = [
        instruction!(".byte 0xf3, 0x0f, 0x01, 0xe8"),
        instruction!(".byte 0xf3, 0x0f, 0x01, 0xea"),
        instruction!(".byte 0xf3, 0x0f, 0x01, 0x2f", in("rdi") stack),
        instruction!(".byte 0xf3, 0x0f, 0xae, 0x37", in("rdi") stack),
    ];
    for (row, result) in at_0.into_iter().enumerate() {
        check_outcome!("at CPL 0", [ROWS; row], result, Outcome::UD);
    }
}
