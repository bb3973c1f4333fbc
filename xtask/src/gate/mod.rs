//! `cargo xtask gate`: what changed in a kernel or in a VMM.

mod kernel;
mod vmm;

use crate::{
    image, interrupt,
    past::{Past, say},
};
use clap::{Args, Subcommand};
use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};
use testcases::{baseline::Source, gate::Gate, progress::Manner};

/// Tell what regressed, what was fixed and what vanished
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Kernel(Box<kernel::Arguments>),
    Vmm(Box<vmm::Arguments>),
}

/// What both gates take.
#[derive(Debug, Args)]
struct Common {
    /// Cases by id or part of it, by pattern with `*`, by area or by feature; all if none is given
    filter: Vec<String>,
    /// What is known of it: `auto`, a TOML file, a folder of them or a report.json
    #[arg(long, value_name = "FILE|DIR|auto", default_value = "auto")]
    baseline: Source,
    /// Cases side by side
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: Option<u32>,
    /// Folder for the report's files
    #[arg(long, value_name = "DIR", default_value = "target/gate")]
    report: PathBuf,
    #[command(flatten)]
    past: Past,
    #[command(flatten)]
    image: image::Choice,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Kernel(arguments) => arguments.run(),
        Command::Vmm(arguments) => arguments.run(),
    }
}

impl Common {
    /// Runs the gate; silent if nothing changed.
    fn run(&self, subject: &str, against: Option<&str>) -> anyhow::Result<ExitCode> {
        let history = self.past.history()?;
        let cancel = interrupt::cancel_on_signal()?;
        let image = self.image.open()?;
        // A log of a run in which nothing changed stays empty.
        let manner = if std::io::stderr().is_terminal() { Manner::Auto } else { Manner::Quiet };
        let gate = Gate {
            subject,
            against,
            baseline: &self.baseline,
            filters: &self.filter,
            jobs: self.jobs,
            folder: &self.report,
            history: &history,
            manner,
        };
        let judged = testcases::gate::run(&image, &gate, &cancel)?;
        let text = judged.tell(subject);
        if !text.is_empty() {
            say(&format!("{text}report: {}\n", self.report.join("report.html").display()));
        }
        self.past.annotate(&judged.outcome.report);
        Ok(ExitCode::from(judged.status))
    }
}
