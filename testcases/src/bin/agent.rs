//! The agent of subjects on another kernel: the first process there, see `testcases::remote`.

#![forbid(unsafe_code)]

use anyhow::Context as _;
use std::{path::Path, process::ExitCode};
use testcases::{
    payload::host,
    remote::{LINE_PATH, MODULES_PATH, agent, init},
};

fn main() -> ExitCode {
    // Anywhere else it would mount file systems over those of a living system.
    if std::process::id() != 1 {
        eprintln!("error: this is the first process of a kernel under test, and nothing else");
        return ExitCode::FAILURE;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Goes to the kernel's console, which the harness reads; the kernel then panics for want of a first process.
            eprintln!("vmproof agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    init::mount_all().context("failed to mount a file system")?;
    let remarks = init::load_modules(Path::new(MODULES_PATH));
    let line = init::open_line(Path::new(LINE_PATH)).context("failed to open the second serial port")?;
    if host::has_payload() {
        remarks.map_err(anyhow::Error::msg)?;
        return host::run(line).context("failed to run the VMM");
    }
    let panics_in = init::case_to_panic_in()?;
    agent::serve(&line, remarks, panics_in.as_deref())?;
    Ok(())
}
