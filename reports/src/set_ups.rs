//! Cases whose interrupt set-ups differ on one subject: who is right, one emulation or the other, the manual says, and at
//! least one of them is wrong.

use crate::model::{Case, Report, Subject, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Checks that are named of one difference; the case has them all.
const NAMED_CHECKS: usize = 3;

/// A case that came out differently in the set-ups of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// The subject.
    pub subject: &'a str,
    /// The case's id without a set-up.
    pub case: &'a str,
    /// For each of [`names`] what came of it; nothing if it was not run there.
    pub outcomes: Vec<Option<Outcome<'a>>>,
    /// The checks that fail in some set-ups and not in others.
    pub checks: Vec<&'a str>,
}

/// What came of a case in a set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// The verdict.
    pub verdict: Verdict,
    /// The checks that failed.
    pub failing: BTreeSet<&'a str>,
}

impl Outcome<'_> {
    /// `pass`, `fail (3 checks)`.
    pub fn text(&self) -> String {
        match self.failing.len() {
            0 => self.verdict.name().to_owned(),
            1 => format!("{} (1 check)", self.verdict.name()),
            number => format!("{} ({number} checks)", self.verdict.name()),
        }
    }
}

impl Difference<'_> {
    /// The checks that differ in one line, the first few by name.
    pub fn checks_text(&self) -> String {
        let mut named: Vec<String> = self.checks.iter().take(NAMED_CHECKS).map(|&check| check.to_owned()).collect();
        let nr_more = self.checks.len().saturating_sub(NAMED_CHECKS);
        if nr_more != 0 {
            named.push(format!("… and {nr_more} more"));
        }
        named.join(", ")
    }
}

/// The names of all set-ups that cases of the report were run in.
pub fn names(report: &Report) -> Vec<&str> {
    let names = report.subjects.iter().flat_map(|subject| &subject.cases).filter_map(|case| case.setup.as_deref());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The cases that differ between the set-ups of a subject, by subject and then in the order of the report. A set-up that
/// was skipped, or in which the harness failed, says nothing and differs from none.
pub fn differences(report: &Report) -> Vec<Difference<'_>> {
    let names = names(report);
    report.subjects.iter().flat_map(|subject| of_subject(subject, &names)).collect()
}

fn of_subject<'a>(subject: &'a Subject, names: &[&str]) -> Vec<Difference<'a>> {
    let mut by_case: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in subject.cases.iter().filter(|case| case.setup.is_some()) {
        by_case.entry(case.plain_id()).or_default().push(case);
    }
    let mut found = Vec::new();
    for (id, cases) in by_case {
        let in_setup = |name: &&str| cases.iter().find(|case| case.setup.as_deref() == Some(name)).copied();
        let outcomes: Vec<_> = names.iter().map(|name| in_setup(name).and_then(outcome)).collect();
        let distinct: Vec<_> = outcomes.iter().flatten().collect();
        if distinct.windows(2).any(|pair| pair.first() != pair.last()) {
            found.push(Difference { subject: &subject.id, case: id, checks: differing_checks(&distinct), outcomes });
        }
    }
    found
}

fn outcome(case: &Case) -> Option<Outcome<'_>> {
    let says_something = !matches!(case.verdict, Verdict::Skip | Verdict::Error);
    let failing = || case.failed_checks().map(|check| check.id.as_str()).collect();
    says_something.then(|| Outcome { verdict: case.verdict, failing: failing() })
}

fn differing_checks<'a>(outcomes: &[&Outcome<'a>]) -> Vec<&'a str> {
    let all: BTreeSet<_> = outcomes.iter().flat_map(|outcome| outcome.failing.iter().copied()).collect();
    all.into_iter().filter(|check| !outcomes.iter().all(|outcome| outcome.failing.contains(check))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn in_setup(setup: &str, verdict: Verdict, failing: &[&str]) -> Case {
        Case {
            setup: Some(setup.to_owned()),
            checks: failing.iter().map(|id| example::check(id, Verdict::Fail, "1", "2")).collect(),
            ..example::case(&format!("apic::timer@{setup}"), "MsrPat", verdict)
        }
    }

    fn found(cases: Vec<Case>) -> Option<(Vec<String>, String)> {
        let subject = Subject { id: "vmm".to_owned(), cases, ..Subject::default() };
        let report = Report { subjects: vec![subject], ..example::report() };
        let found = differences(&report);
        assert!(found.len() <= 1 && found.iter().all(|found| (found.subject, found.case) == ("vmm", "apic::timer")));
        let text = |outcome: &Option<Outcome<'_>>| outcome.as_ref().map_or("-".to_owned(), Outcome::text);
        found.first().map(|found| (found.outcomes.iter().map(text).collect(), found.checks_text()))
    }

    #[test]
    fn the_same_everywhere_is_no_difference() {
        use Verdict::{Fail, Pass, Skip};
        assert_eq!(found(vec![in_setup("kernel", Pass, &[]), in_setup("user", Pass, &[])]), None);
        assert_eq!(found(vec![in_setup("kernel", Fail, &["a"]), in_setup("user", Fail, &["a"])]), None);
        assert_eq!(found(vec![in_setup("kernel", Pass, &[]), in_setup("user", Skip, &[])]), None);
        assert_eq!(found(vec![in_setup("kernel", Fail, &["a"])]), None);
    }

    #[test]
    fn other_verdicts_and_other_failing_checks_are_differences() {
        use Verdict::{Error, Fail, Pass};
        let (outcomes, checks) = found(vec![
            in_setup("kernel", Fail, &["a", "b", "c", "d", "e"]),
            in_setup("split", Error, &[]),
            in_setup("user", Pass, &[]),
        ])
        .unwrap();
        assert_eq!(outcomes, ["fail (5 checks)", "-", "pass"]);
        assert_eq!(checks, "a, b, c, … and 2 more");
        let other = found(vec![in_setup("kernel", Fail, &["a", "b"]), in_setup("user", Fail, &["b", "c"])]);
        assert_eq!(other.unwrap().1, "a, c");
    }
}
