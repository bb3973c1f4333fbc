//! What a person sees while cases run: a bar on a terminal, a line for each case elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reports::model::{Against, Case, Verdict};
use std::io::{IsTerminal, Write};

/// How progress is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// A bar on a terminal, lines elsewhere.
    Auto,
    /// Nothing.
    Quiet,
}

/// Tells of cases on standard error.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    lines: bool,
}

impl Progress {
    /// Starts to tell of `nr_cases` cases.
    pub fn new(manner: Manner, nr_cases: usize) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = (manner == Manner::Auto && is_terminal).then(|| bar(nr_cases));
        Self { bar, lines: manner == Manner::Auto && !is_terminal }
    }

    /// Tells of a case; a bar shows only what was not expected.
    pub fn finished(&self, subject: &str, case: &Case) {
        let text = line(subject, case);
        if let Some(bar) = &self.bar {
            if is_unexpected(case) {
                bar.println(text);
            }
            bar.set_message(format!("{subject} {}", case.id));
            bar.inc(1);
        } else if self.lines {
            // Nobody may be listening any more; the results stand in the report anyway.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(nr_cases: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32.cyan/blue} {pos}/{len} {elapsed} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(nr_cases as u64), ProgressDrawTarget::stderr());
    bar.with_style(style)
}

/// Whether a person should look at it.
fn is_unexpected(case: &Case) -> bool {
    match case.against_baseline {
        Some(Against::Expected | Against::New) => case.verdict == Verdict::Error,
        Some(Against::Regressed | Against::Fixed) => true,
        None => !matches!(case.verdict, Verdict::Pass | Verdict::Skip),
    }
}

fn line(subject: &str, case: &Case) -> String {
    let verdict = case.verdict.name();
    let known = match case.against_baseline {
        Some(Against::Expected) if !matches!(case.verdict, Verdict::Pass | Verdict::Skip) => " (known)",
        Some(Against::Regressed) => " (regressed)",
        Some(Against::Fixed) => " (fixed: the baseline lists it)",
        _ => "",
    };
    let reason = case.reason.as_deref().unwrap_or("");
    let dash = if reason.is_empty() { "" } else { ": " };
    let milliseconds = case.duration_us as f64 / 1000.0;
    format!("{verdict:>5} {milliseconds:>8.1} ms {subject} {}{known}{dash}{reason}", case.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(verdict: Verdict, against_baseline: Option<Against>, reason: &str) -> Case {
        Case {
            id: "pio::wide".to_owned(),
            feature: "PortIo".to_owned(),
            spec: String::new(),
            rule: String::new(),
            source: String::new(),
            setup: None,
            axis: None,
            verdict,
            reason: Some(reason.to_owned()),
            checks: Vec::new(),
            duration_us: 1234,
            against_baseline,
            known: None,
        }
    }

    #[test]
    fn lines_tell_verdict_time_subject_case_and_reason() {
        let known = case(Verdict::Fail, Some(Against::Expected), "expected 1, got 2");
        assert_eq!(line("vmm", &known), " fail      1.2 ms vmm pio::wide (known): expected 1, got 2");
        assert_eq!(line("vmm", &case(Verdict::Pass, None, "")), " pass      1.2 ms vmm pio::wide");
    }

    #[test]
    fn only_surprises_are_shown_above_a_bar() {
        assert!(!is_unexpected(&case(Verdict::Fail, Some(Against::Expected), "")));
        assert!(is_unexpected(&case(Verdict::Pass, Some(Against::Fixed), "")));
        assert!(is_unexpected(&case(Verdict::Crash, Some(Against::Regressed), "")));
        assert!(is_unexpected(&case(Verdict::Error, Some(Against::Expected), "")));
        assert!(is_unexpected(&case(Verdict::Hang, None, "")));
        assert!(!is_unexpected(&case(Verdict::Skip, None, "")));
    }
}
