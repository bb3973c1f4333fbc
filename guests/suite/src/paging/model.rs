//! The model of [`super::decision`] in terms of the runtime, for four-level paging.

use super::decision::decide;
pub(super) use super::decision::{Mode, Operation, error_code};
use rt::Outcome;

/// What an access leads to that is translated through these entries, the PML4's first.
pub(super) const fn predict(entries: &[u64], operation: Operation, mode: Mode) -> Outcome {
    Outcome(decide(entries, operation, &mode).outcome)
}
