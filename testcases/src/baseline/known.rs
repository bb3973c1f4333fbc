//! A baseline that is written down: what a subject is known to get wrong, with the reason.

use super::{BaselineError, failing};
use crate::{axis::Axis, catalog::Catalog, nearest::nearest};
use reports::model::{Against, Case, Verdict};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use toml::Spanned;

/// The entries of a baseline, each for one case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownFailures {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    line: usize,
    raw: RawEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    known: Vec<RawEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    case: Spanned<String>,
    verdict: KnownVerdict,
    /// Exactly these checks fail, beside those of `varies`.
    checks: Option<Vec<String>>,
    expected: String,
    actual: String,
    clause: String,
    reason: String,
    /// Part of the version of the subjects that it holds for.
    when: Option<String>,
    /// The kind of axis that it holds for, and without one it does not.
    axis: Option<String>,
    #[serde(default)]
    varies: Varies,
}

/// What fails in one run and holds in another, because it depends on what the guest cannot see, such as the host's
/// processor or its timer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Varies {
    /// `true`: each of the checks, or any if none is listed. The case may pass.
    Every(bool),
    /// These, while those of `checks` fail in every run. The case never passes.
    Checks(Vec<String>),
}

impl Default for Varies {
    fn default() -> Self {
        Self::Every(false)
    }
}

/// What may be known of a case: there is nothing to write down about a skip or an error, and of a pass only that a subject gets
/// right what the one that it is like gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KnownVerdict {
    Pass,
    Fail,
    Crash,
    Hang,
}

impl From<KnownVerdict> for Verdict {
    fn from(verdict: KnownVerdict) -> Self {
        match verdict {
            KnownVerdict::Pass => Self::Pass,
            KnownVerdict::Fail => Self::Fail,
            KnownVerdict::Crash => Self::Crash,
            KnownVerdict::Hang => Self::Hang,
        }
    }
}

impl KnownFailures {
    /// Reads a baseline. `path` is only named in errors.
    ///
    /// # Errors
    /// [`BaselineError::Form`], [`BaselineError::Empty`], [`BaselineError::Duplicate`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, BaselineError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let (line, column) = position(text, start);
            let message = error.message().trim().replace('\n', " ");
            BaselineError::Form { path: path.to_owned(), line, column, message }
        })?;
        let mut entries: Vec<Entry> = Vec::new();
        for raw in file.known {
            let (line, _) = position(text, raw.case.span().start);
            let entry = Entry { line, raw };
            entry.check(path)?;
            let is_same = |first: &&Entry| {
                let conditions =
                    |entry: &Entry| (entry.raw.case.clone(), entry.raw.when.clone(), entry.raw.axis.clone());
                conditions(first) == conditions(&entry)
            };
            if let Some(first) = entries.iter().find(is_same) {
                return Err(duplicate(first, &entry, path));
            }
            entries.push(entry);
        }
        Ok(Self { entries })
    }

    /// Checks that every entry is for a case that exists. `path` is only named in errors.
    ///
    /// # Errors
    /// [`BaselineError::UnknownCase`], [`BaselineError::Several`].
    pub fn check_cases(&self, catalog: &Catalog, path: &Path) -> Result<(), BaselineError> {
        match self.entries.iter().find(|entry| catalog.case(entry.case()).is_none()) {
            None => Ok(()),
            Some(entry) if !catalog.in_setups(entry.case()).is_empty() => Err(BaselineError::Several {
                path: path.to_owned(),
                line: entry.line,
                case: entry.case().to_owned(),
                ids: catalog.in_setups(entry.case()),
            }),
            Some(entry) => Err(BaselineError::UnknownCase {
                path: path.to_owned(),
                line: entry.line,
                case: entry.case().to_owned(),
                nearest: nearest(entry.case(), catalog.cases().iter().map(|case| case.id.as_str())),
            }),
        }
    }

    /// The entries that hold for a subject of this version in a run without axis. `path` is only named in errors.
    ///
    /// # Errors
    /// [`BaselineError::Duplicate`], if two of them are for one case.
    pub fn for_version(self, version: &str, path: &Path) -> Result<Active, BaselineError> {
        self.for_run(version, None, path)
    }

    /// The same in a run along an axis, if there is one: entries for that axis stand before those for all runs.
    ///
    /// # Errors
    /// As [`Self::for_version`].
    pub fn for_run(self, version: &str, axis: Option<Axis>, path: &Path) -> Result<Active, BaselineError> {
        let holds = |entry: &Entry| {
            let of_axis = |kind: &str| axis.is_some_and(|axis| axis.kind() == kind);
            entry.raw.when.as_deref().is_none_or(|part| version.contains(part))
                && entry.raw.axis.as_deref().is_none_or(of_axis)
        };
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for entry in self.entries.into_iter().filter(holds) {
            match entries.get(entry.case()) {
                Some(first) if first.raw.axis.is_some() == entry.raw.axis.is_some() => {
                    return Err(duplicate(first, &entry, path));
                }
                // That one is for this axis.
                Some(first) if first.raw.axis.is_some() => continue,
                _ => {}
            }
            entries.insert(entry.case().to_owned(), entry);
        }
        Ok(Active { entries })
    }
}

