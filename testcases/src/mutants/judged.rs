//! Mutations of the tables that cases judge by, for rules of processors that nothing here can make wrong.
//!
//! A case that walks a table is run again with each [`Mutation`] on the command line. Whatever it checks then has to fail, if it
//! held before: an illegal value that is refused though nobody wrote it is refused for another reason than the rule's.

use super::{
    Fate, Killer, Trial,
    elsewhere::{Subjects, longest},
    trial::Wrong,
};
use crate::{catalog::Catalog, subjects::Program};
use case::mutation::{Mutation, WORD};
use reports::model::{self, Verdict};
use std::collections::HashSet;
use wildmatch::WildMatch;

/// Cases that judge by a table that knows mutations: a pattern of ids, and the subject that has what the table is about.
const CASES: &[(&str, &str)] = &[
    ("vmx::entry_checks_*", "bochs"),
    ("svm::combinations_of_fields", "qemu-tcg"),
    ("svm::each_rule_alone", "qemu-tcg"),
    ("svm::long_mode_without_protection", "qemu-tcg"),
    ("svm::maps_at_the_end_of_physical_addresses", "qemu-tcg"),
    ("svm::reserved_bits_of_cr*", "qemu-tcg"),
    ("svm::reserved_bits_of_dr*", "qemu-tcg"),
    ("svm::reserved_bits_of_efer", "qemu-tcg"),
    ("svm::reserved_bits_of_the_low_half_of_cr4", "qemu-tcg"),
    ("svm::what_is_not_checked", "qemu-tcg"),
];

/// What these patterns match beside: cases that walk no table of one rule.
const OTHERS: &[&str] = &["vmx::entry_checks_come_in_order", "vmx::entry_checks_*random*"];

/// What is not tried of a case.
struct LeftOut {
    /// Its id.
    case: &'static str,
    /// A mutation that is not tried; `None` if no check of the case holds on the subject as it is known, which leaves nothing to try.
    mutation: Option<Mutation>,
    reason: &'static str,
}

const fn left_out(case: &'static str, reason: &'static str) -> LeftOut {
    LeftOut { case, mutation: None, reason }
}

/// All that is left out. A case of which a check does hold is tried all the same.
const LEFT_OUT: &[LeftOut] = &[
    left_out(
        "vmx::entry_checks_event_error_code_due",
        "the rule does not hold for the processor of Bochs, where IA32_VMX_BASIC frees error codes of hardware exceptions",
    ),
    left_out(
        "vmx::entry_checks_event_error_code_of_other_exceptions",
        "the rule does not hold for the processor of Bochs, where IA32_VMX_BASIC frees error codes of hardware exceptions",
    ),
    left_out(
        "vmx::entry_checks_event_error_code_of_other_types",
        "Bochs makes none of these checks, so that each fails without a mutation, too",
    ),
    left_out("vmx::entry_checks_guest_bounds", "the processor of Bochs has no control that loads IA32_BNDCFGS"),
    left_out(
        "vmx::entry_checks_guest_cr0_paging_of_long_mode",
        "Bochs enters what is illegal, and ends at a state that it takes for impossible",
    ),
    left_out(
        "vmx::entry_checks_guest_pending_bs_in_hlt",
        "Bochs does not make its only check, so that it fails without a mutation, too",
    ),
    left_out(
        "vmx::entry_checks_guest_performance",
        "Bochs makes none of these checks, so that each fails without a mutation, too",
    ),
    LeftOut {
        case: "vmx::entry_checks_guest_events_in_wait_for_sipi",
        mutation: Some(Mutation::Unwritten),
        reason: "without an event the guest waits for a start-up that nobody sends, and its preemption timer does not end that",
    },
];

/// A trial of each such case that the image has.
pub(super) fn trials(catalog: &Catalog) -> impl Iterator<Item = Trial> {
    CASES.iter().flat_map(|&(pattern, subject)| {
        let pattern = WildMatch::new(pattern);
        let is_other = |id: &str| OTHERS.iter().any(|other| WildMatch::new(other).matches(id));
        let cases = catalog.plain_cases().filter(move |case| {
            let id = case.plain_id();
            pattern.matches(id) && !is_other(id)
        });
        cases.map(move |case| Trial {
            id: format!("table-{}", case.plain_id().replace("::", "-").replace('_', "-")),
            what: format!("The table of {} is read as if it said something else.", case.plain_id()),
            feature: case.feature,
            wrong: Wrong::Table { case: case.id.clone(), subject },
        })
    })
}

/// Why a table was not tried.
enum Untried {
    /// Its case makes no check there that holds, for this reason.
    Nothing(String),
    /// A run failed.
    Failed(String),
}

