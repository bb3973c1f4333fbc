//! Every case of a report by area and feature, with the subjects side by side.

use super::{Segment, segments, shown};
use crate::{
    model::{Case, Check, FeatureRow, Report, Subject, Verdict},
    place,
    standing::Standing,
    tally::Tally,
    text::{duration, one_line},
};
use std::collections::BTreeMap;

/// How many passing checks of a case are listed.
pub(super) const MOST_PASSING: usize = 20;
/// How many others are.
pub(super) const MOST_FAILING: usize = 200;

/// An area with its features.
pub(super) struct AreaTree {
    pub(super) name: String,
    pub(super) bar: Vec<Segment>,
    pub(super) is_open: bool,
    pub(super) features: Vec<FeatureTree>,
}

/// A feature with its cases.
pub(super) struct FeatureTree {
    pub(super) anchor: String,
    pub(super) title: String,
    pub(super) bar: Vec<Segment>,
    pub(super) is_open: bool,
    pub(super) cases: Vec<CaseTree>,
}

/// A case on all subjects that it was run on.
pub(super) struct CaseTree {
    pub(super) id: String,
    pub(super) anchor: String,
    /// Class for the colour of the edge: the worst verdict.
    pub(super) verdict: &'static str,
    /// Class for the filters: how the case that needs the most attention stands.
    pub(super) standing: &'static str,
    pub(super) is_open: bool,
    pub(super) why: String,
    /// What is the same on all subjects.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) on: Vec<Outcome>,
}

/// A case on one subject.
pub(super) struct Outcome {
    pub(super) subject: String,
    pub(super) verdict: &'static str,
    pub(super) verdict_text: String,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) checks: Vec<CheckView>,
    /// Checks that are not listed.
    pub(super) more: String,
    pub(super) repeat: String,
    pub(super) duration: String,
}

pub(super) struct CheckView {
    pub(super) id: String,
    pub(super) verdict: &'static str,
    pub(super) expected: String,
    pub(super) actual: String,
}

/// Where the case of a subject is told.
pub(super) fn anchors(report: &Report) -> BTreeMap<&str, String> {
    let mut anchors = BTreeMap::new();
    for case in report.subjects.iter().flat_map(|subject| &subject.cases) {
        // Numbers, because an id may hold what an address may not.
        let number = anchors.len();
        anchors.entry(case.id.as_str()).or_insert_with(|| format!("case-{number}"));
    }
    anchors
}

/// Everything that was run, in the order of the features; at the end what belongs to none of them.
pub(super) fn tree(report: &Report) -> Vec<AreaTree> {
    let mut by_feature: BTreeMap<&str, Vec<(&Subject, &Case)>> = BTreeMap::new();
    for (subject, case) in
        report.subjects.iter().flat_map(|subject| subject.cases.iter().map(move |case| (subject, case)))
    {
        by_feature.entry(&case.feature).or_default().push((subject, case));
    }
    let anchors = anchors(report);
    let mut number = 0;
    let mut feature = |row: &FeatureRow, by_feature: &mut BTreeMap<&str, Vec<_>>| {
        let results = by_feature.remove(row.id.as_str())?;
        number += 1;
        Some(feature_tree(number, &row.title, &results, &anchors))
    };
    let mut areas = Vec::new();
    for (name, rows) in report.areas() {
        let features: Vec<_> = rows.into_iter().filter_map(|row| feature(row, &mut by_feature)).collect();
        areas.extend(area(name, features));
    }
    let unknown = by_feature.iter().zip(1_000_000..);
    let unknown = unknown.map(|((id, results), number)| feature_tree(number, id, results, &anchors)).collect();
    areas.extend(area("features that this report does not list", unknown));
    areas
}

fn area(name: &str, features: Vec<FeatureTree>) -> Option<AreaTree> {
    if features.is_empty() {
        return None;
    }
    let mut bar: Vec<Segment> = Vec::new();
    for segment in features.iter().flat_map(|feature| &feature.bar) {
        match bar.iter_mut().find(|known| known.verdict == segment.verdict) {
            Some(known) => known.total += segment.total,
            None => bar.push(Segment { notes: String::new(), ..segment.clone() }),
        }
    }
    let is_open = features.iter().any(|feature| feature.is_open);
    Some(AreaTree { name: one_line(name).into_owned(), bar, is_open, features })
}

