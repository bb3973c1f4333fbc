//! What the cases of the suite share: the forms that this processor has, and the coverage of those that were run.

use super::{
    coverage::{self, Executed},
    garbled::{Garbled, Garbling},
    generated::{Generated, encoding_name},
    known::{Known, Scope},
    kvm::{Flavour, KvmExecutor},
    mmio::{SUBJECT, make_pair},
    repro,
    run::{self, Pair, Plan, REFUSED},
    source::Source as _,
    tally::{Key, Tally},
};
use crate::{cancel::Cancel, chain::chain, host, image::workspace};
use iced_decoder::{Bitness, Encoding, Form, generate::predicted_forms, machine::Executor};
use reports::coverage::CoverageRow;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use vmm::Hypervisor;

/// The slice never changes with a run.
const SEED: u64 = 0;

/// So many findings of a case are shrunk, so that a subject with everything wrong does not take for ever.
const MAX_SHRUNK: usize = 50;

/// A part of the cross-check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) on: Flavour,
    pub(super) bitness: Bitness,
    pub(super) encoding: Encoding,
    /// One form of so many is tried.
    pub(super) step: usize,
    /// Inputs of each form that is tried.
    pub(super) inputs_per_form: u64,
}

/// What came of a slice.
pub(super) enum Executions {
    /// This host cannot execute it, with the reason.
    Impossible(String),
    /// Everything there is to judge.
    Done(Box<Done>),
}

/// What there is to judge.
pub(super) struct Done {
    pub(super) source: Generated,
    pub(super) tally: Tally,
    pub(super) known: Known,
}

/// The forms of a mode, an encoding and a step that this processor has.
type Offered = Result<Vec<Form>, String>;
/// Those that were asked for so far.
type OfferedBySlice = BTreeMap<(u32, Encoding, usize), Arc<OnceLock<Offered>>>;

/// What the cases of one subject share.
#[derive(Debug)]
pub struct Suite {
    hypervisor: Arc<Hypervisor>,
    /// Asking the processor costs as much as a case does.
    offered: Mutex<OfferedBySlice>,
    /// By case.
    coverage: Mutex<BTreeMap<String, Vec<CoverageRow>>>,
}

impl Suite {
    /// Nothing has been run yet.
    pub fn new(hypervisor: Arc<Hypervisor>) -> Self {
        Self { hypervisor, offered: Mutex::default(), coverage: Mutex::default() }
    }

    /// The coverage of the cases that were run, in the order of their ids.
    pub fn coverage(&self) -> Vec<CoverageRow> {
        self.coverage.lock().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned().collect()
    }

    /// Executes a slice for a case.
    ///
    /// # Errors
    /// If the harness fails: says nothing of the subject.
    pub(super) fn execute(
        &self,
        case: &str,
        slice: &Slice,
        wrong: Option<Garbling>,
        cancel: &Cancel,
    ) -> Result<Executions, String> {
        let &Slice { on, bitness, .. } = slice;
        let can_execute =
            KvmExecutor::new(self.hypervisor.clone(), on).and_then(|mut executor| executor.can_execute(bitness));
        if let Err(error) = can_execute {
            return Ok(Executions::Impossible(error.text));
        }
        let scope = Scope { version: host::kvm_version(), on, bitness };
        let known = Known::load(SUBJECT, &scope).map_err(|error| chain(&error))?;
        let mut pair = make_pair(&self.hypervisor, on).map_err(|error| error.text)?;
        if let Some(wrong) = wrong {
            pair.subject = Box::new(Garbled { executor: pair.subject, wrong });
        }
        let offered = self.offered(slice, &mut *pair.reference)?;
        let source = Generated::of_offered(SEED, pair.reference.components(), offered).for_mode(on.mode());
        let nr_inputs = slice.inputs_per_form * source.nr_forms() as u64;
        let plan = Plan { start: 0, nr_inputs, nr_workers: 1, deadline: None };
        let mut tally = run::run_with(&source, &mut pair, &plan, cancel).tally;
        if wrong.is_some() {
            // Nobody wants to see it again.
            return Ok(Executions::Done(Box::new(Done { source, tally, known })));
        }
        let executed = Executed { subject: SUBJECT, on, bitness };
        let mut rows = coverage::rows(&executed, &source, &tally);
        let is_tried = |form: &Form| source.forms().any(|tried| tried == *form);
        let untried = predicted_forms(bitness).filter(|form| form.encoding() == slice.encoding && !is_tried(form));
        if slice.step > 1 {
            coverage::add_untried(&executed, untried, &mut rows);
        }
        self.coverage.lock().unwrap_or_else(PoisonError::into_inner).insert(case.to_owned(), rows);
        shrink(&source, &mut pair, &mut tally, &known, on)?;
        Ok(Executions::Done(Box::new(Done { source, tally, known })))
    }

    fn offered(&self, slice: &Slice, native: &mut dyn Executor) -> Offered {
        let &Slice { bitness, encoding, step, .. } = slice;
        let cell = {
            let mut offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
            offered.entry((bitness.bits(), encoding, step)).or_default().clone()
        };
        // The forms that this processor lacks stand together, so that it is asked about those of the slice alone.
        let ask = || {
            let wanted = predicted_forms(bitness).filter(|form| form.encoding() == encoding).step_by(step);
            let wanted: Vec<Form> = wanted.collect();
            let all = Generated::of(SEED, bitness, &|form| wanted.contains(form), native);
            all.map(|all| all.forms().collect()).map_err(|error| error.text)
        };
        cell.get_or_init(ask).clone()
    }
}

/// Makes what fails as small as it gets, and writes it where `cargo xtask run` finds it.
fn shrink(source: &Generated, pair: &mut Pair, tally: &mut Tally, known: &Known, on: Flavour) -> Result<(), String> {
    let failing = tally.findings.iter_mut().filter(|(key, _)| is_failure(key, known));
    for (number, (key, finding)) in failing.enumerate() {
        if number < MAX_SHRUNK {
            *finding = repro::shrink(source, pair, key, finding.clone());
        }
        repro::write(&repro_folder(), &finding.input, on).map_err(|error| format!("{error:#}"))?;
    }
    Ok(())
}

/// Whether a finding makes a check fail: a refusal does only if the subject is known to do better.
pub(super) fn is_failure(key: &Key, known: &Known) -> bool {
    key.fields != REFUSED || known.explain(key).is_none()
}

/// Where reproducers of the suite's findings are written.
pub fn repro_folder() -> PathBuf {
    workspace().join("target/fuzz")
}

/// The name of an encoding in names of cases.
pub(super) fn encoding_id(encoding: Encoding) -> String {
    encoding_name(encoding).to_lowercase()
}
