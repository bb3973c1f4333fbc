//! The cross-check of MMIO: each instruction on memory by the processor, and on a device by the hypervisor's emulator.

use super::{
    bar,
    coverage::{self, Executed},
    generated::Generated,
    known::{Class, Known, Scope},
    kvm::{Flavour, KvmExecutor},
    native::Native,
    outcome::{MAX_TOLD, Outcome},
    placed::Placed,
    repro,
    run::{self, Done, Pair, Plan},
    source::Source as _,
    state::{self, Identity},
    tally::{Finding, Key, Tally},
};
use crate::{cancel::Cancel, host};
use anyhow::{Context as _, bail};
use iced_decoder::{
    Bitness,
    machine::{End, Executor, ExecutorError, Input, Mode, Output},
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use vmm::Hypervisor;

/// The subject whose baseline explains what is found.
pub(super) const SUBJECT: &str = "vmm";
/// Inputs of each form unless the user says how many or how long.
const INPUTS_PER_FORM: u64 = 100;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the instructions are executed on.
    pub on: Flavour,
    /// Pattern of form names.
    pub forms: Option<String>,
    /// Mode of the code segment.
    pub bitness: Bitness,
    /// Inputs in all.
    pub nr_inputs: Option<u64>,
    /// Which inputs.
    pub seed: u64,
    /// For how long, if not by number.
    pub time: Option<Duration>,
    /// Threads; nothing means as many as there are processors.
    pub nr_workers: Option<u32>,
    /// Go on where the last run stopped.
    pub resume: bool,
    /// Where findings and states are kept.
    pub folder: PathBuf,
    /// Whether to show a bar on a terminal.
    pub show_progress: bool,
}

impl Options {
    /// Whether nothing was asked for but where and in which mode to execute.
    fn is_default(&self) -> bool {
        let Self { forms, nr_inputs, seed, time, resume, .. } = self;
        forms.is_none() && nr_inputs.is_none() && *seed == 0 && time.is_none() && !resume
    }
}

/// Makes the two executors: the processor itself, and KVM.
///
/// # Errors
/// [`ExecutorError`], if the child process or the virtual machine cannot be made.
pub fn make_pair(hypervisor: &Arc<Hypervisor>, on: Flavour) -> Result<Pair, ExecutorError> {
    let native = Native::start().map_err(|error| ExecutorError { text: crate::chain::chain(&error) })?;
    let native = Placed::new(native);
    let reference: Box<dyn Executor> = match on.mode() {
        Mode::User => Box::new(native),
        Mode::Supervisor => Box::new(AsSupervisor(native)),
    };
    let subject = KvmExecutor::new(hypervisor.clone(), on)?;
    Ok(Pair { reference, subject: Box::new(Placed::new(subject)) })
}

/// An executor at CPL 3 that tells what CPL 0 would have raised: the instructions here do the same but for that.
struct AsSupervisor<E>(E);

/// Vector of the page fault, and the bit of its error code that tells of CPL 3.
const PAGE_FAULT: u8 = 14;
const USER: u32 = 1 << 2;

impl<E: Executor> Executor for AsSupervisor<E> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn components(&self) -> u64 {
        self.0.components()
    }

    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
        self.0.execute(input).map(as_supervisor)
    }

    fn execute_many(&mut self, inputs: &[Input]) -> Vec<Result<Output, ExecutorError>> {
        self.0.execute_many(inputs).into_iter().map(|output| output.map(as_supervisor)).collect()
    }
}

fn as_supervisor(mut output: Output) -> Output {
    if let End::Raised(exception) = &mut output.end
        && exception.vector == PAGE_FAULT
    {
        exception.error_code = exception.error_code.map(|code| code & !USER);
    }
    output
}

/// Finds out beforehand whether KVM can execute what is asked for.
///
/// # Errors
/// Why it cannot: in the first line; then what it can.
pub(super) fn check(options: &Options) -> anyhow::Result<()> {
    check_mode(&Arc::new(Hypervisor::open()?), options)
}

/// The same with KVM opened.
fn check_mode(hypervisor: &Arc<Hypervisor>, options: &Options) -> anyhow::Result<()> {
    let bits = options.bitness.bits();
    let can =
        |on| KvmExecutor::new(hypervisor.clone(), on).and_then(|mut executor| executor.can_execute(options.bitness));
    let Err(error) = can(options.on) else { return Ok(()) };
    let others = Flavour::ALL.into_iter().filter(|on| *on != options.on && can(*on).is_ok());
    let commands: Vec<_> =
        others.map(|on| format!("\n  cargo xtask fuzz mmio --mode {bits} --on {}", on.name())).collect();
    let others = if commands.is_empty() {
        format!("nothing else here executes in {bits}-bit mode")
    } else {
        format!("what works here in {bits}-bit mode:{}", commands.concat())
    };
    bail!("{error}\n{others}")
}

