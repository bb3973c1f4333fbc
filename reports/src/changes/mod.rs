//! What changed between two runs, or between a run and what is known: the logic of `report diff` and of every gate.
//!
//! A case that fails, crashes or hangs and was not known is a regression, like one that got worse: nobody has accepted it.

mod checks;
mod tell;

pub use checks::CheckChange;
pub(crate) use tell::feature_name;

use crate::{
    compare::compare,
    model::{Against, Case, Report, Subject, Verdict},
};
use case::Feature;
use std::collections::BTreeMap;

/// What became of a case or a check. In the order in which they are told: the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Right before and wrong now, or wrong in another way.
    Regressed,
    /// The harness failed to run it: nothing is known of the subject.
    Broken,
    /// Tried before and not tried now: no more offered, or no more there.
    Vanished,
    /// Wrong before and right now.
    Fixed,
    /// Not tried before, and right now.
    Appeared,
}

impl Kind {
    /// Every kind, in the order in which they are told.
    pub const ALL: &[Self] = &[Self::Regressed, Self::Broken, Self::Vanished, Self::Fixed, Self::Appeared];

    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Broken => "broken",
            Self::Vanished => "vanished",
            Self::Fixed => "fixed",
            Self::Appeared => "appeared",
        }
    }
}

/// A case that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How.
    pub kind: Kind,
    /// The subject's id.
    pub subject: String,
    /// The result now; the former one of a case that is no more.
    pub case: Case,
    /// The verdict before, if a former run tells.
    pub before: Option<Verdict>,
    /// The verdict now; nothing if the case is no more.
    pub now: Option<Verdict>,
    /// What changed in its checks.
    pub checks: Vec<CheckChange>,
}

/// Everything that changed, the worst first, then in the order of features.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The cases.
    pub list: Vec<Change>,
    /// Ids of subjects that only the former report has; none of their cases stands in the list.
    pub vanished_subjects: Vec<String>,
    /// Ids of subjects that only the new report has.
    pub new_subjects: Vec<String>,
}

/// Why two reports cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiffError {
    /// They tell of different subjects.
    #[error(
        "the reports have no subject in common: the first tells of {}, the second of {}; \
         compare reports of the same subject",
        listed(before),
        listed(now)
    )]
    NoCommonSubject {
        /// Those of the first.
        before: Vec<String>,
        /// Those of the second.
        now: Vec<String>,
    },
    /// One of them is a part of a run only, or both are different parts.
    #[error(
        "one report is shard {one} and the other {other}, so that cases would seem to vanish; \
         put the shards of each run together with `cargo xtask report merge` first"
    )]
    OtherShard {
        /// The part of the first, for people.
        one: String,
        /// That of the second.
        other: String,
    },
}

