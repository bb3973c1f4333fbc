//! The first process of a Linux that runs on our VMM, see `testcases::payload::guest`.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use testcases::payload::guest;

fn main() -> ExitCode {
    // Anywhere else it would mount file systems over those of a living system, and turn it off.
    if std::process::id() != 1 {
        eprintln!("error: this is the first process of a guest, and nothing else");
        return ExitCode::FAILURE;
    }
    guest::run();
    // It comes back only if it could not turn the guest off: the kernel panics, which is told.
    ExitCode::FAILURE
}
