//! What was found, by rule, and what of it is known.

use super::{
    blocks::Done,
    lost::Lost,
    records::{Step, Wrong, blamed},
};
use crate::{baseline::Baseline, catalog::Catalog, judge};
use reports::model::{self, Against, Check, Verdict};
use std::collections::BTreeMap;

/// One kind: a rule with all that is answered wrongly of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The case that tries the rule by itself.
    pub(super) case: String,
    /// Its clauses.
    pub(super) clause: String,
    /// What else it takes.
    pub(super) others: Vec<Step>,
    /// The checks of that case that fail, each with an example; none for states that were not survived.
    pub(super) checks: BTreeMap<String, Example>,
    /// How a state that was not survived ended.
    pub(super) loss: Option<(Verdict, String)>,
    /// Number of the first state.
    pub(super) number: u64,
    /// How many states led to it.
    pub(super) count: u64,
    /// Why it is known, if it is.
    pub(super) known: Option<String>,
}

/// A wrong answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) expected: String,
    pub(super) actual: String,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

/// What tells kinds apart: case, other steps, whether it was survived, whether it is known.
type Key = (String, Vec<Step>, bool, bool);

impl Findings {
    /// Sorts what was found by rule, and sets it against what is known.
    pub(super) fn of(done: &Done, catalog: &Catalog, baseline: Option<&Baseline>) -> Self {
        let mut kinds: BTreeMap<Key, Finding> = BTreeMap::new();
        let mut wrong: Vec<_> = done.wrong.iter().collect();
        wrong.sort_by_key(|wrong| wrong.number);
        for wrong in wrong {
            let finding = of_wrong(wrong, catalog, baseline);
            let key = (finding.case.clone(), finding.others.clone(), false, finding.known.is_some());
            kinds.entry(key).and_modify(|kind| kind.merge(&finding)).or_insert(finding);
        }
        let mut lost: Vec<_> = done.lost.iter().collect();
        lost.sort_by_key(|lost| lost.states.start);
        for lost in lost {
            let finding = of_loss(lost, catalog, baseline);
            let key = (finding.case.clone(), finding.others.clone(), true, finding.known.is_some());
            kinds.entry(key).and_modify(|kind| kind.merge(&finding)).or_insert(finding);
        }
        Self(kinds.into_values().collect())
    }

    /// Those that nothing explains.
    pub(super) fn unexplained(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(|finding| finding.known.is_none())
    }
}

impl Finding {
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        for (check, example) in &other.checks {
            self.checks.entry(check.clone()).or_insert_with(|| example.clone());
        }
    }
}

/// The steps but for the one that is blamed, and that one.
fn cut(steps: &[Step]) -> (Option<&Step>, Vec<Step>) {
    let at = blamed(steps);
    let others = steps.iter().enumerate().filter(|(index, _)| Some(*index) != at).map(|(_, step)| step.clone());
    (at.and_then(|at| steps.get(at)), others.collect())
}

fn clause(case: &str, catalog: &Catalog) -> String {
    catalog.case(case).map(crate::catalog::Case::spec).unwrap_or_default()
}

fn of_wrong(wrong: &Wrong, catalog: &Catalog, baseline: Option<&Baseline>) -> Finding {
    let (step, others) = cut(&wrong.steps);
    let case = step.map_or_else(|| "no rule".to_owned(), |step| step.case.clone());
    let name = step.and_then(|step| step.name.as_ref());
    let check = name.map_or_else(|| wrong.check.clone(), |name| format!("{} [{name}]", wrong.check));
    let failing = Check {
        id: check.clone(),
        verdict: Verdict::Fail,
        expected: wrong.expected.clone(),
        actual: wrong.actual.clone(),
    };
    let known = others.is_empty().then(|| known(&case, Verdict::Fail, vec![failing], catalog, baseline)).flatten();
    let example = Example { expected: wrong.expected.clone(), actual: wrong.actual.clone() };
    Finding {
        clause: clause(&case, catalog),
        case,
        others,
        checks: BTreeMap::from([(check, example)]),
        loss: None,
        number: wrong.number,
        count: 1,
        known,
    }
}

fn of_loss(lost: &Lost, catalog: &Catalog, baseline: Option<&Baseline>) -> Finding {
    let (_, others) = cut(&lost.steps);
    let case = lost.blamed().map_or_else(|| "no rule".to_owned(), |step| step.case.clone());
    let known = others.is_empty().then(|| known(&case, lost.verdict, Vec::new(), catalog, baseline)).flatten();
    Finding {
        clause: clause(&case, catalog),
        case,
        others,
        checks: BTreeMap::new(),
        loss: Some((lost.verdict, lost.why.clone())),
        number: lost.states.start,
        count: 1,
        known,
    }
}

/// The reason that the baseline has for these failing checks of a case.
fn known(
    case: &str,
    verdict: Verdict,
    checks: Vec<Check>,
    catalog: &Catalog,
    baseline: Option<&Baseline>,
) -> Option<String> {
    let compare = |verdict, checks| {
        let mut result = model::Case { verdict, checks, ..judge::skipped(catalog.case(case)?, "") };
        baseline?.apply(&mut result);
        // Of what the case gets wrong a random state shows a part.
        let is_known = matches!(result.against_baseline, Some(Against::Expected | Against::Fixed));
        result.known.filter(|_| is_known)
    };
    // Of a case that the subject does not survive nobody knows which checks would have failed.
    compare(verdict, checks)
        .or_else(|| compare(Verdict::Crash, Vec::new()))
        .or_else(|| compare(Verdict::Hang, Vec::new()))
}
