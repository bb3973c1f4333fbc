//! `cargo xtask image`: builds the guest images.

use anyhow::Context as _;
use clap::Args;
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use testcases::{image::Guest, subjects::Image};

/// Build the guest images and print where they lie
#[derive(Debug, Args)]
#[command(after_help = "Example, a case by hand on QEMU:
  qemu-system-x86_64 -machine q35 -display none -serial stdio -no-reboot \\
      -kernel $(cargo xtask image | head -n 1) -append vp.case=cpuid::largest_basic_leaf")]
pub(crate) struct Arguments {}

pub(crate) fn main(_: &Arguments) -> anyhow::Result<ExitCode> {
    for &guest in Guest::ALL {
        println!("{}", testcases::image::build(guest)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Which image a command works on.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// A guest image instead of the suite, which is built if need be
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
}

impl Choice {
    /// Builds the suite, unless a file was given, and reads it.
    pub(crate) fn open(&self) -> anyhow::Result<Arc<Image>> {
        let image = match &self.image {
            Some(path) => Image::open(path),
            None => Image::open(&testcases::image::build(Guest::Conformance)?),
        };
        Ok(Arc::new(image.with_context(|| "failed to read the guest image")?))
    }
}
