//! A baseline that is written down: what a subject is known to get wrong, with the reason.

use super::{Active, BaselineError};
use crate::{axis::Axis, catalog::Catalog, nearest::nearest};
use reports::model::Verdict;
use serde::Deserialize;
use std::{collections::BTreeMap, path::Path};
use toml::Spanned;
use wildmatch::WildMatch;

/// The entries of a baseline, each for one case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownFailures {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    line: usize,
    pub(super) raw: RawEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    known: Vec<RawEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEntry {
    pub(super) case: Spanned<String>,
    pub(super) verdict: KnownVerdict,
    /// Exactly these checks fail, beside those of `varies`.
    pub(super) checks: Option<Vec<String>>,
    expected: String,
    actual: String,
    clause: String,
    pub(super) reason: String,
    /// Part of the version of the subjects that it holds for.
    when: Option<String>,
    /// The kinds of axes that it holds for, and without one it does not.
    axis: Option<Axes>,
    #[serde(default)]
    pub(super) varies: Varies,
    /// What the subject runs on spoils a run now and then, but not so many in a row: the case passes in one of them at least.
    /// With it, `case` may be a pattern.
    pub(super) runs: Option<u8>,
}

/// Kinds of axes: the name of one, or a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Axes {
    One(String),
    Several(Vec<String>),
}

impl Axes {
    fn kinds(&self) -> &[String] {
        match self {
            Self::One(kind) => std::slice::from_ref(kind),
            Self::Several(kinds) => kinds,
        }
    }
}

/// The most that `runs` may be.
const MAX_RUNS: u8 = 10;

/// What fails in one run and holds in another, because it depends on what the guest cannot see, such as the host's
/// processor or its timer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Varies {
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
pub(super) enum KnownVerdict {
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
        match self.entries.iter().find(|entry| !catalog.cases().iter().any(|case| entry.is_for(&case.id))) {
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
            let of_axis = |axes: &Axes| axis.is_some_and(|axis| axes.kinds().iter().any(|kind| axis.kind() == kind));
            entry.raw.when.as_deref().is_none_or(|part| version.contains(part))
                && entry.raw.axis.as_ref().is_none_or(of_axis)
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
        Ok(entries.into_iter().collect())
    }
}

impl Entry {
    fn case(&self) -> &str {
        self.raw.case.get_ref()
    }

    pub(super) fn is_for(&self, id: &str) -> bool {
        if is_pattern(self.case()) { WildMatch::new(self.case()).matches(id) } else { self.case() == id }
    }

    fn check(&self, path: &Path) -> Result<(), BaselineError> {
        let RawEntry { expected, actual, clause, reason, checks, when, axis, varies, runs, .. } = &self.raw;
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
        let of_runs = |problem| {
            let case = self.case().to_owned();
            Err(BaselineError::Runs { path: path.to_owned(), line: self.line, case, problem })
        };
        match *runs {
            None if is_pattern(self.case()) => {
                return of_runs("a pattern needs `runs`, so that no case of it is known to fail always");
            }
            Some(runs) if !(2..=MAX_RUNS).contains(&runs) => return of_runs("`runs` is a number from 2 to 10"),
            Some(_) if self.raw.verdict == KnownVerdict::Pass || *varies != Varies::default() || checks.is_some() => {
                return of_runs("with `runs`, `verdict` is not \"pass\", and there is neither `checks` nor `varies`");
            }
            _ => {}
        }
        let kinds = axis.as_ref().map(Axes::kinds);
        if let Some([]) = kinds {
            return empty("axis", "name a kind of axis, or leave the key out");
        }
        if let Some(axis) = kinds.into_iter().flatten().find(|axis| !Axis::KINDS.contains(&axis.as_str())) {
            return Err(BaselineError::UnknownAxis {
                path: path.to_owned(),
                line: self.line,
                case: self.case().to_owned(),
                axis: axis.clone(),
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

pub(super) fn is_pattern(case: &str) -> bool {
    case.contains(['*', '?'])
}

/// Line and column, from 1, of an offset in bytes.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