fn feature_tree(
    number: usize,
    title: &str,
    results: &[(&Subject, &Case)],
    anchors: &BTreeMap<&str, String>,
) -> FeatureTree {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_case: Vec<Vec<(&Subject, &Case)>> = Vec::new();
    for &(subject, case) in results {
        let place = *places.entry(&case.id).or_insert(by_case.len());
        match by_case.get_mut(place) {
            Some(known) => known.push((subject, case)),
            None => by_case.push(vec![(subject, case)]),
        }
    }
    let cases: Vec<_> = by_case.iter().filter_map(|results| case_tree(results, anchors)).collect();
    FeatureTree {
        anchor: format!("feature-{number}"),
        title: one_line(title).into_owned(),
        bar: segments(Tally::of(results.iter().map(|(_, case)| *case))),
        is_open: cases.iter().any(|case| case.is_open),
        cases,
    }
}

/// One case on several subjects; nothing for none.
fn case_tree(results: &[(&Subject, &Case)], anchors: &BTreeMap<&str, String>) -> Option<CaseTree> {
    let (_, first) = *results.first()?;
    let rank = |case: &Case| match case.standing() {
        Standing::Broken | Standing::Unexpected => 0,
        Standing::Known => 1,
        Standing::Passed => 2,
        Standing::Skipped => 3,
    };
    let (_, worst) = *results.iter().min_by_key(|(_, case)| rank(case))?;
    let standing = ["unexpected", "known", "passed", "skipped"].get(rank(worst)).copied().unwrap_or_default();
    Some(CaseTree {
        id: one_line(&first.id).into_owned(),
        anchor: anchors.get(first.id.as_str()).cloned().unwrap_or_default(),
        verdict: worst.verdict.name(),
        standing,
        is_open: worst.standing().needs_attention(),
        why: one_line(&worst.why()).into_owned(),
        facts: vec![("rule", shown(&first.rule)), ("clause", shown(&first.spec)), ("source", shown(&first.source))],
        on: results.iter().map(|(subject, case)| outcome(subject, case)).collect(),
    })
}

fn outcome(subject: &Subject, case: &Case) -> Outcome {
    let mut facts = Vec::new();
    facts.extend(case.shown_reason().map(|reason| ("reason", shown(&reason))));
    if let Some(place) = case.reason.as_deref().and_then(place::find) {
        facts.push(("stood at", shown(place.at)));
        facts.push(("instruction", shown(place.instruction)));
    }
    facts.extend(case.known.iter().map(|known| ("baseline", shown(known))));
    let (checks, more) = check_views(&case.checks);
    Outcome {
        subject: one_line(&subject.id).into_owned(),
        verdict: case.verdict.name(),
        verdict_text: case.verdict_text(),
        facts,
        checks,
        more,
        repeat: case.repeat_command(&subject.id),
        duration: duration(case.duration_us),
    }
}

/// The checks that are listed, and what to say of the others: a table of thousands is one case.
pub(super) fn check_views(checks: &[Check]) -> (Vec<CheckView>, String) {
    let (mut nr_passing, mut nr_failing) = (0, 0);
    let is_listed = |check: &&Check| {
        let (count, most) = match check.verdict {
            Verdict::Pass => (&mut nr_passing, MOST_PASSING),
            _ => (&mut nr_failing, MOST_FAILING),
        };
        *count += 1;
        *count <= most
    };
    let view = |check: &Check| CheckView {
        id: one_line(&check.id).into_owned(),
        verdict: check.verdict.name(),
        expected: shown(&check.expected),
        actual: shown(&check.actual),
    };
    let views = checks.iter().filter(is_listed).map(view).collect();
    let (passing, failing) = (checks.len() - nr_failing, nr_failing);
    let more: Vec<_> = [(failing, MOST_FAILING, "fail"), (passing, MOST_PASSING, "pass")]
        .into_iter()
        .filter(|(count, most, _)| count > most)
        .map(|(count, most, word)| format!("{} more that {word}", count - most))
        .collect();
    let more = if more.is_empty() { String::new() } else { format!("… and {}: see report.json", more.join(" and ")) };
    (views, more)
}
