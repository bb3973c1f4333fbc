//! What came of it, and how it is told.

use super::{
    Options,
    blocks::Done,
    findings::{Finding, Findings},
};
use std::{fmt, time::Duration};

/// So many findings that nothing explains are told in full, and so many checks of each.
const MAX_TOLD: usize = 50;
const MAX_CHECKS: usize = 4;

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub(super) options: Options,
    /// Version of the subject.
    pub(super) version: String,
    pub(super) done: Done,
    pub(super) findings: Findings,
    pub(super) time: Duration,
    pub(super) was_cancelled: bool,
}

impl Outcome {
    /// 0 if every finding is known, 1 if one is not, 2 if the harness failed or was interrupted.
    pub fn exit_status(&self) -> u8 {
        if !self.done.failures.is_empty() || self.was_cancelled {
            2
        } else {
            u8::from(self.findings.unexplained().next().is_some())
        }
    }

    /// How many states were tried.
    pub fn nr_tried(&self) -> u64 {
        self.done.nr_tried
    }

    /// How many rules were tried with legal values, and with illegal ones.
    pub fn nr_touched(&self) -> [usize; 2] {
        let count = |legal| self.done.touched.iter().filter(|(_, is_legal)| *is_legal == legal).count();
        [count(true), count(false)]
    }

    /// The cases that try the rules of findings by themselves, each with whether the finding is known.
    pub fn findings(&self) -> impl Iterator<Item = (&str, bool)> {
        self.findings.0.iter().map(|finding| (finding.case.as_str(), finding.known.is_some()))
    }

    /// The command that tries the finding's first state again.
    fn repeat(&self, finding: &Finding) -> String {
        let Options { structure, subject, seed, .. } = &self.options;
        let number = finding.number;
        format!("cargo xtask fuzz {} --subject {subject} --seed {seed} --first {number} --cases 1", structure.name())
    }

    fn write_finding(&self, f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
        writeln!(f, "{} ({} states)", finding.case, finding.count)?;
        for (check, example) in finding.checks.iter().take(MAX_CHECKS) {
            writeln!(f, "  {check}: expected {}, actual {}", example.expected, example.actual)?;
        }
        if finding.checks.len() > MAX_CHECKS {
            writeln!(f, "  … and {} more checks", finding.checks.len() - MAX_CHECKS)?;
        }
        if let Some((verdict, why)) = &finding.loss {
            writeln!(f, "  {}: {why}", verdict.name())?;
        }
        for step in &finding.others {
            writeln!(f, "  only with  {}", step.text())?;
        }
        writeln!(f, "  clause     {}", finding.clause)?;
        writeln!(f, "  repeat     {}", self.repeat(finding))?;
        if finding.others.is_empty() {
            writeln!(f, "             cargo xtask run {} --subject {}", finding.case, self.options.subject)?;
        }
        Ok(())
    }

    /// All findings side by side.
    fn table(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header(["rule", "states", "checks", "for example", "clause", "against baseline"]);
        for finding in &self.findings.0 {
            let example = match (&finding.loss, finding.checks.iter().next()) {
                (Some((verdict, _)), _) => verdict.name().to_owned(),
                (None, Some((check, example))) => {
                    format!("{check}: {}, not {}", example.actual, example.expected)
                }
                (None, None) => String::new(),
            };
            let others = if finding.others.is_empty() { "" } else { " and others" };
            table.add_row([
                format!("{}{others}", finding.case),
                finding.count.to_string(),
                finding.checks.len().to_string(),
                example,
                title(&finding.clause).to_owned(),
                if finding.known.is_some() { "known" } else { "new" }.to_owned(),
            ]);
        }
        format!("{table}\n")
    }
}

/// The first clause without its document.
fn title(clause: &str) -> &str {
    clause.split('"').nth(1).unwrap_or(clause)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.findings.unexplained().take(MAX_TOLD) {
            self.write_finding(f, finding)?;
        }
        let (nr_kinds, nr_new) = (self.findings.0.len(), self.findings.unexplained().count());
        if nr_new > MAX_TOLD {
            writeln!(f, "… and {} more", nr_new - MAX_TOLD)?;
        }
        for failure in &self.done.failures {
            writeln!(f, "the harness gave up: {failure}")?;
        }
        if nr_kinds > 0 {
            f.write_str(&self.table())?;
        }
        let [legal, illegal] = self.nr_touched();
        let [nr_legal, nr_illegal, nr_rules] = self.done.rules;
        writeln!(
            f,
            "{nr_rules} rules; legal values of {legal} of {nr_legal} tried, illegal ones of {illegal} of {nr_illegal}"
        )?;
        if self.done.nr_avoided > 0 {
            let nr_avoided = self.done.nr_avoided;
            writeln!(
                f,
                "{nr_avoided} states left out: of a rule that the subject does not survive the first is enough"
            )?;
        }
        writeln!(f, "{nr_kinds} kinds of findings, {} known, {nr_new} new", nr_kinds - nr_new)?;
        let Options { structure, subject, seed, first, .. } = &self.options;
        let count = self.done.nr_tried + self.done.nr_avoided;
        writeln!(
            f,
            "{}; repeat with: cargo xtask fuzz {} --subject {subject} --seed {seed} --first {first} --cases {count}",
            self.version,
            structure.name()
        )?;
        if self.was_cancelled {
            writeln!(f, "interrupted")?;
        }
        let (nr_tried, seconds) = (self.done.nr_tried, self.time.as_secs_f64());
        writeln!(f, "{nr_tried} cases in {seconds:.1} s, {:.0} cases/s", nr_tried as f64 / seconds.max(1e-9))
    }
}
