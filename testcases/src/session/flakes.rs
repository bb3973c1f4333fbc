//! Cases whose verdict differs between the rounds of one session.

use super::Round;
use reports::model::{Case, Verdict};
use std::{collections::BTreeMap, fmt};

/// A case that did not give the same verdict each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flake {
    /// The subject.
    pub subject: String,
    /// The case.
    pub case: String,
    /// How often each outcome was seen: the verdict, and the checks that failed.
    pub outcomes: BTreeMap<String, u32>,
}

impl fmt::Display for Flake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes: Vec<_> = self.outcomes.iter().map(|(what, times)| format!("{times} × {what}")).collect();
        write!(f, "{} {}: {}", self.subject, self.case, outcomes.join(", "))
    }
}

/// Compares the rounds; cases that a round did not run are passed over.
pub(super) fn find(subjects: &[String], rounds: &[Round]) -> Vec<Flake> {
    let mut seen: BTreeMap<(usize, &str), BTreeMap<String, u32>> = BTreeMap::new();
    for round in rounds {
        for (subject, cases) in round.iter().enumerate() {
            for case in cases.iter().flatten() {
                *seen.entry((subject, &case.id)).or_default().entry(describe(case)).or_default() += 1;
            }
        }
    }
    let differing = seen.into_iter().filter(|(_, outcomes)| outcomes.len() > 1);
    let flake = |((subject, case), outcomes): ((usize, &str), _)| Flake {
        subject: subjects.get(subject).cloned().unwrap_or_default(),
        case: case.to_owned(),
        outcomes,
    };
    differing.map(flake).collect()
}

/// What has to be the same each time.
fn describe(case: &Case) -> String {
    let failing = case.checks.iter().filter(|check| check.verdict != Verdict::Pass).map(|check| check.id.as_str());
    let failing: Vec<_> = failing.collect();
    match failing.is_empty() {
        true => case.verdict.name().to_owned(),
        false => format!("{} ({})", case.verdict.name(), failing.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::model::Check;

    fn case(id: &str, verdict: Verdict, failing: &[&str]) -> Option<Case> {
        let check = |id: &&str| Check {
            id: (*id).to_owned(),
            verdict: Verdict::Fail,
            expected: String::new(),
            actual: String::new(),
        };
        Some(Case {
            id: id.to_owned(),
            feature: String::new(),
            spec: String::new(),
            rule: String::new(),
            source: String::new(),
            setup: None,
            axis: None,
            verdict,
            reason: None,
            checks: failing.iter().map(check).collect(),
            duration_us: 0,
            against_baseline: None,
            known: None,
        })
    }

    fn found(first: Option<Case>, second: Option<Case>) -> Vec<String> {
        let rounds = [vec![vec![first.clone()]], vec![vec![second]], vec![vec![first]]];
        find(&["vmm".to_owned()], &rounds).iter().map(Flake::to_string).collect()
    }

    #[test]
    fn other_verdicts_and_other_failing_checks_are_flakes() {
        let pass = || case("a::b", Verdict::Pass, &[]);
        assert_eq!(found(pass(), pass()), Vec::<String>::new());
        assert_eq!(found(pass(), case("a::b", Verdict::Hang, &[])), ["vmm a::b: 1 × hang, 2 × pass"]);
        let (one, other) = (case("a::b", Verdict::Fail, &["x"]), case("a::b", Verdict::Fail, &["x", "y"]));
        assert_eq!(found(one, other), ["vmm a::b: 2 × fail (x), 1 × fail (x; y)"]);
    }

    #[test]
    fn cases_that_a_round_did_not_run_are_no_flakes() {
        assert_eq!(found(case("a::b", Verdict::Pass, &[]), None), Vec::<String>::new());
    }
}
