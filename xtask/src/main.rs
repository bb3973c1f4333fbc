//! The command line of vmproof: `cargo xtask …`, one file a command, no logic of its own.

#![forbid(unsafe_code)]

mod axes;
mod bench;
mod check;
mod completions;
mod fuzz;
mod gate;
mod image;
mod interrupt;
mod list;
mod mutants;
mod past;
mod payload;
#[cfg(test)]
mod recipes;
mod report;
mod restored;
mod run;
mod setups;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Exit status when the harness or the request failed.
const FAILED: u8 = 2;

/// Tells whether a hypervisor does what the manuals say.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, propagate_version = true)]
#[command(after_help = "Examples:
  cargo xtask test                               the whole suite on this host's KVM
  cargo xtask test --subject vmm,qemu-tcg        the same with a second opinion
  cargo xtask test paging                        one area
  cargo xtask run pio::in_by_size --trace        one case, every exit told
  cargo xtask report diff OLD NEW                what changed from one report.json to another
  cargo xtask check                              the project's own tests

Exit status: 0 everything as expected, 1 something regressed, 2 the harness or the request failed.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Test(test::Arguments),
    List(list::Arguments),
    Run(run::Arguments),
    Bench(bench::Arguments),
    Fuzz(fuzz::Arguments),
    Mutants(mutants::Arguments),
    Gate(gate::Arguments),
    Report(report::Arguments),
    Payload(payload::Arguments),
    Check(check::Arguments),
    Image(image::Arguments),
    Completions(completions::Arguments),
}

fn main() -> ExitCode {
    if let Some(code) = restored::serve_if_asked() {
        return code;
    }
    let result = match Arguments::parse().command {
        Command::Test(arguments) => test::main(&arguments),
        Command::List(arguments) => list::main(&arguments),
        Command::Run(arguments) => run::main(&arguments),
        Command::Bench(arguments) => bench::main(&arguments),
        Command::Fuzz(arguments) => fuzz::main(&arguments),
        Command::Mutants(arguments) => mutants::main(&arguments),
        Command::Gate(arguments) => gate::main(&arguments),
        Command::Report(arguments) => report::main(&arguments),
        Command::Payload(arguments) => payload::main(&arguments),
        Command::Check(arguments) => check::main(&arguments),
        Command::Image(arguments) => image::main(&arguments),
        Command::Completions(arguments) => completions::main(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(FAILED)
    })
}
