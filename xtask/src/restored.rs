//! `xtask restored IMAGE STATE ORDER`: what the axis `restore-process` starts for a machine, and no command of a person's.

use crate::FAILED;
use std::{env, ffi::OsString, process::ExitCode};
use testcases::axis;

/// Answers the harness, if this process was started for that; what cannot be told to it is told on standard error.
pub(crate) fn serve_if_asked() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let is_asked = arguments.next().is_some_and(|word| word == axis::WORD);
    is_asked.then(|| serve(&arguments.collect::<Vec<_>>()))
}

fn serve(files: &[OsString]) -> ExitCode {
    let [image, state, order] = files else {
        eprintln!("error: `{}` is for the axis restore-process, which gives it three files", axis::WORD);
        return ExitCode::from(FAILED);
    };
    match axis::serve([image, state, order], std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", testcases::chain::chain(&error));
            ExitCode::from(FAILED)
        }
    }
}