fn listed(ids: &[String]) -> String {
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

impl Changes {
    /// Compares two whole reports, subject by subject.
    ///
    /// # Errors
    /// [`DiffError`], if they cannot be compared.
    pub fn between(before: &Report, now: &Report) -> Result<Self, DiffError> {
        if before.shard != now.shard {
            let name = |report: &Report| match report.shard {
                Some(shard) => format!("{}/{}", shard.number, shard.count),
                None => "the whole".to_owned(),
            };
            return Err(DiffError::OtherShard { one: name(before), other: name(now) });
        }
        let has = |report: &Report, id: &str| report.subjects.iter().any(|subject| subject.id == id);
        if !before.subjects.iter().any(|subject| has(now, &subject.id)) {
            let ids = |report: &Report| report.subjects.iter().map(|subject| subject.id.clone()).collect();
            return Err(DiffError::NoCommonSubject { before: ids(before), now: ids(now) });
        }
        let only = |one: &Report, other: &Report| -> Vec<String> {
            let ids = one.subjects.iter().map(|subject| subject.id.clone());
            ids.filter(|id| !has(other, id)).collect()
        };
        let mut changes =
            Self { list: Vec::new(), vanished_subjects: only(before, now), new_subjects: only(now, before) };
        for subject in &now.subjects {
            if let Some(former) = before.subjects.iter().find(|former| former.id == subject.id) {
                changes.add_between(former, subject);
            }
        }
        changes.sort();
        Ok(changes)
    }

    fn add_between(&mut self, former: &Subject, now: &Subject) {
        let formerly: BTreeMap<&str, &Case> = former.cases.iter().map(|case| (case.id.as_str(), case)).collect();
        for case in &now.cases {
            let before = formerly.get(case.id.as_str()).copied();
            self.list.extend(change(&now.id, before, case, Some(compare(before, case)), true));
        }
        let still: std::collections::BTreeSet<_> = now.cases.iter().map(|case| case.id.as_str()).collect();
        let gone = former.cases.iter().filter(|case| is_tried(case) && !still.contains(case.id.as_str()));
        self.list.extend(gone.map(|case| vanished(&now.id, case)));
    }

    /// What a run says of its comparison with a baseline. `former` are the results of the run that was the baseline, if it
    /// was one; `exists` says whether the image still has a case of this id: one that was not selected has not vanished.
    pub fn of_run(subject: &Subject, former: &[Case], exists: impl Fn(&str) -> bool) -> Self {
        let formerly: BTreeMap<&str, &Case> = former.iter().map(|case| (case.id.as_str(), case)).collect();
        let change = |case: &Case| {
            let before = formerly.get(case.id.as_str()).copied();
            change(&subject.id, before, case, case.against_baseline, !former.is_empty())
        };
        let mut list: Vec<_> = subject.cases.iter().filter_map(change).collect();
        let gone = former.iter().filter(|case| is_tried(case) && !exists(&case.id));
        list.extend(gone.map(|case| vanished(&subject.id, case)));
        let mut changes = Self { list, ..Self::default() };
        changes.sort();
        changes
    }

    /// What a report says of its comparison with baselines, on all subjects.
    pub fn recorded(report: &Report) -> Self {
        let of_subject = |subject| Self::of_run(subject, &[], |_| true).list;
        let mut changes = Self { list: report.subjects.iter().flat_map(of_subject).collect(), ..Self::default() };
        changes.sort();
        changes
    }

    fn sort(&mut self) {
        let place = |feature: &str| Feature::ALL.iter().position(|known| known.id() == feature);
        let places: BTreeMap<String, usize> = self
            .list
            .iter()
            .map(|change| (change.case.feature.clone(), place(&change.case.feature).unwrap_or(usize::MAX)))
            .collect();
        self.list.sort_by(|one, other| {
            let key = |change: &Change| (change.kind, places.get(&change.case.feature).copied());
            // Features that nobody knows any more are kept together by their names.
            key(one).cmp(&key(other)).then_with(|| one.case.feature.cmp(&other.case.feature))
        });
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.vanished_subjects.is_empty() && self.new_subjects.is_empty()
    }

    /// How many cases changed in a way.
    pub fn count(&self, kind: Kind) -> usize {
        self.list.iter().filter(|change| change.kind == kind).count()
    }

    /// Whether something is worse than before.
    pub fn is_worse(&self) -> bool {
        !self.vanished_subjects.is_empty()
            || self.list.iter().any(|change| matches!(change.kind, Kind::Regressed | Kind::Vanished))
    }

    /// Whether the harness failed somewhere, so that regressions may be hidden.
    pub fn is_broken(&self) -> bool {
        self.count(Kind::Broken) != 0
    }
}

/// What changed in a case, if anything. `has_former` says whether a former run is there, in which the case may be missing.
fn change(
    subject: &str,
    before: Option<&Case>,
    now: &Case,
    against: Option<Against>,
    has_former: bool,
) -> Option<Change> {
    let is_bad = matches!(now.verdict, Verdict::Fail | Verdict::Crash | Verdict::Hang);
    let checks = checks::between(before, now);
    let kind = match against {
        _ if now.verdict == Verdict::Error => Kind::Broken,
        Some(Against::Regressed) if now.verdict == Verdict::Skip => Kind::Vanished,
        Some(Against::Regressed) => Kind::Regressed,
        Some(Against::New) if is_bad => Kind::Regressed,
        Some(Against::Fixed) => Kind::Fixed,
        Some(Against::New) if has_former && now.verdict == Verdict::Pass => Kind::Appeared,
        // The verdict is the same, and fewer or other rules were tried.
        Some(Against::Expected) if before.is_some() => checks.iter().map(|check| check.kind).min()?,
        Some(Against::Expected | Against::New) | None => return None,
    };
    Some(Change {
        kind,
        subject: subject.to_owned(),
        case: now.clone(),
        before: before.map(|case| case.verdict),
        now: Some(now.verdict),
        checks,
    })
}

fn vanished(subject: &str, former: &Case) -> Change {
    Change {
        kind: Kind::Vanished,
        subject: subject.to_owned(),
        case: former.clone(),
        before: Some(former.verdict),
        now: None,
        checks: Vec::new(),
    }
}

/// Whether a result says something of the subject.
fn is_tried(case: &Case) -> bool {
    !matches!(case.verdict, Verdict::Skip | Verdict::Error)
}

#[cfg(test)]
mod tests;
