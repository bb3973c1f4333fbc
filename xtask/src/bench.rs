//! `cargo xtask bench`: ratios against peers, measured in one run.

use crate::interrupt;
use clap::{Args, Subcommand};
use std::{process::ExitCode, sync::Arc};
use testcases::{
    bench::{self, Row},
    image::Guest,
    subjects::Image,
};

/// Measure ratios against peers in one interleaved run
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo xtask bench start            start to verdict, against QEMU with its translator and with KVM
  cargo xtask bench start --rounds 9
  cargo xtask bench exits            exits per second, against a bare loop around KVM_RUN
  cargo xtask bench irq              from an interrupt's signal to its handler, against the same
  cargo xtask bench virtio           reads of a virtio disk and frames of a virtio network per second, against QEMU

Exit status: 0 every aim met, 1 one missed, 2 the harness or the request failed.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The time from start to verdict of one case
    Start {
        /// How often each peer is started
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
    },
    /// Port and MMIO exits per second
    Exits {
        /// How often each side runs
        #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Exits in each run
        #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
        exits: u32,
    },
    /// The time from the signal of an interrupt to its handler in a processor that halts
    Irq {
        /// How often each side runs
        #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Interrupts in each run
        #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
        signals: u32,
    },
    /// Reads of a disk and frames of a network interface per second, by virtio over PCI
    Virtio {
        /// How often each side runs
        #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Requests or frames in each run
        #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
        buffers: u32,
    },
}

pub(crate) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let rows = match arguments.what {
        What::Start { rounds } => {
            let cancel = interrupt::cancel_on_signal()?;
            let path = testcases::image::build(Guest::Smoke)?;
            bench::start::measure(&Arc::new(Image::open(&path)?), rounds, &cancel)?
        }
        What::Exits { rounds, exits } => bench::exits::measure(rounds, exits)?,
        What::Irq { rounds, signals } => bench::interrupts::measure(rounds, signals)?,
        What::Virtio { rounds, buffers } => {
            bench::virtio::measure(bench::virtio::Size { nr_rounds: rounds, nr_buffers: buffers })?
        }
    };
    print!("{}", bench::table(&rows));
    Ok(ExitCode::from(u8::from(!rows.iter().all(Row::is_met))))
}
