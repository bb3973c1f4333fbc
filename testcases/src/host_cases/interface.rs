//! The cases of the crate `interface` as cases of the catalog, and their outcomes as verdicts.

use crate::{catalog::Case, chain::chain, judge};
use case::Needs;
use interface::{Fault, Outcome};
use reports::model::{self, Check, Verdict};

pub(super) fn all() -> impl Iterator<Item = Case> {
    interface::all().map(|case| {
        let place = (module_path!(), case.file, case.line);
        let name = (case.feature, case.name);
        Case::of_host(name, case.rule.to_owned(), &[case.spec], Needs::PROCESSOR_STATE, place)
    })
}

/// Runs a case, if it is one of these, on a KVM that is wrong on purpose if there is a fault.
pub(crate) fn run(case: &Case, fault: Option<Fault>) -> Option<model::Case> {
    let found = interface::all().find(|other| other.feature == case.feature && other.name == case.name)?;
    Some(verdict(case, &found.run(fault)))
}

/// Of an outcome.
fn verdict(case: &Case, outcome: &Outcome) -> model::Case {
    match outcome {
        Outcome::Checked(checks) => super::of_checks(case, checks.iter().map(check).collect()),
        Outcome::NotOffered(capability) => judge::skipped(case, &format!("KVM does not offer {capability}")),
        Outcome::Failed(trouble) => judge::failed_to_run(case, &chain(trouble)),
    }
}

fn check(check: &interface::Check) -> Check {
    Check {
        id: check.id.clone(),
        verdict: if check.passes() { Verdict::Pass } else { Verdict::Fail },
        expected: check.expected(),
        actual: check.actual(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use interface::{Expect, Seen, Trouble};

    fn outcome(seen: Seen) -> Outcome {
        let right = interface::Check { id: "one".to_owned(), expect: Expect::Done, seen: Seen::Value(0) };
        let tried = interface::Check { id: "two".to_owned(), expect: Expect::Refused(&[libc::EINVAL]), seen };
        Outcome::Checked(vec![right, tried])
    }

    #[test]
    fn outcomes_become_verdicts() {
        let case = all().next().unwrap();
        let of = |outcome: &Outcome| {
            let result = verdict(&case, outcome);
            (result.verdict, result.reason.unwrap_or_default())
        };
        assert_eq!(of(&outcome(Seen::Refused(libc::EINVAL))), (Verdict::Pass, String::new()));
        let reason = "two: expected EINVAL, but it is done; 1 of 2 checks fail".to_owned();
        assert_eq!(of(&outcome(Seen::Value(3))), (Verdict::Fail, reason));
        assert_eq!(of(&outcome(Seen::Refused(libc::ENOTTY))).0, Verdict::Fail);
        let reason = "KVM does not offer KVM_CAP_X86_SMM".to_owned();
        assert_eq!(of(&Outcome::NotOffered("KVM_CAP_X86_SMM")), (Verdict::Skip, reason));
        let trouble = Trouble::Exit { reason: 8, expected: 2 };
        assert_eq!(of(&Outcome::Failed(trouble)).0, Verdict::Error);
    }

    #[test]
    fn a_case_is_found_by_its_name() {
        assert!(all().all(|case| interface::all().any(|other| other.name == case.name)));
        let mut case = all().next().unwrap();
        case.name = "no_such_case".to_owned();
        assert!(run(&case, None).is_none());
    }
}
