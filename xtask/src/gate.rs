//! `cargo xtask gate`: what changed in a kernel.

use crate::{FAILED, image, interrupt};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use reports::model;
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use testcases::{
    baseline::Source,
    cancel::Cancel,
    kernel::gate::Changes,
    progress::Manner,
    session::{self, Options, Outcome},
    subjects::Image,
};

/// Exit status when something regressed or vanished.
const REGRESSED: u8 = 1;

/// Tell what regressed, what was fixed and what vanished
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Gate,
}

#[derive(Debug, Subcommand)]
enum Gate {
    Kernel(Box<Kernel>),
}

/// Run the suite on the KVM of a kernel, booted in QEMU, and tell what changed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask gate kernel --kernel arch/x86/boot/bzImage                    a built tree, against the checked-in baseline
  cargo xtask gate kernel --kernel linux-image-6.1.0-53-amd64.deb --npt 0   a package, with shadow paging
  cargo xtask gate kernel --kernel bzImage --modules DIR --against old/vmlinuz
  cargo xtask gate kernel --kernel bzImage --baseline last/report.json msr 'paging::*'

Exit status: 0 nothing is worse, 1 something regressed or vanished, or an entry of the baseline is out of date, 2 the
harness or the request failed.")]
struct Kernel {
    /// Cases by id or part of it, by pattern with `*`, by area or by feature; all if none is given
    filter: Vec<String>,
    /// The kernel under test: a bzImage or a Debian package
    #[arg(long, value_name = "FILE")]
    kernel: String,
    /// Folder or package of its modules, if not beside it
    #[arg(long, value_name = "DIR|FILE")]
    modules: Option<String>,
    /// Nested paging (1) or shadow paging (0)
    #[arg(long, value_name = "0|1", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    npt: u8,
    /// More options of the subject `linux`, such as `cpu=EPYC` or `qemu=PROGRAM`
    #[arg(long, value_name = "KEY=VALUE")]
    option: Vec<String>,
    /// What is known of it: `auto`, a TOML file, a folder of them or a report.json
    #[arg(long, value_name = "FILE|DIR|auto", default_value = "auto", conflicts_with = "against")]
    baseline: Source,
    /// Another kernel, which is run first; its modules lie beside it
    #[arg(long, value_name = "FILE")]
    against: Option<String>,
    /// Cases side by side, each on a machine of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: Option<u32>,
    /// Folder for the report's files
    #[arg(long, value_name = "DIR", default_value = "target/gate")]
    report: PathBuf,
    #[command(flatten)]
    image: image::Choice,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Gate::Kernel(arguments) = &arguments.command;
    arguments.run()
}

impl Kernel {
    fn run(&self) -> anyhow::Result<ExitCode> {
        if self.baseline == Source::None {
            bail!("without a baseline nothing can be worse than before; give one, or another kernel with `--against`");
        }
        reports::write::prepare(&self.report)?;
        let cancel = interrupt::cancel_on_signal()?;
        let image = self.image.open()?;
        let baseline = match &self.against {
            None => self.baseline.clone(),
            Some(kernel) => {
                let folder = self.report.join("against");
                reports::write::prepare(&folder)?;
                let outcome = self.session(&image, self.subject(kernel, None), &Source::None, &cancel)?;
                if outcome.interrupted.is_some() {
                    bail!("interrupted before the other kernel was through");
                }
                reports::write::write_all(&outcome.report, &folder)?;
                Source::File(folder.join("report.json"))
            }
        };
        let subject = self.subject(&self.kernel, self.modules.as_deref());
        let outcome = self.session(&image, subject, &baseline, &cancel)?;
        reports::write::write_all(&outcome.report, &self.report)?;
        let now = outcome.report.subjects.first().context("the run has no subject")?;
        let former = former(&baseline, &now.id)?;
        let changes = Changes::between(&former, &now.cases, |id| image.catalog.case(id).is_some());
        print!("{}", changes.tell());
        println!("report: {}", self.report.join("report.html").display());
        let status = match outcome.exit_status() {
            FAILED => FAILED,
            _ if changes.is_worse() => REGRESSED,
            // Another kernel has no entries that could be out of date.
            _ if self.against.is_some() => 0,
            status => status,
        };
        Ok(ExitCode::from(status))
    }

    fn subject(&self, kernel: &str, modules: Option<&str>) -> String {
        let modules = modules.map(|folder| format!(",modules={folder}")).unwrap_or_default();
        let options: String = self.option.iter().map(|option| format!(",{option}")).collect();
        format!("linux:{kernel}{modules},npt={}{options}", self.npt)
    }

    fn session(
        &self,
        image: &Arc<Image>,
        subject: String,
        baseline: &Source,
        cancel: &Cancel,
    ) -> anyhow::Result<Outcome> {
        let options = Options {
            subjects: &[subject],
            filters: &self.filter,
            interrupts: &[],
            shard: None,
            baseline,
            jobs: self.jobs,
            seed: 0,
            repeat: 1,
            time_limit: None,
            manner: Manner::Auto,
        };
        Ok(session::run(image, &options, cancel)?)
    }
}

/// The results of the run that was the baseline; none if it was written down.
fn former(baseline: &Source, subject: &str) -> anyhow::Result<Vec<model::Case>> {
    let is_report = |path: &&PathBuf| path.extension().is_some_and(|end| end == "json");
    let path = match baseline {
        Source::File(path) => Some(path).filter(is_report),
        Source::Auto | Source::None => None,
    };
    path.map_or_else(|| Ok(Vec::new()), |path| read(path, subject))
}

fn read(path: &Path, subject: &str) -> anyhow::Result<Vec<model::Case>> {
    let context = || format!("failed to read {}", path.display());
    let report: model::Report =
        serde_json::from_str(&fs::read_to_string(path).with_context(context)?).with_context(context)?;
    Ok(report.subjects.into_iter().find(|found| found.id == subject).map(|found| found.cases).unwrap_or_default())
}
