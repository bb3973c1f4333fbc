//! What came of a cross-check, and how it is told.

use super::{
    coverage,
    judge::ORACLE,
    known::{Class, Uses},
    kvm::Flavour,
    repro,
    tally::{Finding, Key, Tally},
};
use iced_decoder::Bitness;
use reports::coverage::CoverageRow;
use std::{fmt, time::Duration};

/// So many findings that nothing explains are shrunk and told in full.
pub(super) const MAX_TOLD: usize = 50;

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// What the instructions were executed on.
    pub(super) on: Flavour,
    /// In which mode.
    pub(super) bitness: Bitness,
    /// Whether the run was the one that is made if nothing else is asked for.
    pub(super) is_default: bool,
    /// Whether it tried every form as often as that one, or more often.
    pub(super) is_thorough: bool,
    /// How often each pattern of the baseline explained something.
    pub(super) uses: Uses,
    /// What came of the forms.
    pub(super) coverage: Vec<CoverageRow>,
    pub(super) tally: Tally,
    /// Every kind of finding with what explains it.
    pub(super) findings: Vec<(Key, Finding, Option<Class>)>,
    pub(super) nr_forms: usize,
    pub(super) nr_not_offered: usize,
    pub(super) nr_rejected: usize,
    pub(super) nr_executed: u64,
    pub(super) time: Duration,
    pub(super) next: u64,
    pub(super) was_cancelled: bool,
}

impl Outcome {
    /// 0 if every difference is explained, 1 if one is not, 2 if an executor failed or the reference contradicts the oracle.
    pub fn exit_status(&self) -> u8 {
        if !self.tally.failures.is_empty() || self.tally.total().contradicted > 0 || self.was_cancelled {
            2
        } else {
            u8::from(self.findings.iter().any(|(_, _, class)| class.is_none()))
        }
    }

    /// Every kind of finding.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Finding)> {
        self.tally.findings.iter()
    }

    /// Inputs that an executor failed at: number, bytes, why.
    pub fn failures(&self) -> &[(u64, Vec<u8>, String)] {
        &self.tally.failures
    }

    /// Findings that nothing explains.
    pub fn unexplained(&self) -> impl Iterator<Item = (&Key, &Finding)> {
        self.findings.iter().filter(|(_, _, class)| class.is_none()).map(|(key, finding, _)| (key, finding))
    }
}

/// The parts of what is told, which [`super::matrix`] puts together.
impl Outcome {
    /// What was run: `mmio-user 64-bit`.
    pub(super) fn title(&self) -> String {
        format!("{} {}-bit", self.on.name(), self.bitness.bits())
    }

    /// Whether [`Self::write_findings`] writes anything.
    pub(super) fn has_something_to_tell(&self) -> bool {
        self.unexplained().next().is_some() || !self.tally.failures.is_empty()
    }

    /// Findings that nothing explains, and inputs that were lost.
    pub(super) fn write_findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, finding) in self.unexplained().take(MAX_TOLD) {
            if key.fields == ORACLE {
                writeln!(f, "{} does what the oracle rules out ({} inputs)", key.form, finding.count)?;
            } else {
                writeln!(f, "{} differs in {} ({} inputs)", key.form, key.fields, finding.count)?;
            }
            writeln!(f, "  instruction  {}", repro::instruction(&finding.input))?;
            for (what, expected, actual) in &finding.difference.details {
                writeln!(f, "  {what:<12} expected {expected}, actual {actual}")?;
            }
            writeln!(f, "  repeat       cargo xtask run repro:{} --trace", repro::name(&finding.input))?;
        }
        let nr_unexplained = self.unexplained().count();
        if nr_unexplained > MAX_TOLD {
            writeln!(f, "… and {} more", nr_unexplained - MAX_TOLD)?;
        }
        for (index, code, why) in &self.tally.failures {
            let bytes: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(f, "input {index} ({bytes}) was lost: {why}")?;
        }
        Ok(())
    }

    /// How many forms and findings there are.
    pub(super) fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nr_forms, other, rejected) = (self.nr_forms, self.nr_not_offered, self.nr_rejected);
        writeln!(
            f,
            "{nr_forms} forms; {other} more that this processor does not have, {rejected} that no input can be made for"
        )?;
        let nr_contradicted = self.tally.total().contradicted;
        if nr_contradicted > 0 {
            writeln!(
                f,
                "{nr_contradicted} inputs contradict the oracle, which is wrong there; no subject is judged by them"
            )?;
        }
        let nr_unexplained = self.unexplained().count();
        let nr_known = self.findings.len() - nr_unexplained;
        writeln!(f, "{} kinds of findings, {nr_known} explained, {nr_unexplained} not", self.findings.len())?;
        if self.was_cancelled {
            writeln!(f, "interrupted before input {}; --resume goes on there", self.next)?;
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_findings(f)?;
        f.write_str(&coverage::table(&self.coverage))?;
        self.write_counts(f)?;
        let rate = self.nr_executed as f64 / self.time.as_secs_f64().max(1e-9);
        writeln!(f, "{} cases in {:.1} s, {rate:.0} cases/s", self.nr_executed, self.time.as_secs_f64())
    }
}
