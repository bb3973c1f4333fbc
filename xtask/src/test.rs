//! `cargo xtask test`: the suite on subjects, and its report.

use crate::{axes, image, interrupt, past::Past, setups};
use clap::Args;
use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};
use testcases::{
    axis::Axis,
    baseline::Source,
    catalog::InterruptSetup,
    progress::Manner,
    select::Shard,
    session::{self, Options},
};

/// Run the suite on one or more hypervisors and report by feature
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask test                                the whole suite on this host's KVM
  cargo xtask test paging 'msr::*' MsrEfer        an area, a pattern of ids, a feature
  cargo xtask test --subject vmm,qemu-tcg         two subjects side by side
  cargo xtask test apic --interrupts split,user   an area, in two of the three interrupt set-ups
  cargo xtask test --baseline last/report.json    against a former report
  cargo xtask test --axis restore-process         each machine saved, and restored in a new process, while its case runs
  cargo xtask test --repeat 50                    fails if any verdict differs between the runs

The report folder receives report.json, junit.xml, report.ktap, report.md and report.html.
Exit status: 0 everything as expected, 1 something regressed, 2 the harness or the request failed.")]
pub(crate) struct Arguments {
    /// Cases by id or part of it, by pattern with `*`, by area or by feature; all if none is given
    filter: Vec<String>,
    /// Hypervisors, as `ID` or `ID=PROGRAM`
    #[arg(long, value_name = "ID", value_delimiter = ',', default_value = "vmm")]
    subject: Vec<String>,
    /// Interrupt set-ups of the cases that are run once in each; all if none is given
    #[arg(long, value_name = "SET-UP", value_delimiter = ',', value_parser = setups::parser())]
    interrupts: Vec<InterruptSetup>,
    /// Folder for the report's files
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    report: PathBuf,
    /// What is known to be wrong: `auto` for the checked-in baselines, `none`, a TOML file or a report.json
    #[arg(long, value_name = "FILE|auto|none", default_value = "auto")]
    baseline: Source,
    /// Cases that run side by side; each subject has its own number if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    jobs: Option<u32>,
    /// Part K of N of the cases
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Order in which the cases run; 0 is the catalog's
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Run everything so many times and fail if any verdict differs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Always 0: a case that fails sometimes is a defect to be found
    #[arg(long, value_name = "0", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=0))]
    retries: u32,
    /// What is done to each machine while its case runs: `restore` saves, drops and restores it at exits 1, 2, 4, 8 …,
    /// `restore=N` at every Nth; `restore-process` does so into a new process each time, at exits 1, 8, 64, 512 …, and
    /// `restore-process=N` at every Nth; `pause=MS` pauses it for so long; `dirty` compares its memory with a copy that only the log
    /// of dirty pages keeps up to date, `migrate` moves it to another one while it runs, both with KVM's dirty log, or with its
    /// dirty rings as `dirty=ring` and `migrate=ring`; 64 times a case at most
    #[arg(long, value_name = "AXIS", value_parser = axes::parser(), hide_possible_values = true)]
    axis: Option<Axis>,
    /// Time limit of a case in seconds instead of the subject's own
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    time_limit: Option<u64>,
    #[command(flatten)]
    past: Past,
    #[command(flatten)]
    image: image::Choice,
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // Tried first: nobody wants to learn after the run that its results cannot be written.
    reports::write::prepare(&arguments.report)?;
    let history = arguments.past.history()?;
    let cancel = interrupt::cancel_on_signal()?;
    let image = arguments.image.open()?;
    let options = Options {
        subjects: &arguments.subject,
        filters: &arguments.filter,
        interrupts: &arguments.interrupts,
        shard: arguments.shard,
        baseline: &arguments.baseline,
        jobs: arguments.jobs,
        seed: arguments.seed,
        repeat: arguments.repeat,
        time_limit: arguments.time_limit.map(Duration::from_secs),
        axis: arguments.axis,
        manner: Manner::Auto,
    };
    let start = Instant::now();
    let outcome = session::run(&image, &options, &cancel)?;
    reports::write::write_all_with(&outcome.report, &history, &arguments.report)?;
    let took = start.elapsed();
    print!("{}", outcome.summary(style(), width()));
    println!("report: {} · {:.1} s", relative(&arguments.report).join("report.html").display(), took.as_secs_f64());
    arguments.past.annotate(&outcome.report);
    Ok(ExitCode::from(outcome.exit_status()))
}

pub(crate) fn style() -> reports::terminal::Style {
    let wanted = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if wanted { reports::terminal::Style::Colour } else { reports::terminal::Style::Plain }
}

/// Columns of the terminal; a usual number where there is none.
pub(crate) fn width() -> u16 {
    console::Term::stdout().size_checked().map_or(120, |(_, columns)| columns)
}

fn relative(path: &Path) -> &Path {
    std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
