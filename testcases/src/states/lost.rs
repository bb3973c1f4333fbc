//! States that a subject does not survive.

use super::{
    blocks::{Blocks, EVERY},
    records::{Step, blamed},
    request::Request,
};
use reports::model::Verdict;
use std::ops::Range;

/// A state, or some that are tried together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    /// Their numbers.
    pub(super) states: Range<u64>,
    /// What it takes; nothing if that is not known.
    pub(super) steps: Vec<Step>,
    /// A crash or a hang.
    pub(super) verdict: Verdict,
    /// How it ended.
    pub(super) why: String,
}

impl Lost {
    /// States of which each one is survived if they are announced one by one.
    pub(super) fn together(states: Range<u64>) -> Self {
        let why = format!("it does not survive these {EVERY} states, but does if each is announced");
        Self { states, steps: Vec::new(), verdict: Verdict::Crash, why }
    }

    /// The rule whose illegal values need not be tried again, if one value is all that it takes.
    pub(super) fn rule_to_avoid(&self) -> Option<u64> {
        match self.steps.as_slice() {
            [step] if !step.is_legal => Some(step.rule),
            _ => None,
        }
    }

    /// The value that it is about.
    pub(super) fn blamed(&self) -> Option<&Step> {
        self.steps.get(blamed(&self.steps)?)
    }
}

/// Leaves out what the loss does not need, by a start for each. Nothing if the harness failed or the user ended it.
pub(super) fn look_closely(
    blocks: &Blocks<'_>,
    number: u64,
    steps: Vec<Step>,
    (mut verdict, mut why): (Verdict, String),
) -> Option<Lost> {
    let states = number..number + 1;
    let nr_steps = u32::try_from(steps.len()).unwrap_or(0).min(63);
    let mut keep: u64 = (1 << nr_steps) - 1;
    for at in 0..nr_steps {
        let smaller = keep & !(1 << at);
        // What is left must be something that can be told.
        if smaller == 0 {
            continue;
        }
        let request = Request { states: states.clone(), every: 1, keep: smaller, avoid: Vec::new() };
        if let Some(loss) = blocks.start(&request)?.loss {
            (keep, (verdict, why)) = (smaller, loss);
        }
    }
    let kept = steps.into_iter().enumerate().filter(|(at, _)| keep >> at & 1 != 0).map(|(_, step)| step);
    Some(Lost { states, steps: kept.collect(), verdict, why })
}
