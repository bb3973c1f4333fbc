//! How a case stands: its verdict and its baseline brought together, once, for every form and for the gate.

use crate::{
    model::{Against, Case, Check, Verdict},
    text,
};

/// What a reader must do about a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nothing: it passed, and that was expected.
    Passed,
    /// Nothing: a need is not offered, and nobody expected otherwise.
    Skipped,
    /// Nothing new: it did not pass, as the baseline says.
    Known,
    /// Look at it: worse or better than the baseline says, or not passed and in no baseline.
    Unexpected,
    /// Look at the harness: it failed, and nothing is known of the subject.
    Broken,
}

impl Standing {
    /// Of a verdict seen against a baseline, or `None` without one.
    pub const fn new(verdict: Verdict, against: Option<Against>) -> Self {
        match (verdict, against) {
            // A broken harness is never what a baseline expected of a subject.
            (Verdict::Error, _) => Self::Broken,
            (_, Some(Against::Regressed | Against::Fixed)) => Self::Unexpected,
            (Verdict::Pass, _) => Self::Passed,
            (Verdict::Skip, _) => Self::Skipped,
            (Verdict::Fail | Verdict::Crash | Verdict::Hang, Some(Against::Expected)) => Self::Known,
            (Verdict::Fail | Verdict::Crash | Verdict::Hang, Some(Against::New) | None) => Self::Unexpected,
        }
    }

    /// Whether someone must look at the case.
    pub const fn needs_attention(self) -> bool {
        matches!(self, Self::Unexpected | Self::Broken)
    }
}

impl Case {
    /// How the case stands.
    pub const fn standing(&self) -> Standing {
        Standing::new(self.verdict, self.against_baseline)
    }

    /// The checks that did not pass.
    pub fn failed_checks(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.verdict != Verdict::Pass)
    }

    /// The command that repeats the case on a subject.
    pub fn repeat_command(&self, subject: &str) -> String {
        let axis = self.axis.as_deref().map(|axis| format!(" --axis {}", text::shell_word(axis))).unwrap_or_default();
        format!("cargo xtask run {} --subject {}{axis}", text::shell_word(&self.id), text::shell_word(subject))
    }

    /// The verdict with what the baseline makes of it, unless it was expected: `fail`, `crash (regressed)`.
    pub(crate) fn verdict_text(&self) -> String {
        let verdict = self.verdict.name();
        match (self.standing(), self.against_baseline) {
            (Standing::Known, _) => format!("{verdict} (known)"),
            (_, Some(against @ (Against::Regressed | Against::Fixed | Against::New))) => {
                format!("{verdict} ({})", against.name())
            }
            _ => verdict.to_owned(),
        }
    }

    /// The reason to show beside the failed checks: none if those say it all, or if it passed as expected.
    pub(crate) fn shown_reason(&self) -> Option<String> {
        let checks_tell = self.reason.is_none() && self.failed_checks().next().is_some();
        (!checks_tell && self.standing() != Standing::Passed).then(|| self.why())
    }

    /// Why the case stands as it does, in a sentence without an end: never empty unless it passed as expected.
    pub(crate) fn why(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or_default();
        match (self.against_baseline, self.failed_checks().next()) {
            _ if !reason.is_empty() => reason.to_owned(),
            (Some(Against::Fixed), None) => "passes, although the baseline says that it does not".to_owned(),
            (_, Some(check)) => {
                format!("{}: expected {}, actual {}", check.id, or_nothing(&check.expected), or_nothing(&check.actual))
            }
            (_, None) if self.verdict == Verdict::Pass => String::new(),
            (_, None) => "no reason was given".to_owned(),
        }
    }
}

/// A value that may be empty, which a sentence cannot show.
pub(crate) fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "(nothing)" } else { text }
}

#[cfg(test)]
mod tests {
    use super::Standing;
    use crate::{
        example,
        model::{Against, Verdict},
    };

    #[test]
    fn an_error_is_broken_whatever_the_baseline_says() {
        for against in [None, Some(Against::Expected), Some(Against::Fixed), Some(Against::New)] {
            assert_eq!(Standing::new(Verdict::Error, against), Standing::Broken);
        }
    }

    #[test]
    fn a_case_that_did_not_pass_is_known_only_if_the_baseline_says_so() {
        for verdict in [Verdict::Fail, Verdict::Crash, Verdict::Hang] {
            assert_eq!(Standing::new(verdict, Some(Against::Expected)), Standing::Known);
            for against in [None, Some(Against::New), Some(Against::Regressed), Some(Against::Fixed)] {
                assert_eq!(Standing::new(verdict, against), Standing::Unexpected, "{verdict:?} {against:?}");
            }
        }
    }

    #[test]
    fn the_first_failed_check_stands_in_for_a_missing_reason() {
        let mut case = example::case("cpuid::largest_basic_leaf", "CpuidBasicLeaves", Verdict::Fail);
        assert_eq!(case.why(), "no reason was given");
        case.checks =
            vec![example::check("EAX", Verdict::Pass, "1", "1"), example::check("EBX", Verdict::Fail, "2", "")];
        assert_eq!(case.why(), "EBX: expected 2, actual (nothing)");
        case.reason = Some("said so".to_owned());
        assert_eq!(case.why(), "said so");
    }

    #[test]
    fn the_repeat_command_survives_a_shell() {
        let mut case = example::case("pio::in", "PortIo", Verdict::Fail);
        assert_eq!(case.repeat_command("qemu-kvm"), "cargo xtask run pio::in --subject qemu-kvm");
        assert_eq!(case.repeat_command("$(x)"), "cargo xtask run pio::in --subject '$(x)'");
        case.axis = Some("restore-process=7".to_owned());
        assert_eq!(case.repeat_command("vmm"), "cargo xtask run pio::in --subject vmm --axis restore-process=7");
    }
}