impl Entry {
    fn case(&self) -> &str {
        self.raw.case.get_ref()
    }

    fn check(&self, path: &Path) -> Result<(), BaselineError> {
        let RawEntry { expected, actual, clause, reason, checks, when, axis, varies, .. } = &self.raw;
        let empty = |key, remedy| {
            let case = self.case().to_owned();
            Err(BaselineError::Empty { path: path.to_owned(), line: self.line, case, key, remedy })
        };
        let is_empty = |text: &str| text.trim().is_empty();
        for (key, text, remedy) in [
            ("expected", expected, "say what the clause asks for"),
            ("actual", actual, "say what the subject does instead"),
            ("clause", clause, "name document and section"),
            ("reason", reason, "say why the subject gets it wrong"),
        ] {
            if is_empty(text) {
                return empty(key, remedy);
            }
        }
        let is_useless = |checks: &[String]| checks.is_empty() || checks.iter().any(|check| is_empty(check));
        if checks.as_deref().is_some_and(is_useless) {
            return empty("checks", "name those that fail, or leave the key out");
        }
        for (key, is_there) in [("checks", checks.is_some()), ("varies", *varies != Varies::default())] {
            if is_there && self.raw.verdict == KnownVerdict::Pass {
                let case = self.case().to_owned();
                return Err(BaselineError::KeyOfPass { path: path.to_owned(), line: self.line, case, key });
            }
        }
        if matches!(varies, Varies::Checks(checks) if is_useless(checks)) {
            return empty("varies", "name those that fail in some runs, or leave the key out");
        }
        if let Some(axis) = axis.as_deref().filter(|axis| !Axis::KINDS.contains(axis)) {
            return Err(BaselineError::UnknownAxis {
                path: path.to_owned(),
                line: self.line,
                case: self.case().to_owned(),
                axis: axis.to_owned(),
            });
        }
        if when.as_deref().is_some_and(is_empty) {
            return empty("when", "name a part of the subject's version, or leave the key out");
        }
        Ok(())
    }
}

fn duplicate(first: &Entry, second: &Entry, path: &Path) -> BaselineError {
    BaselineError::Duplicate {
        path: path.to_owned(),
        line: second.line,
        case: second.case().to_owned(),
        first_line: first.line,
    }
}

/// Line and column, from 1, of an offset in bytes.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The entries that hold for one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Active {
    entries: BTreeMap<String, Entry>,
}

impl Active {
    /// The cases that have an entry.
    pub(super) fn cases(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Adds other entries, which hold instead of those of the same cases.
    pub(super) fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// How a result stands against the entries, and the reason of the entry that is for it.
    pub(super) fn compare(&self, result: &Case) -> (Against, Option<String>) {
        let is_good = matches!(result.verdict, Verdict::Pass | Verdict::Skip);
        match self.entries.get(&result.id) {
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
