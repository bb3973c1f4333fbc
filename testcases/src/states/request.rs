//! What a start of the guest is asked for.

use super::Options;
use case::{fuzz::word, image::command_line::PREFIX};
use std::{fmt::Write as _, ops::Range};

/// Some states of a seed's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Their numbers.
    pub(super) states: Range<u64>,
    /// States whose number is a multiple of this are announced.
    pub(super) every: u64,
    /// Which steps of a state are made, by bits.
    pub(super) keep: u64,
    /// Rules whose illegal values are not tried.
    pub(super) avoid: Vec<u64>,
}

impl Request {
    /// The words of the command line.
    pub(super) fn words(&self, options: &Options) -> String {
        let (program, seed) = (options.structure.program(), options.seed);
        let Self { states: Range { start, end }, every, keep, avoid } = self;
        let count = end - start;
        let mut words = format!(
            "{PREFIX}case={program} {}{seed:x} {}{start:x} {}{count:x} {}{every:x}",
            word::SEED,
            word::FIRST,
            word::COUNT,
            word::EVERY
        );
        // Writing to a string cannot fail.
        if *keep != u64::MAX {
            let _ = write!(words, " {}{keep:x}", word::KEEP);
        }
        if !avoid.is_empty() {
            let numbers: Vec<_> = avoid.iter().map(|rule| format!("{rule:x}")).collect();
            let _ = write!(words, " {}{}", word::AVOID, numbers.join(","));
        }
        words
    }
}
