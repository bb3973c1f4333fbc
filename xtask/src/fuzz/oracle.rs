//! `cargo xtask fuzz oracle`.

use super::Mode;
use crate::interrupt;
use clap::Args;
use std::{path::PathBuf, process::ExitCode};
use testcases::emulation::oracle::{self, Options};

/// What `fuzz oracle` takes.
#[derive(Debug, Args)]
pub(super) struct Oracle {
    /// Forms by pattern, with `*` and `?`; all if not given
    #[arg(long, value_name = "PATTERN")]
    forms: Option<String>,
    /// Mode of the code segment
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Mode::All])]
    mode: Vec<Mode>,
    /// Inputs in all in each mode; 100 for each form if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    /// Which inputs
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Threads; as many as there are processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    /// Folder for findings
    #[arg(long, value_name = "DIR", default_value = "target/fuzz")]
    folder: PathBuf,
}

pub(super) fn main(oracle: &Oracle) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::cancel_on_signal()?;
    let mut status = 0;
    for bitness in Mode::bitnesses(&oracle.mode) {
        let options = Options {
            forms: oracle.forms.clone(),
            bitness,
            nr_inputs: oracle.cases,
            seed: oracle.seed,
            nr_workers: oracle.jobs,
            folder: oracle.folder.clone(),
            show_progress: true,
        };
        let outcome = oracle::run(&options, &cancel)?;
        print!("{outcome}");
        status = status.max(outcome.exit_status());
    }
    Ok(ExitCode::from(status))
}
