//! `cargo xtask check`: the project's own tests, as CI runs them.

use crate::tidy;
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    process::{Command, ExitCode},
    time::Instant,
};
use testcases::image::{self, Guest};

/// Check the project itself: format, lints, tidiness, tests
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cargo xtask check          everything, in the order: fmt, image, tidy, clippy, test
  cargo xtask check tidy     one step")]
pub(crate) struct Arguments {
    /// One step instead of all
    #[arg(value_parser = ["fmt", "image", "tidy", "clippy", "test"])]
    step: Option<String>,
}

type Step = (&'static str, fn() -> anyhow::Result<()>);

/// The cheapest first.
const STEPS: &[Step] = &[
    ("fmt", || cargo(&["fmt", "--all", "--check"], "cargo fmt --all")),
    ("image", build_images),
    ("tidy", tidy::check),
    ("clippy", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], "repair what it names")
    }),
    ("test", || cargo(&["test", "--workspace", "--quiet"], "run `cargo test -p CRATE` for the one that failed")),
];

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    for (name, step) in STEPS.iter().filter(|(name, _)| arguments.step.as_deref().is_none_or(|only| only == *name)) {
        eprintln!("check {name} …");
        let start = Instant::now();
        step().with_context(|| format!("check {name} failed"))?;
        eprintln!("check {name}: {:.1} s", start.elapsed().as_secs_f64());
    }
    Ok(ExitCode::SUCCESS)
}

fn build_images() -> anyhow::Result<()> {
    for &guest in Guest::ALL {
        image::build(guest)?;
    }
    Ok(())
}

fn cargo(arguments: &[&str], remedy: &str) -> anyhow::Result<()> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .current_dir(image::workspace())
        .args(arguments)
        .status()
        .context("failed to start cargo; is it installed?")?;
    if !status.success() {
        bail!("`cargo {}` ended with {status}; {remedy}", arguments.join(" "));
    }
    Ok(())
}
