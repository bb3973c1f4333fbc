//! The image that holds the suite. It exists only to be linked: see `suite` for the cases and `rt` for the entry.
//!
//! Built as a guest by `cargo xtask image`; built as an ordinary program it only says so.

#![cfg_attr(guest, no_std, no_main)]

// Naming the crates is what links them: a crate that nothing names leaves an *empty* section of records, and the build
// succeeds. The catalog refuses such an image.
use rt as _;
use suite as _;

#[cfg(not(guest))]
fn main() {
    eprintln!("this is a guest image, to be built by `cargo xtask image` and started by `cargo xtask test`");
    std::process::exit(2);
}