impl Subjects<'_> {
    /// What becomes of a table's mutations; nothing if it was cancelled.
    pub(super) fn attempt(&self, id: &str, subject: &'static str) -> Option<Fate> {
        let fate = self.tried(id, subject);
        let fate = fate.unwrap_or_else(|untried| match (untried, reason_to_leave_out(id, None)) {
            (Untried::Nothing(_), Some(reason)) => Fate::LeftOut { reason },
            (Untried::Nothing(reason) | Untried::Failed(reason), _) => Fate::Failed { reason },
        });
        (!self.cancel.is_cancelled()).then_some(fate)
    }

    fn tried(&self, id: &str, subject: &'static str) -> Result<Fate, Untried> {
        let opened = self.open(subject).map_err(Untried::Failed)?;
        let case = self.image.catalog.case(id);
        let case = case.ok_or_else(|| Untried::Failed(format!("the image has no case {id}")))?;
        let nothing = |why: &str| Err(Untried::Nothing(format!("{id} cannot be tried on {subject}: {why}")));
        if let Some(reason) = opened.reason_to_skip(case, self.cancel).map_err(Untried::Failed)? {
            return nothing(&reason);
        }
        let judged = |program: Program<'_>| {
            self.judged(&opened, case, program, longest(&*opened.subject, case)).map_err(Untried::Failed)
        };
        let right = judged(Program::Case(case))?;
        if !matches!(right.verdict, Verdict::Pass | Verdict::Fail) {
            let reason = right.reason.as_deref().unwrap_or_default();
            return nothing(&format!("{} without a mutation: {reason}", right.verdict.name()));
        }
        let mut first = None;
        let tried = Mutation::ALL.into_iter().filter(|mutation| reason_to_leave_out(id, Some(*mutation)).is_none());
        for mutation in tried {
            let words = format!("{WORD}{}", mutation.name());
            let wrong = judged(Program::Changed(case, &words))?;
            match broken(&right, &wrong) {
                Ok(check) => first = first.or(check),
                Err(check) => {
                    return Ok(Fate::Held { case: case.id.clone(), mutation: mutation.name(), check });
                }
            }
        }
        let killer = |check| Killer { case: case.id.clone(), verdict: Verdict::Fail, check };
        match first {
            Some(check) => Ok(Fate::Killed { killers: vec![killer(check)] }),
            None => nothing("no check that a mutation has to break holds without one"),
        }
    }
}

/// Why a case is left out, or a mutation of it.
fn reason_to_leave_out(id: &str, mutation: Option<Mutation>) -> Option<&'static str> {
    LEFT_OUT
        .iter()
        .find(|left_out| left_out.case == id && left_out.mutation == mutation)
        .map(|left_out| left_out.reason)
}

/// The first check that fails with the mutation; nothing if none that held before is made.
///
/// # Errors
/// The first check that holds with the mutation as without, or what ended the run.
fn broken(right: &model::Case, wrong: &model::Case) -> Result<Option<String>, String> {
    let died = wrong.verdict == Verdict::Error;
    // A table without illegal values has none to leave out: its case ends without a check, which the judge takes for an error.
    if matches!(wrong.verdict, Verdict::Crash | Verdict::Hang) || died && !wrong.checks.is_empty() {
        return Err(wrong.reason.clone().unwrap_or_default());
    }
    let held = right.checks.iter().filter(|check| check.verdict == Verdict::Pass);
    let held: HashSet<_> = held.map(|check| check.id.as_str()).collect();
    let mut made = wrong.checks.iter().filter(|check| held.contains(check.id.as_str()));
    let first = made.clone().next().map(|check| check.id.clone());
    match made.find(|check| check.verdict == Verdict::Pass) {
        Some(check) => Err(check.id.clone()),
        None => Ok(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(verdict: Verdict, checks: &[(&str, Verdict)]) -> model::Case {
        let checks = checks.iter().map(
            |(id, verdict)| serde_json::json!({ "id": id, "verdict": verdict.name(), "expected": "", "actual": "" }),
        );
        let text = serde_json::json!({
            "id": "a::b", "feature": "PortIo", "spec": "", "rule": "", "source": "", "verdict": verdict.name(),
            "checks": checks.collect::<Vec<_>>(), "duration_us": 1,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn each_check_that_held_has_to_fail() {
        let (pass, fail) = (Verdict::Pass, Verdict::Fail);
        let right = case(fail, &[("good", pass), ("better", pass), ("bad", fail)]);
        let told = |checks: &[(&str, Verdict)]| broken(&right, &case(fail, checks));
        assert_eq!(told(&[("good", fail), ("better", fail), ("bad", pass)]), Ok(Some("good".to_owned())));
        assert_eq!(told(&[("good", fail), ("better", pass)]), Err("better".to_owned()));
        assert_eq!(told(&[("bad", fail)]), Ok(None));
        assert!(broken(&right, &case(Verdict::Hang, &[("good", fail)])).is_err());
    }

    #[test]
    fn a_skip_tells_nothing() {
        let right = case(Verdict::Pass, &[("good", Verdict::Pass)]);
        assert_eq!(broken(&right, &case(Verdict::Skip, &[])), Ok(None));
    }

    #[test]
    fn the_subjects_are_known_and_a_pattern_stands_once() {
        let names = crate::subjects::names();
        assert!(CASES.iter().all(|(_, subject)| names.contains(subject)));
        assert_eq!(CASES.iter().collect::<HashSet<_>>().len(), CASES.len());
    }

    #[test]
    fn what_is_left_out_stands_once_and_is_a_row_otherwise() {
        let matches = |patterns: &[&str], id| patterns.iter().any(|pattern| WildMatch::new(pattern).matches(id));
        let patterns: Vec<_> = CASES.iter().map(|(pattern, _)| *pattern).collect();
        let ids: HashSet<_> = LEFT_OUT.iter().map(|left_out| left_out.case).collect();
        assert_eq!(ids.len(), LEFT_OUT.len());
        assert!(ids.iter().all(|id| matches(&patterns, id) && !matches(OTHERS, id)));
    }
}
