//! What changed in the checks of one case.

use super::Kind;
use crate::model::{Case, Check, Verdict};
use std::collections::BTreeMap;

/// A check that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckChange {
    /// How; never [`Kind::Broken`].
    pub kind: Kind,
    /// The check; the former one of a check that is no more.
    pub check: Check,
}

/// The checks of a case that changed. Without a former result each that fails counts as regressed.
pub(super) fn between(before: Option<&Case>, now: &Case) -> Vec<CheckChange> {
    let former: BTreeMap<&str, &Check> = by_id(before);
    let current: BTreeMap<&str, &Check> = by_id(Some(now));
    let change = |kind, check: &Check| CheckChange { kind, check: check.clone() };
    let of_check = |check: &Check| {
        let was = former.get(check.id.as_str()).map(|former| former.verdict);
        match (was, check.verdict) {
            (Some(Verdict::Pass), Verdict::Pass) => None,
            (Some(_), Verdict::Pass) => Some(change(Kind::Fixed, check)),
            (None, Verdict::Pass) => is_comparable(before, now).then(|| change(Kind::Appeared, check)),
            (None | Some(Verdict::Pass), _) => Some(change(Kind::Regressed, check)),
            (Some(_), _) => None,
        }
    };
    let mut changes: Vec<_> = now.checks.iter().filter_map(of_check).collect();
    if let Some(before) = before.filter(|_| is_comparable(before, now)) {
        let gone = before.checks.iter().filter(|check| !current.contains_key(check.id.as_str()));
        changes.extend(gone.map(|check| change(Kind::Vanished, check)));
    }
    changes.sort_by_key(|change| change.kind);
    changes
}

/// Whether both results made all their checks: one that crashed did not, and which it made is of no interest.
fn is_comparable(before: Option<&Case>, now: &Case) -> bool {
    let is_whole = |case: &Case| matches!(case.verdict, Verdict::Pass | Verdict::Fail);
    before.is_some_and(is_whole) && is_whole(now)
}

fn by_id(case: Option<&Case>) -> BTreeMap<&str, &Check> {
    case.into_iter().flat_map(|case| &case.checks).map(|check| (check.id.as_str(), check)).collect()
}
