//! Random states of a VMCS or a VMCB, legal or just outside, against the table of rules in the image.
//!
//! The guest draws states by seed and number, tries them and shrinks what is answered wrongly to as few values of rules as it
//! needs (`guests/suite/src/fuzz.rs`). A start of it tries a block of states. One that dies or hangs is told by announcements,
//! and shrunk by starts that leave out parts of it. What is found is a check of the case that tries the rule by itself, so that
//! the baseline of the suite says whether it is known.

mod blocks;
mod findings;
mod lost;
mod outcome;
mod records;
mod request;
#[cfg(test)]
mod tests;

pub use outcome::Outcome;

use crate::{
    baseline,
    cancel::Cancel,
    host,
    subjects::{Image, Opened},
};
use anyhow::bail;
use blocks::Blocks;
use case::{Needs, fuzz};
use findings::Findings;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Whose states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Intel's.
    Vmcs,
    /// AMD's.
    Vmcb,
}

impl Structure {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vmcs => "vmcs",
            Self::Vmcb => "vmcb",
        }
    }

    /// The guest's program.
    const fn program(self) -> &'static str {
        match self {
            Self::Vmcs => fuzz::VMCS,
            Self::Vmcb => fuzz::VMCB,
        }
    }

    const fn needs(self) -> Needs {
        match self {
            Self::Vmcs => Needs::VMX,
            Self::Vmcb => Needs::SVM,
        }
    }

    /// Which instructions a subject must have, and subjects that have them.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Vmcs => "VMX: try `--subject bochs`",
            Self::Vmcb => "SVM: try `--subject qemu-tcg` or `--subject bochs-amd`",
        }
    }
}

/// What to try.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose states.
    pub structure: Structure,
    /// The hypervisor as on the command line.
    pub subject: String,
    /// Which states there are.
    pub seed: u64,
    /// Number of the first.
    pub first: u64,
    /// How many, unless the time is over before.
    pub count: u64,
    /// For how long.
    pub time: Option<Duration>,
    /// Guests side by side; nothing means as many as there are processors.
    pub nr_workers: Option<u32>,
    /// What is known to be wrong.
    pub baseline: baseline::Source,
    /// Whether to show a bar on a terminal.
    pub show_progress: bool,
}

/// Tries states.
///
/// # Errors
/// If the subject cannot be used or has no such states, or its baseline cannot be read. What goes wrong later stands in the
/// outcome.
pub fn run(image: &Arc<Image>, options: &Options, cancel: &Cancel) -> anyhow::Result<Outcome> {
    let opened = Opened::open(&options.subject, image)?;
    let id = opened.subject.id().to_owned();
    if !opened.offers.contains(options.structure.needs()) {
        bail!("the subject `{id}` does not offer {}", options.structure.remedy());
    }
    let version = opened.subject.version().to_owned();
    let baseline = options.baseline.load(&id, &version, &image.catalog)?;
    let began = Instant::now();
    let blocks = Blocks::new(image, &*opened.subject, options, cancel, began);
    let bar = crate::emulation::bar::bar(options.time.is_none().then_some(options.count), options.show_progress);
    let nr_workers = options.nr_workers.unwrap_or_else(host::nr_processors);
    blocks.run(nr_workers, &|nr_states| bar.inc(nr_states));
    bar.finish_and_clear();
    let done = blocks.into_done();
    let findings = Findings::of(&done, &image.catalog, baseline.as_ref());
    Ok(Outcome {
        options: options.clone(),
        version,
        done,
        findings,
        time: began.elapsed(),
        was_cancelled: cancel.is_cancelled(),
    })
}
