//! `cargo xtask fuzz vmcs` and `cargo xtask fuzz vmcb`.

use crate::{image, interrupt};
use clap::Args;
use std::{process::ExitCode, time::Duration};
use testcases::{
    baseline::Source,
    states::{self, Options, Structure},
};

/// States unless the user says how many or how long.
const DEFAULT_CASES: u64 = 10_000;

/// What `fuzz vmcs` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask fuzz vmcs                              10000 states on Bochs
  cargo xtask fuzz vmcs --minutes 30 --seed 7        half an hour of other states
  cargo xtask fuzz vmcs --seed 7 --first 1234 --cases 1
                                                     one state of those again

Exit status: 0 every finding is known, 1 one is not, 2 the harness or the request failed.")]
pub(super) struct Vmcs {
    /// The hypervisor, as `ID` or `ID=PROGRAM`; it must have VMX
    #[arg(long, value_name = "ID", default_value = "bochs")]
    subject: String,
    #[command(flatten)]
    states: States,
}

/// What `fuzz vmcb` takes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask fuzz vmcb                              10000 states on QEMU's translator
  cargo xtask fuzz vmcb --subject bochs-amd --minutes 30 --seed 7
  cargo xtask fuzz vmcb --subject linux:/boot/vmlinuz-6.12
                                                     nested SVM of another kernel's KVM
  cargo xtask fuzz vmcb --seed 7 --first 1234 --cases 1
                                                     one state of those again

Exit status: 0 every finding is known, 1 one is not, 2 the harness or the request failed.")]
pub(super) struct Vmcb {
    /// The hypervisor, as `ID`, `ID=PROGRAM` or `ID:KERNEL`; it must have SVM
    #[arg(long, value_name = "ID", default_value = "qemu-tcg")]
    subject: String,
    #[command(flatten)]
    states: States,
}

/// What both take.
#[derive(Debug, Args)]
struct States {
    /// How many states; 10000 if neither this nor --minutes is given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    /// Which states
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Number of the first state
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// For so many minutes
    #[arg(long, value_name = "M", conflicts_with = "cases", value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: Option<u64>,
    /// Guests side by side; as many as there are processors if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    /// What is known to be wrong: `auto` for the checked-in baselines, `none`, a TOML file or a report.json
    #[arg(long, value_name = "FILE|auto|none", default_value = "auto")]
    baseline: Source,
    #[command(flatten)]
    image: image::Choice,
}

pub(super) fn vmcs(arguments: &Vmcs) -> anyhow::Result<ExitCode> {
    run(Structure::Vmcs, &arguments.subject, &arguments.states)
}

pub(super) fn vmcb(arguments: &Vmcb) -> anyhow::Result<ExitCode> {
    run(Structure::Vmcb, &arguments.subject, &arguments.states)
}

fn run(structure: Structure, subject: &str, states: &States) -> anyhow::Result<ExitCode> {
    let cancel = interrupt::cancel_on_signal()?;
    let image = states.image.open()?;
    let options = Options {
        structure,
        subject: subject.to_owned(),
        seed: states.seed,
        first: states.first,
        count: states.cases.unwrap_or(if states.minutes.is_some() { u64::MAX } else { DEFAULT_CASES }),
        time: states.minutes.map(|minutes| Duration::from_secs(60 * minutes)),
        nr_workers: states.jobs,
        baseline: states.baseline.clone(),
        show_progress: true,
    };
    let outcome = states::run(&image, &options, &cancel)?;
    print!("{outcome}");
    Ok(ExitCode::from(outcome.exit_status()))
}