/// Runs the cross-check.
///
/// # Errors
/// If KVM or the child process cannot be used, no form matches, or the folder cannot be written.
pub fn run(options: &Options, cancel: &Cancel) -> anyhow::Result<Outcome> {
    let known =
        Known::load(SUBJECT, &Scope { version: host::kvm_version(), on: options.on, bitness: options.bitness })?;
    let hypervisor = Arc::new(Hypervisor::open()?);
    check_mode(&hypervisor, options)?;
    let mut pair = make_pair(&hypervisor, options.on)?;
    let source = Generated::new(options.seed, options.bitness, options.forms.as_deref(), &mut *pair.reference)?
        .for_mode(options.on.mode());
    if source.nr_forms() == 0 {
        let pattern = options.forms.as_deref().unwrap_or("*");
        bail!(
            "no form matches `{pattern}`, or this processor has none of them; forms are named as by iced-x86, for example `Add_rm32_r32`"
        );
    }
    let identity = Identity {
        on: options.on.name().to_owned(),
        seed: options.seed,
        bits: options.bitness.bits(),
        forms: options.forms.clone().unwrap_or_else(|| "*".to_owned()),
        nr_forms: source.nr_forms(),
    };
    let (start, mut tally) =
        if options.resume { state::read(&options.folder, &identity)? } else { (0, Tally::default()) };
    let nr_inputs = match (options.nr_inputs, options.time) {
        (Some(nr_inputs), _) => nr_inputs,
        (None, Some(_)) => u64::MAX - start,
        (None, None) => INPUTS_PER_FORM * source.nr_forms() as u64,
    };
    let began = Instant::now();
    let plan = Plan {
        start,
        nr_inputs,
        nr_workers: options.nr_workers.unwrap_or_else(host::nr_processors) as usize,
        deadline: options.time.map(|time| began + time),
    };
    let bar = bar::bar(options.time.is_none().then_some(nr_inputs), options.show_progress);
    let done = run::run(&source, &|| make_pair(&hypervisor, options.on), &plan, cancel, &|nr| bar.inc(nr))?;
    bar.finish_and_clear();
    let time = began.elapsed();
    let Done { tally: part, next } = done;
    let nr_executed = next - start;
    tally.merge(part);
    state::write(&options.folder, &identity, next, &tally)?;
    let findings =
        explain(&tally, &known, &source, &mut pair, options).context("failed to look closely at findings")?;
    let executed = Executed { subject: SUBJECT, on: options.on, bitness: options.bitness };
    let tried: Vec<_> = (0..source.nr_forms()).map(|form| source.name(form)).collect();
    Ok(Outcome {
        on: options.on,
        bitness: options.bitness,
        is_default: options.is_default(),
        is_thorough: options.forms.is_none() && next >= INPUTS_PER_FORM * source.nr_forms() as u64,
        uses: known.uses(tally.findings.keys(), &tried),
        coverage: coverage::rows(&executed, &source, &tally),
        tally,
        findings,
        nr_forms: source.nr_forms(),
        nr_not_offered: source.not_offered.len(),
        nr_rejected: source.rejected.len(),
        nr_executed,
        time,
        next,
        was_cancelled: cancel.is_cancelled(),
    })
}

/// Sets findings against what is known, and makes those that nothing explains as small as they get.
fn explain(
    tally: &Tally,
    known: &Known,
    source: &Generated,
    pair: &mut Pair,
    options: &Options,
) -> anyhow::Result<Vec<(Key, Finding, Option<Class>)>> {
    let mut findings = Vec::new();
    let mut nr_told = 0;
    for (key, finding) in &tally.findings {
        // The oracle's own errors are nobody's known ones.
        let class = known.explain(key).filter(|_| key.fields != run::ORACLE).cloned();
        let mut finding = finding.clone();
        if class.is_none() && nr_told < MAX_TOLD {
            nr_told += 1;
            finding = repro::shrink(source, pair, key, finding);
            repro::write(&options.folder, &finding.input, options.on)?;
        }
        findings.push((key.clone(), finding, class));
    }
    Ok(findings)
}
