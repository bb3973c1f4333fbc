//! What of a case's result is not right any more.

use super::Killer;
use reports::model::{self, Verdict};
use std::collections::HashMap;

/// What a case noticed, if anything. What a moment of this machine did is no fault's doing: run `again` without the fault, the case
/// must hold now as before.
///
/// # Errors
/// Those of `again`.
pub(super) fn killer(
    right: &model::Case,
    wrong: &model::Case,
    again: impl FnOnce() -> Result<model::Case, String>,
) -> Result<Option<Killer>, String> {
    let Some(check) = difference(right, wrong) else { return Ok(None) };
    let holds = difference(right, &again()?).is_none();
    Ok(holds.then(|| Killer { case: right.id.clone(), verdict: wrong.verdict, check }))
}

/// The first thing that was right and is not any more: a check that fails or, where the case did not come to its end, that
/// was not made.
fn difference(right: &model::Case, wrong: &model::Case) -> Option<String> {
    let died = match wrong.verdict {
        Verdict::Pass | Verdict::Skip => return None,
        Verdict::Fail => false,
        // An error of a guest that is none without the fault is a guest that was led astray.
        Verdict::Crash | Verdict::Hang | Verdict::Error => true,
    };
    let after: HashMap<&str, Verdict> = wrong.checks.iter().map(|check| (check.id.as_str(), check.verdict)).collect();
    let before = right.checks.iter().filter(|check| check.verdict == Verdict::Pass);
    let failing = |check: &&model::Check| match after.get(check.id.as_str()) {
        Some(verdict) => *verdict != Verdict::Pass,
        None => died,
    };
    let first = before.clone().find(failing).map(|check| check.id.clone());
    // A case without a check that passed can still die, or fail in one that it did not make before.
    first.or_else(|| (died || right.verdict == Verdict::Pass).then(|| wrong.reason.clone().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(verdict: Verdict, checks: &[(&str, Verdict)]) -> model::Case {
        let check = |(id, verdict): &(&str, Verdict)| model::Check {
            id: (*id).to_owned(),
            verdict: *verdict,
            expected: String::new(),
            actual: String::new(),
        };
        let checks: Vec<_> = checks.iter().map(check).collect();
        let text = serde_json::json!({
            "id": "a::b", "feature": "PortIo", "spec": "", "rule": "", "source": "", "verdict": verdict.name(),
            "checks": checks, "duration_us": 1,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn only_what_held_before_can_tell_of_a_fault() {
        let (pass, fail) = (Verdict::Pass, Verdict::Fail);
        let right = case(fail, &[("good", pass), ("bad", fail)]);
        assert_eq!(difference(&right, &right), None);
        assert_eq!(difference(&right, &case(fail, &[("good", fail), ("bad", fail)])), Some("good".to_owned()));
        assert_eq!(difference(&right, &case(fail, &[("good", pass), ("bad", pass)])), None);
        assert_eq!(difference(&right, &case(Verdict::Hang, &[])), Some("good".to_owned()));
        assert_eq!(difference(&right, &case(Verdict::Skip, &[])), None);
        assert_eq!(difference(&case(pass, &[]), &case(Verdict::Crash, &[])), Some(String::new()));
    }
}
