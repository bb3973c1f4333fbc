//! The entries of a written baseline that hold for one subject, and what a result is beside them.

use super::{
    failing,
    known::{Entry, KnownVerdict, Varies, is_pattern},
};
use reports::model::{Against, Case, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// The entries that hold for one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Active {
    entries: BTreeMap<String, Entry>,
    /// Those whose case is a pattern; they hold for cases without an entry of their own.
    families: BTreeMap<String, Entry>,
}

impl FromIterator<(String, Entry)> for Active {
    /// Entries by the case or pattern of each.
    fn from_iter<I: IntoIterator<Item = (String, Entry)>>(entries: I) -> Self {
        let (families, entries) = entries.into_iter().partition(|(case, _)| is_pattern(case));
        Self { entries, families }
    }
}

impl Active {
    /// The cases that have an entry.
    pub(super) fn cases(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().chain(self.families.keys()).map(String::as_str)
    }

    /// Adds other entries, which hold instead of those of the same cases.
    pub(super) fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.families.extend(other.families);
    }

    fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id).or_else(|| self.families.values().find(|entry| entry.is_for(id)))
    }

    /// How many runs may fail as this result does before that tells of the subject.
    pub(super) fn nr_runs(&self, result: &Case) -> u8 {
        let is_spoiled = |entry: &&Entry| result.verdict == Verdict::from(entry.raw.verdict);
        self.entry(&result.id).filter(is_spoiled).and_then(|entry| entry.raw.runs).unwrap_or(1)
    }

    /// How a result stands against the entries, and the reason of the entry that is for it.
    pub(super) fn compare(&self, result: &Case) -> (Against, Option<String>) {
        let is_good = matches!(result.verdict, Verdict::Pass | Verdict::Skip);
        match self.entry(&result.id) {
            // Nothing was wrong with this run.
            Some(entry) if entry.raw.runs.is_some() && result.verdict == Verdict::Pass => (Against::Expected, None),
            Some(entry) => (entry.compare(result), Some(entry.raw.reason.clone())),
            None if is_good => (Against::Expected, None),
            None => (Against::Regressed, None),
        }
    }
}

impl Entry {
    fn compare(&self, result: &Case) -> Against {
        match result.verdict {
            Verdict::Pass if self.raw.verdict == KnownVerdict::Pass => return Against::Expected,
            Verdict::Pass if self.raw.varies == Varies::Every(true) => return Against::Expected,
            Verdict::Pass => return Against::Fixed,
            // What it gets wrong it does not offer on this host; the report tells of the skip.
            Verdict::Skip => return Against::Expected,
            _ if self.raw.runs.is_some() => return Against::Regressed,
            _ => {}
        }
        if result.verdict != Verdict::from(self.raw.verdict) {
            // What may kill a subject, or keep it for ever, may also do no more than fail; not the other way.
            let is_milder = matches!(self.raw.verdict, KnownVerdict::Crash | KnownVerdict::Hang)
                && self.raw.varies == Varies::Every(true)
                && matches!(result.verdict, Verdict::Fail | Verdict::Crash | Verdict::Hang);
            return if is_milder { Against::Expected } else { Against::Regressed };
        }
        let (mut certain, mut varying) = (set(self.raw.checks.as_deref().unwrap_or_default()), BTreeSet::new());
        match &self.raw.varies {
            Varies::Every(_) if self.raw.checks.is_none() => return Against::Expected,
            Varies::Every(false) => {}
            Varies::Every(true) => std::mem::swap(&mut certain, &mut varying),
            Varies::Checks(checks) => varying = set(checks),
        }
        let mut failing = failing(result);
        failing.retain(|check| !varying.contains(check));
        super::compare_failing(&certain, &failing)
    }
}

fn set(checks: &[String]) -> BTreeSet<&str> {
    checks.iter().map(String::as_str).collect()
}
