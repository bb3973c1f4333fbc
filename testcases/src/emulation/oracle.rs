//! The oracle against the processor: nothing that the processor does may contradict what is predicted.
//!
//! No hypervisor has a part in it, so it runs on any machine that native execution is possible on.

use super::{
    bar,
    generated::Generated,
    judge::{Alone, ORACLE},
    native::Native,
    placed::Placed,
    repro,
    run::{self, Plan},
    source::Source as _,
    tally::{Finding, Key, Tally},
};
use crate::{cancel::Cancel, chain::chain, host};
use anyhow::bail;
use iced_decoder::{Bitness, machine::ExecutorError};
use std::{
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Inputs of each form unless the user says how many.
const INPUTS_PER_FORM: u64 = 100;
/// So many findings are shrunk and told in full.
const MAX_TOLD: usize = 50;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Pattern of form names.
    pub forms: Option<String>,
    /// Mode of the code segment.
    pub bitness: Bitness,
    /// Inputs in all.
    pub nr_inputs: Option<u64>,
    /// Which inputs.
    pub seed: u64,
    /// Threads; nothing means as many as there are processors.
    pub nr_workers: Option<u32>,
    /// Where findings are written.
    pub folder: PathBuf,
    /// Whether to show a bar on a terminal.
    pub show_progress: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    tally: Tally,
    findings: Vec<(Key, Finding)>,
    bitness: Bitness,
    nr_forms: usize,
    nr_not_offered: usize,
    time: Duration,
    was_cancelled: bool,
}

/// Makes the processor's judge.
///
/// # Errors
/// [`ExecutorError`], if the child process cannot be made: this host has no native execution.
pub fn make_alone() -> Result<Alone, ExecutorError> {
    let native = Native::start().map_err(|error| ExecutorError { text: chain(&error) })?;
    Ok(Alone(Box::new(Placed::new(native))))
}

/// Sets the oracle against the processor.
///
/// # Errors
/// If native execution is not possible here, no form matches, or the folder cannot be written.
pub fn run(options: &Options, cancel: &Cancel) -> anyhow::Result<Outcome> {
    let mut alone = make_alone()?;
    let source = Generated::new(options.seed, options.bitness, options.forms.as_deref(), &mut *alone.0)?;
    if source.nr_forms() == 0 {
        let pattern = options.forms.as_deref().unwrap_or("*");
        bail!(
            "no form matches `{pattern}`, or this processor has none of them; forms are named as by iced-x86, for example `Add_rm32_r32`"
        );
    }
    let nr_inputs = options.nr_inputs.unwrap_or(INPUTS_PER_FORM * source.nr_forms() as u64);
    let nr_workers = options.nr_workers.unwrap_or_else(host::nr_processors) as usize;
    let plan = Plan { start: 0, nr_inputs, nr_workers, deadline: None };
    let bar = bar::bar(Some(nr_inputs), options.show_progress);
    let began = Instant::now();
    let done = run::run(&source, &make_alone, &plan, cancel, &|nr| bar.inc(nr))?;
    bar.finish_and_clear();
    let time = began.elapsed();
    let mut findings = Vec::new();
    for (number, (key, finding)) in done.tally.findings.iter().enumerate() {
        let mut finding = finding.clone();
        if number < MAX_TOLD {
            finding = repro::shrink(&source, &mut alone, key, finding);
            repro::write(&options.folder, &finding.input, None)?;
        }
        findings.push((key.clone(), finding));
    }
    Ok(Outcome {
        tally: done.tally,
        findings,
        bitness: options.bitness,
        nr_forms: source.nr_forms(),
        nr_not_offered: source.not_offered.len(),
        time,
        was_cancelled: cancel.is_cancelled(),
    })
}

impl Outcome {
    /// 0 if nothing contradicts the oracle, 1 if something does, 2 if the executor failed.
    pub fn exit_status(&self) -> u8 {
        if !self.tally.failures.is_empty() || self.was_cancelled { 2 } else { u8::from(!self.findings.is_empty()) }
    }

    /// What contradicts the oracle.
    pub fn findings(&self) -> &[(Key, Finding)] {
        &self.findings
    }

    /// Inputs that the processor gave no answer to: number, bytes, why.
    pub fn failures(&self) -> &[(u64, Vec<u8>, String)] {
        &self.tally.failures
    }

    /// How many inputs were executed.
    pub fn nr_executed(&self) -> u64 {
        self.tally.total().total()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, finding) in self.findings.iter().filter(|(key, _)| key.fields == ORACLE).take(MAX_TOLD) {
            writeln!(f, "{} does what the oracle rules out ({} inputs)", key.form, finding.count)?;
            writeln!(f, "  instruction  {}", repro::instruction(&finding.input))?;
            for (what, expected, actual) in &finding.difference.details {
                writeln!(f, "  {what:<12} predicted {expected}, actual {actual}")?;
            }
            writeln!(f, "  repeat       cargo xtask run repro:{}", repro::name(&finding.input))?;
        }
        if self.findings.len() > MAX_TOLD {
            writeln!(f, "… and {} more", self.findings.len() - MAX_TOLD)?;
        }
        for (index, code, why) in &self.tally.failures {
            let bytes: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(f, "input {index} ({bytes}) was lost: {why}")?;
        }
        let (nr_forms, other) = (self.nr_forms, self.nr_not_offered);
        writeln!(
            f,
            "{nr_forms} forms in {}-bit mode; {other} more that this processor does not have",
            self.bitness.bits()
        )?;
        let total = self.tally.total();
        writeln!(
            f,
            "{} inputs agree with the oracle, {} contradict it in {} kinds of findings, {} were lost",
            total.agreed,
            total.contradicted,
            self.findings.len(),
            total.failed
        )?;
        if self.was_cancelled {
            writeln!(f, "interrupted")?;
        }
        let rate = total.total() as f64 / self.time.as_secs_f64().max(1e-9);
        writeln!(f, "{} cases in {:.1} s, {rate:.0} cases/s", total.total(), self.time.as_secs_f64())
    }
}
