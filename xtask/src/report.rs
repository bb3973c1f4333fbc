//! `cargo xtask report`: what can be made of reports that are there.

use crate::{
    FAILED,
    past::{Past, say},
};
use anyhow::bail;
use clap::{Args, Subcommand};
use reports::{
    annotations,
    changes::Changes,
    json,
    kcidb::{self, Submission},
    merge, terminal, write,
};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Exit status when something regressed or vanished.
const REGRESSED: u8 = 1;

/// Compare, merge and convert reports
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask report diff last/report.json target/report/report.json   what regressed, was fixed, vanished, appeared
  cargo xtask report merge shard-*/report.json --report merged         the parts of `test --shard K/N`
  cargo xtask report show merged/report.json                           the table, and what was not expected
  cargo xtask report show merged/report.json --report page --history runs
  cargo xtask report annotations merged/report.json                    for GitHub Actions
  cargo xtask report kcidb merged/report.json --origin my_ci --run 17  for KernelCI's database

Exit status: 0 nothing is worse (diff) or all went well, 1 something regressed or vanished (diff), 2 a report cannot be used, or
it holds cases that the harness failed to run (diff).")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell what changed from one report to another; silent if nothing did
    Diff {
        /// The former report.json
        before: PathBuf,
        /// The new one
        now: PathBuf,
    },
    /// Put the shards of one run together, or runs of one image on different subjects
    Merge {
        /// Their report.json files
        #[arg(required = true)]
        shard: Vec<PathBuf>,
        /// Folder for the merged report's files
        #[arg(long, value_name = "DIR")]
        report: PathBuf,
        #[command(flatten)]
        past: Past,
    },
    /// Print the table and what was not expected, or write all forms into a folder
    Show {
        /// A report.json
        file: PathBuf,
        /// Folder for all forms of it
        #[arg(long, value_name = "DIR")]
        report: Option<PathBuf>,
        #[command(flatten)]
        past: Past,
    },
    /// Print annotations of GitHub Actions: one for each case that is not as expected
    Annotations {
        /// A report.json
        file: PathBuf,
    },
    /// Print the report as KCIDB's JSON, or write it to a file
    Kcidb {
        /// A report.json
        file: PathBuf,
        /// Name of the CI system, as agreed with KernelCI
        #[arg(long)]
        origin: String,
        /// What no other run of it is called, such as the number of the job
        #[arg(long, value_name = "NAME")]
        run: String,
        /// A build of the kernel that was submitted already; without it the host's kernel is told of as one
        #[arg(long, value_name = "ORIGIN:ID")]
        build: Option<String>,
        /// File to write instead of the standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Diff { before, now } => return diff(before, now),
        Command::Merge { shard, report, past } => {
            let merged = merge::merge_files(shard)?;
            write::write_all_with(&merged, &past.history()?, report)?;
            for subject in &merged.subjects {
                say(&format!("{}\n", terminal::summary(subject, crate::test::style())));
            }
            say(&format!("report: {}\n", report.join("report.html").display()));
            past.annotate(&merged);
        }
        Command::Show { file, report, past } => {
            let found = json::read_file(file)?;
            match report {
                Some(folder) => {
                    write::write_all_with(&found, &past.history()?, folder)?;
                    say(&format!("report: {}\n", folder.join("report.html").display()));
                }
                None => say(&terminal::write(&found, crate::test::style(), crate::test::width())),
            }
            past.annotate(&found);
        }
        Command::Annotations { file } => say(&annotations::write(&json::read_file(file)?)),
        Command::Kcidb { file, origin, run, build, output } => {
            let submission = Submission::new(origin, run, build.as_deref())?;
            let text = kcidb::write(&json::read_file(file)?, &submission)?;
            match output {
                Some(path) => write::write_one(&text, path)?,
                None => say(&text),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn diff(before: &Path, now: &Path) -> anyhow::Result<ExitCode> {
    let (before, now) = (json::read_file(before)?, json::read_file(now)?);
    if now.subjects.iter().all(|subject| subject.cases.is_empty()) {
        bail!("the second report holds no case, so that it tells of no change");
    }
    let changes = Changes::between(&before, &now)?;
    say(&changes.tell(None));
    Ok(ExitCode::from(match () {
        () if changes.is_broken() => FAILED,
        () if changes.is_worse() => REGRESSED,
        () => 0,
    }))
}
