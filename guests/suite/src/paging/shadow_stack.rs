//! Pages of user shadow stacks: which entries make one, and what faults.

use super::{
    model::Operation,
    probe::{self, PAGE, user},
    shadow_rules::{Access, D, LEAVES, P, RW, US, decide},
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{control::With, msr},
    mmio, names,
    paging::{self, Level, frame, map, write_entry},
    user::{State, enter, register},
    vocabulary::{Needs, Text},
};

const IA32_U_CET: u32 = 0x6a0;
const IA32_PL3_SSP: u32 = 0x6a7;
/// IA32_U_CET.SH_STK_EN.
const SH_STK_EN: u64 = 1 << 0;
/// CR4.CET.
const CET: u64 = 1 << 23;

/// Pages of the window: the shadow stack, and the code.
const SHADOW: usize = PAGE;
const CODE: usize = PAGE + 1;
/// Where the shadow stack's pointer starts in its page, and where the return address of [`Access::Pop`] is.
const OFFSET: u64 = 0x800;

const NAMES: &[Text] = names![
    "----", "P---", "-W--", "PW--", "--U-", "P-U-", "-WU-", "PWU-", "---D", "P--D", "-W-D", "PW-D", "--UD", "P-UD",
    "-WUD", "PWUD",
];

/// User shadow stacks, until this is dropped.
struct Enabled {
    _control: msr::With,
    _pointer: msr::With,
    _cet: With,
}

impl Enabled {
    /// Says what does not work, if there are none.
    fn new() -> Option<Self> {
        let cet = With::cr4(CET, 0);
        check_outcome!("setting CR4.CET", cet.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
        let control = msr::With::value(IA32_U_CET, SH_STK_EN);
        check_outcome!("IA32_U_CET", control.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
        let pointer = msr::With::value(IA32_PL3_SSP, paging::address(SHADOW) + OFFSET);
        check_outcome!("IA32_PL3_SSP", pointer.as_ref().map(|_| ()).map_err(|e| *e), Outcome::COMPLETED);
        Some(Self { _control: control.ok()?, _pointer: pointer.ok()?, _cet: cet.ok()? })
    }
}

/// CALL of the instruction behind an INT3, which is UD2. A CALL of the next instruction is no call to a shadow stack: with a
/// displacement of 0 nothing is pushed there (SDM vol. 2A, "CALL—Call Procedure").
const CALL_FORTH: u64 = 0x0b0f_cc00_0000_01e8;
/// RET, and behind it UD2.
const RETURN: u64 = 0x000b_0fc3;

/// Runs CALL or RET at CPL 3; it completes with the UD2 that it leads to, whose address is also on both stacks for RET.
fn run(access: Access, shadow_value: u64) -> Outcome {
    let code = paging::address(CODE);
    let (bytes, end) = if access == Access::Push { (CALL_FORTH, code + 6) } else { (RETURN, code + 1) };
    mmio::write_u64(frame(1), bytes);
    mmio::write_u64(frame(0) + OFFSET, shadow_value);
    let mut state = State::at(code);
    state.registers[register::RSP] -= 8;
    mmio::write_u64(state.registers[register::RSP], code + 1);
    let _ = msr::write(IA32_PL3_SSP, paging::address(SHADOW) + OFFSET);
    let exception = enter(&mut state);
    if exception.vector == 6 && exception.rip == end { Outcome::COMPLETED } else { exception.into() }
}

fn check_leaves(parents_are_writable: bool) {
    map(CODE, frame(1), paging::ALL_RIGHTS);
    let Some(enabled) = Enabled::new() else { return };
    for (row, leaf) in LEAVES.into_iter().enumerate() {
        let attempt = |access| {
            // The code's page has the same parents, and needs none of their R/W.
            let parent = paging::read_entry(Level::Pd, SHADOW) & !RW;
            write_entry(Level::Pd, SHADOW, parent | if parents_are_writable { RW } else { 0 });
            write_entry(Level::Pt, SHADOW, frame(0) | leaf);
            run(access, paging::address(CODE) + 1)
        };
        let due = |access| Outcome(decide(leaf, parents_are_writable, access));
        check_outcome!("CALL", [NAMES; row], attempt(Access::Push), due(Access::Push));
        check_outcome!("RET", [NAMES; row], attempt(Access::Pop), due(Access::Pop));
    }
    // What is called by the runtime would take its own return address from a shadow stack that faults.
    drop(enabled);
    let Ok(_cet) = With::cr4(CET, 0) else { return };
    for (row, leaf) in LEAVES.into_iter().enumerate() {
        let due = |access| Outcome(decide(leaf, parents_are_writable, access));
        for operation in [Operation::Read, Operation::Write] {
            write_entry(Level::Pt, SHADOW, frame(0) | leaf);
            let actual = Outcome::from(user(operation, paging::address(SHADOW)));
            match operation {
                Operation::Read => check_outcome!("data read", [NAMES; row], actual, due(Access::Read)),
                _ => check_outcome!("data write", [NAMES; row], actual, due(Access::Write)),
            }
        }
    }
    probe::restore_parents();
}

/// CALL and RET at CPL 3 use a user page as shadow stack if and only if R/W is clear and D set in its entry, and R/W set
/// above; otherwise they raise #PF with the bit SS. Data writes to it raise #PF without that bit.
#[case(feature = PagingPermissions, spec = [sdm3a("Determination of Access Rights"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::SHADOW_STACK)]
fn shadow_stack_pages_by_entry() {
    check_leaves(true);
}

/// With R/W clear in an entry above, no page is a shadow-stack page.
#[case(feature = PagingPermissions, spec = [sdm3a("Determination of Access Rights"), sdm3a("Page-Fault Exceptions")],
       needs = Needs::SHADOW_STACK)]
fn shadow_stack_pages_under_read_only_entries() {
    check_leaves(false);
}

/// CALL puts its return address on the shadow stack; RET to an address that is not there raises #CP with error code 1.
#[case(feature = PagingPermissions, spec = [sdm2("CALL—Call Procedure"), sdm2("RET—Return From Procedure")],
       needs = Needs::SHADOW_STACK)]
fn returns_agree_with_the_shadow_stack() {
    /// The vector of #CP, and its error code for near returns.
    const CONTROL_PROTECTION: Outcome = Outcome::exception(21, 1);
    map(CODE, frame(1), paging::ALL_RIGHTS);
    let Some(_enabled) = Enabled::new() else { return };
    write_entry(Level::Pt, SHADOW, frame(0) | P | US | D);
    let code = paging::address(CODE);
    check_outcome!("CALL", run(Access::Push, 0), Outcome::COMPLETED);
    check_eq!("on the shadow stack", mmio::read_u64(frame(0) + OFFSET - 8), code + 5);
    check_eq!("IA32_PL3_SSP behind CALL", msr::read(IA32_PL3_SSP).unwrap_or(0), paging::address(SHADOW) + OFFSET - 8);
    check_outcome!("RET", run(Access::Pop, code + 1), Outcome::COMPLETED);
    check_eq!("IA32_PL3_SSP after it", msr::read(IA32_PL3_SSP).unwrap_or(0), paging::address(SHADOW) + OFFSET + 8);
    for bit in [0, 1, 12, 31, 32, 47, 63] {
        check_outcome!("RET with another bit", [&[]; bit], run(Access::Pop, (code + 1) ^ 1 << bit), CONTROL_PROTECTION);
    }
}
