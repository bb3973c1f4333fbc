//! System calls.
//!
//! Where SYSCALL and SYSENTER lead to, and where SYSRET and SYSEXIT return to, stands a UD2: its exception tells what
//! the instruction under test left in every register.

mod entry;
mod outside_model;
mod outside_of_long_mode;
mod swapgs;
mod sysenter;
mod sysret;
mod sysret_flags;
mod targets;

use crate::segments::{columns, reporting};
// The models name the runtime by this, so that tests on the host can put their own in its place.
use rt as runtime;
use rt::{
    Outcome, check_outcome,
    cpu::msr::{
        self,
        efer::SCE,
        number::{IA32_CSTAR, IA32_EFER, IA32_FMASK, IA32_LSTAR, IA32_STAR},
    },
    tables::selector,
    user_code,
};

user_code!(landing: "ud2");

/// The address of [`landing`].
fn landing_address() -> u64 {
    address_of(landing)
}

fn address_of(function: extern "C" fn(u64) -> u64) -> u64 {
    function as *const () as u64
}

/// RFLAGS.RF: set in the image that a fault saves, whatever it was before.
const RF: u64 = 1 << 16;

/// What SYSCALL and SYSRET take from STAR: the kernel's segments, and the three of ring 3.
const STAR: u64 = (selector::KERNEL_CODE as u64) << 32 | (selector::USER_CODE_32 as u64) << 48;

/// Enables SYSCALL, with both targets at [`landing`] and no flag masked.
fn enable_syscall() {
    let efer = msr::read(IA32_EFER).unwrap_or(0);
    check_outcome!("setting SCE", msr::write(IA32_EFER, efer | SCE), Outcome::COMPLETED);
    check_outcome!("STAR", msr::write(IA32_STAR, STAR), Outcome::COMPLETED);
    check_outcome!("LSTAR", msr::write(IA32_LSTAR, landing_address()), Outcome::COMPLETED);
    check_outcome!("CSTAR", msr::write(IA32_CSTAR, landing_address()), Outcome::COMPLETED);
    check_outcome!("FMASK", msr::write(IA32_FMASK, 0), Outcome::COMPLETED);
}
