//! The smallest image: cases that misbehave on purpose, for the tests of the harness.
//!
//! Each case does one thing that a guest may do, on purpose or because it or its hypervisor is broken, and the host's
//! tests expect an exact verdict. None of them says anything about a hypervisor, so they cite [`case::spec::vmproof`]
//! instead of a manual. `passes` is the shortest case there can be: the timing reference.

#![cfg_attr(guest, no_std, no_main)]

mod endings;
mod floods;
mod messages;
mod verdicts;

#[cfg(not(guest))]
fn main() {
    eprintln!("this is a guest image, to be built by `cargo xtask image` and started by `cargo xtask test`");
    std::process::exit(2);
}
