//! `cargo xtask mutants`: the VMM wrong on purpose, and which cases notice.

use crate::{image, interrupt};
use clap::Args;
use std::{io::Write as _, path::PathBuf, process::ExitCode};
use testcases::mutants::{self, Options};

/// Let our VMM be wrong on purpose, one fault at a time, and tell which cases notice
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask mutants --list              one fault a line, with the feature whose cases have to notice it
  cargo xtask mutants                     every fault
  cargo xtask mutants pit PicPriority     the faults of an area and of a feature
  cargo xtask mutants pic-poll-ignored    one fault
  cargo xtask mutants 'msr-*' --report target/mutants
  cargo xtask mutants 'request-*'         requests of KVM's interface, as cases of the host make them
  cargo xtask mutants 'seen-*' 'code-*'   what cases see of VMX, SVM and modes, and instructions of the image
  cargo xtask mutants 'table-*'           the tables that cases judge by

Names with `seen-` are values that the guest's runtime changes between a processor that nothing here can make wrong and the cases;
names with `saved-` and `migrated-` are state that gets lost, and tried along the axes restore and migrate;
names with `code-` are instructions of the image that do less than they should: on Bochs, on QEMU's translator or on our VMM.
Names with `table-` are tables of what processors do, which nothing here can make wrong: they are read wrong instead, on Bochs for
VMX and on QEMU's translator for SVM, and each check that held has to fail. A table of which no check holds there is left out, and
the reason is told.

A fault is killed if a check of its feature holds without it and fails with it. One that only a case of another feature of
its area notices, or none, is a hole in the suite. The report folder receives mutants.json.
Exit status: 0 every fault is killed by its feature or left out, 1 one is not, 2 the harness or the request failed.")]
pub(crate) struct Arguments {
    /// Faults by id or part of it, by pattern with `*`, by area or by feature; all if none is given
    fault: Vec<String>,
    /// Only list them
    #[arg(long, conflicts_with_all = ["report", "jobs"])]
    list: bool,
    /// Folder for the report's file
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Faults that are tried side by side; as many as there are processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    #[command(flatten)]
    image: image::Choice,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let image = arguments.image.open()?;
    let selected = mutants::select(&image.catalog, &arguments.fault)?;
    if arguments.list {
        let mut output = std::io::stdout().lock();
        for trial in &selected {
            // A reader that has seen enough may go.
            if writeln!(output, "{:<36} {:<26} {}", trial.id, trial.feature.id(), trial.what).is_err() {
                break;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let cancel = interrupt::cancel_on_signal()?;
    let outcome = mutants::run(&image, &selected, Options { jobs: arguments.jobs, tell: true }, &cancel)?;
    if let Some(folder) = &arguments.report {
        outcome.write(folder)?;
    }
    print!("{}", outcome.summary());
    Ok(ExitCode::from(outcome.exit_status()))
}
