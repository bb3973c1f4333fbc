//! Baselines: what a subject is known to get wrong, so that a run tells only what changed.
//!
//! A baseline is either written down, with a reason for each entry ([`KnownFailures`]), or the report of a former run.
//! The verdict `error` is never compared: it says nothing of the subject.

mod active;
mod error;
mod former;
mod known;
mod source;
#[cfg(test)]
mod tests;

pub use active::Active;
pub use error::BaselineError;
pub use former::Former;
pub use known::KnownFailures;
pub use source::{Source, checked_in};

use reports::{
    compare::{compare_failing, failing},
    model::{Case, Verdict},
};

/// What a subject's results are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// What was written down.
    Known(Active),
    /// What a former run gave.
    Former(Former),
}

impl Baseline {
    /// How many runs may fail as this result does before that tells of the subject: 1 but where the baseline says that what
    /// the subject runs on spoils some.
    pub fn nr_runs(&self, result: &Case) -> u8 {
        match self {
            Self::Known(known) => known.nr_runs(result),
            Self::Former(_) => 1,
        }
    }

    /// Says in a result how it stands against the baseline, and why it is known.
    pub fn apply(&self, result: &mut Case) {
        if result.verdict == Verdict::Error {
            (result.against_baseline, result.known) = (None, None);
            return;
        }
        let (against, known) = match self {
            Self::Known(known) => known.compare(result),
            Self::Former(former) => former.compare(result),
        };
        (result.against_baseline, result.known) = (Some(against), known);
    }
}
