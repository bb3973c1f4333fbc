//! SWAPGS.

use super::address_of;
use case::Text;
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::msr::{
        self,
        number::{IA32_FS_BASE, IA32_GS_BASE, IA32_KERNEL_GS_BASE},
    },
    instruction, names,
    tables::selector,
    user::{self, State},
    user_code,
};

const FIRST: u64 = 0x7fff_1111_2222;
const SECOND: u64 = 0xffff_8000_3333_4444;

fn set_bases(gs: u64, kernel_gs: u64) {
    check_outcome!("IA32_GS_BASE", msr::write(IA32_GS_BASE, gs), Outcome::COMPLETED);
    check_outcome!("IA32_KERNEL_GS_BASE", msr::write(IA32_KERNEL_GS_BASE, kernel_gs), Outcome::COMPLETED);
}

/// SWAPGS exchanges the base of GS with IA32_KERNEL_GS_BASE, and nothing else; a second one undoes it.
#[case(feature = SwapGs, spec = [sdm2("SWAPGS—Swap GS Base Register"), apm3("SWAPGS")])]
fn swapgs_exchanges_bases() {
    const NAMES: &[Text] = names!["once", "twice"];
    set_bases(FIRST, SECOND);
    check_outcome!("IA32_FS_BASE", msr::write(IA32_FS_BASE, 0x5555), Outcome::COMPLETED);
    for (row, (gs, kernel_gs)) in [(SECOND, FIRST), (FIRST, SECOND)].into_iter().enumerate() {
        check_outcome!("SWAPGS", [NAMES; row], instruction!("swapgs"), Outcome::COMPLETED);
        check_eq!("IA32_GS_BASE", [NAMES; row], msr::read(IA32_GS_BASE).unwrap_or(0), gs);
        check_eq!("IA32_KERNEL_GS_BASE", [NAMES; row], msr::read(IA32_KERNEL_GS_BASE).unwrap_or(0), kernel_gs);
    }
    check_eq!("IA32_FS_BASE afterwards", msr::read(IA32_FS_BASE).unwrap_or(0), 0x5555);
}

static MARKS: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];

user_code!(read_gs: "mov rax, gs:[0]", "ret");

/// An access through GS behind SWAPGS uses the new base, at CPL 0 and then at CPL 3.
#[case(feature = SwapGs, spec = [sdm2("SWAPGS—Swap GS Base Register"), apm3("SWAPGS")])]
fn access_behind_swapgs() {
    let address = MARKS.as_ptr() as u64;
    set_bases(address, address + 8);
    let (mut before, mut behind) = (0_u64, 0_u64);
    let result = instruction!("mov {0}, gs:[0]", "swapgs", "mov {1}, gs:[0]", out(reg) before, out(reg) behind);
    check_outcome!("accesses around SWAPGS", result, Outcome::COMPLETED);
    check_eq!("before", before, MARKS[0]);
    check_eq!("behind", behind, MARKS[1]);
    check_eq!("at CPL 3", user::call(read_gs, 0).unwrap_or(0), MARKS[1]);
}

/// SWAPGS keeps the selector in GS.
#[case(feature = SwapGs, spec = [sdm2("SWAPGS—Swap GS Base Register"), apm3("SWAPGS")])]
fn swapgs_keeps_the_selector() {
    let mut selector = 0_u32;
    let result = instruction!("mov gs, {0:e}", "swapgs", "mov {0:e}, gs",
                              inout(reg) u32::from(selector::USER_DATA) => selector);
    check_outcome!("SWAPGS", result, Outcome::COMPLETED);
    check_eq!("GS", selector, u32::from(selector::USER_DATA));
}

user_code!(swapgs: "swapgs", "ret");
user_code!(swapgs_32: ".code32", ".byte 0x0f, 0x01, 0xf8", "ret", ".code64");

/// SWAPGS raises #GP(0) at CPL 3 and changes nothing.
#[case(feature = SwapGs, spec = [sdm2("SWAPGS—Swap GS Base Register"), apm3("SWAPGS")])]
fn swapgs_at_cpl_3() {
    set_bases(FIRST, SECOND);
    check_outcome!("SWAPGS", user::call(swapgs, 0), Outcome::GP);
    check_eq!("IA32_GS_BASE after it", msr::read(IA32_GS_BASE).unwrap_or(0), FIRST);
    check_eq!("IA32_KERNEL_GS_BASE after it", msr::read(IA32_KERNEL_GS_BASE).unwrap_or(0), SECOND);
}

/// SWAPGS raises #UD in compatibility mode and changes nothing.
#[case(feature = SwapGs, spec = [sdm2("SWAPGS—Swap GS Base Register"), apm3("SWAPGS")])]
fn swapgs_in_compatibility_mode() {
    set_bases(FIRST, SECOND);
    let mut state = State::at(address_of(swapgs_32));
    state.cs = selector::USER_CODE_32;
    let exception = user::enter(&mut state);
    check_outcome!("SWAPGS", Outcome::from(exception), Outcome::UD);
    check_eq!("RIP", exception.rip, address_of(swapgs_32));
    check_eq!("IA32_GS_BASE after it", msr::read(IA32_GS_BASE).unwrap_or(0), FIRST);
    check_eq!("IA32_KERNEL_GS_BASE after it", msr::read(IA32_KERNEL_GS_BASE).unwrap_or(0), SECOND);
}
