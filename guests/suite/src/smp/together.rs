//! Processors that are to run at the same time, so that what they do to each other can go wrong.
//!
//! What holds for any timing proves little while only one of them runs. So they wait for each other, again and again, as
//! long as a budget of turns lasts: a processor that the host does not run spends nothing of it. Where the host can be asked,
//! it keeps them on processors of its own. A case whose processors never ran together still judges what it saw, and tells
//! how often they did.

use rt::{
    clock,
    signals::{self, Command},
    smp::Processors,
};

/// How often a processor asks in a case, with a PAUSE between, whether another one is there: a tenth of a second of
/// processor time.
const TURNS: u64 = 2_000_000;
/// The same where the host has not so many processors: they meet where it switches between them, if at all.
const FEW_TURNS: u64 = 100_000;

/// Processors, each on one of the host's as far as there are enough, until this is dropped.
#[derive(Debug)]
pub(crate) struct Apart<'a> {
    processors: &'a Processors,
    is_moved: bool,
    turns: u64,
}

impl<'a> Apart<'a> {
    /// Moves the first one and the others that were started.
    pub(crate) fn keep(processors: &'a Processors) -> Self {
        let number = processors.count() as u64 + 1;
        let of_host = clock::host_processors();
        let is_moved = of_host.is_some_and(|of_host| of_host >= number);
        if is_moved {
            // A host that refuses lets them run anywhere, which is no less correct.
            let _ = processors.on_all(|index| u64::from(signals::command(Command::MoveTo(index as u32))));
        }
        // Two are there on nearly every host that does not tell.
        let turns = if of_host.unwrap_or(2) >= number { TURNS } else { FEW_TURNS };
        Self { processors, is_moved, turns }
    }

    /// How often each may ask in a case whether another one is there.
    pub(crate) fn turns(&self) -> u64 {
        self.turns
    }
}

impl Drop for Apart<'_> {
    fn drop(&mut self) {
        if self.is_moved {
            let _ = self.processors.on_all(|_| u64::from(signals::command(Command::MoveAnywhere)));
        }
    }
}
