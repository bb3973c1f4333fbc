//! A whole run: cases on subjects, side by side, to a report.

mod flakes;
mod outcome;
mod workers;

pub use flakes::Flake;
pub use outcome::Outcome;

use crate::{
    axis::Axis,
    baseline::{self, Baseline, BaselineError},
    cancel::Cancel,
    catalog::{Case, InterruptSetup},
    host, judge, placement,
    progress::{Manner, Progress},
    select::{self, SelectError, Shard},
    subjects::{self, Image, Opened, Program, SubjectError},
};
use reports::model::{self, Report};
use std::{io, sync::Arc, time::Duration};

/// What to run and how.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Subjects as on the command line: `ID` or `ID=PROGRAM`.
    pub subjects: &'a [String],
    /// Filters of cases; none selects all.
    pub filters: &'a [String],
    /// The interrupt set-ups that cases which have some are run in; none means all.
    pub interrupts: &'a [InterruptSetup],
    /// Which part of the selected cases.
    pub shard: Option<Shard>,
    /// Where the baselines come from.
    pub baseline: &'a baseline::Source,
    /// Cases side by side; nothing means as many as each subject says.
    pub jobs: Option<u32>,
    /// Order of the cases; 0 is the catalog's.
    pub seed: u64,
    /// How often everything is run.
    pub repeat: u32,
    /// Time limit of a case instead of the subject's own.
    pub time_limit: Option<Duration>,
    /// What is done to the machines of cases while they run.
    pub axis: Option<Axis>,
    /// How progress is told.
    pub manner: Manner,
}

/// Why a session could not be run; nothing that a guest does leads here.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The cases asked for are not there.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// A subject cannot be used.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// A subject cannot do what the axis wants.
    #[error("the subject {subject} cannot run cases along the axis {axis}: only vmm can")]
    Axis {
        /// The axis.
        axis: Axis,
        /// The subject.
        subject: String,
    },
    /// The host lacks what the axis needs.
    #[error("failed to prepare the axis {axis}; is there space in the folder for temporary files?")]
    AxisFiles {
        /// The axis.
        axis: Axis,
        /// Why.
        source: io::Error,
    },
    /// A baseline cannot be used.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
}

/// A subject with what is known to be wrong with it.
struct Judged {
    opened: Opened,
    baseline: Option<Baseline>,
}

/// Runs the selected cases on every subject.
///
/// Everything that can be wrong with the request is found before the first case runs.
///
/// # Errors
/// [`SessionError`].
pub fn run(image: &Arc<Image>, options: &Options<'_>, cancel: &Cancel) -> Result<Outcome, SessionError> {
    select::check_needs(&image.catalog, subjects::offerable(), subjects::offerable_devices())?;
    let cases = select::select(&image.catalog, options.filters, options.interrupts, options.shard)?;
    let mut subjects = Vec::new();
    for name in subjects::joined(options.subjects) {
        let mut opened = Opened::open(&name, image)?;
        if let Some(axis) = options.axis {
            put_on(axis, &mut opened)?;
        }
        let version = opened.subject.version();
        let baseline = options.baseline.load_along(options.axis, opened.subject.id(), version, &image.catalog)?;
        subjects.push(Judged { opened, baseline });
    }
    let rounds = in_rounds(image, &cases, &subjects, options, cancel);
    Ok(outcome(image, &cases, subjects, rounds, options, cancel))
}

/// Lets a subject do what an axis wants.
///
/// # Errors
/// [`SessionError::Axis`] and [`SessionError::AxisFiles`].
pub fn put_on(axis: Axis, opened: &mut Opened) -> Result<(), SessionError> {
    match opened.subject.set_axis(axis).map_err(|source| SessionError::AxisFiles { axis, source })? {
        true => Ok(()),
        false => Err(SessionError::Axis { axis, subject: opened.subject.id().to_owned() }),
    }
}

/// The results of one round: for each subject, in the order of the cases; nothing for a case that was not run.
type Round = Vec<Vec<Option<model::Case>>>;

fn in_rounds(
    image: &Image,
    cases: &[&Case],
    subjects: &[Judged],
    options: &Options<'_>,
    cancel: &Cancel,
) -> Vec<Round> {
    let nr_runs = cases.len() * subjects.len() * options.repeat as usize;
    let progress = Progress::new(options.manner, nr_runs);
    let order = workers::order(cases, options.seed);
    let mut rounds = Vec::new();
    for _ in 0..options.repeat {
        if cancel.is_cancelled() {
            break;
        }
        let round = subjects.iter().map(|subject| {
            let nr_jobs = options.jobs.unwrap_or_else(|| subject.opened.subject.nr_side_by_side()) as usize;
            let lane = |index: usize| cases.get(index).map_or(0, |case| placement::lane(case.plain_id()));
            let nr_vcpus = |index: usize| cases.get(index).map_or(1, |case| case.setup.nr_vcpus.into());
            let work = |index: usize| {
                let case = cases.get(index)?;
                let run = || run_case(&subject.opened, case, image, options.time_limit, cancel);
                let result = unspoiled(subject.baseline.as_ref(), run)?;
                let axis = options.axis.filter(|_| !case.is_of_host()).map(|axis| axis.to_string());
                let result = model::Case { axis, ..result };
                progress.finished(subject.opened.subject.id(), &result);
                Some(result)
            };
            let mut results: Vec<Option<model::Case>> = cases.iter().map(|_| None).collect();
            for (&index, result) in order.iter().zip(workers::run(&order, nr_jobs, cancel, lane, nr_vcpus, work)) {
                if let Some(place) = results.get_mut(index) {
                    *place = result;
                }
            }
            results
        });
        rounds.push(round.collect());
    }
    rounds
}

/// Runs one case on one subject and judges it. Nothing if it was cancelled meanwhile.
pub fn run_case(
    opened: &Opened,
    case: &Case,
    image: &Image,
    time_limit: Option<Duration>,
    cancel: &Cancel,
) -> Option<model::Case> {
    match opened.reason_to_skip(case, cancel) {
        Ok(None) => {}
        Ok(Some(reason)) => return Some(judge::skipped(case, &reason)),
        Err(_) if cancel.is_cancelled() => return None,
        Err(why) => return Some(judge::failed_to_run(case, &why)),
    }
    if case.is_of_host() {
        let result = opened.subject.run_host_case(case, cancel);
        return (!cancel.is_cancelled()).then_some(result);
    }
    let limit = time_limit.unwrap_or(opened.subject.time_limit()) * u32::from(case.setup.time_factor.max(1));
    let run = opened.subject.run(Program::Case(case), limit, cancel);
    // A case that was cut short says nothing.
    (!cancel.is_cancelled() || run.transcript.is_complete()).then(|| judge::judge(case, run, &image.catalog))
}

/// Sets a result against the subject's baseline, if there is one.
pub fn against(mut result: model::Case, baseline: Option<&Baseline>) -> model::Case {
    // A case of the host has been compared with what is known of it already.
    if let Some(baseline) = baseline
        && result.against_baseline.is_none()
    {
        baseline.apply(&mut result);
    }
    result
}

/// The result of the first run that is not one of those that the baseline lets fail, set against it. If it is not that of the very
/// first, it tells what is known. Nothing if one was cancelled.
fn unspoiled(baseline: Option<&Baseline>, run: impl Fn() -> Option<model::Case>) -> Option<model::Case> {
    let mut result = against(run()?, baseline);
    for nr_done in 1..u8::MAX {
        if baseline.is_none_or(|baseline| nr_done >= baseline.nr_runs(&result)) {
            break;
        }
        let known = result.known;
        result = against(run()?, baseline);
        result.known = result.known.or(known);
    }
    Some(result)
}

fn outcome(
    image: &Image,
    cases: &[&Case],
    subjects: Vec<Judged>,
    rounds: Vec<Round>,
    options: &Options<'_>,
    cancel: &Cancel,
) -> Outcome {
    let had_baseline = subjects.iter().all(|subject| subject.baseline.is_some());
    let names: Vec<_> = subjects.iter().map(|subject| subject.opened.subject.id().to_owned()).collect();
    let flakes = flakes::find(&names, &rounds);
    let nr_done = rounds.iter().flatten().flatten().flatten().count();
    let nr_asked = cases.len() * subjects.len() * options.repeat as usize;
    // The report tells of the first round; what differs in others is told as flakes.
    let first = rounds.into_iter().next().unwrap_or_default();
    let coverage = subjects.iter().flat_map(|subject| subject.opened.subject.coverage()).collect();
    let subjects = subjects.into_iter().zip(first.into_iter().chain(std::iter::repeat_with(Vec::new)));
    let subjects = subjects.map(|(subject, results)| model::Subject {
        id: subject.opened.subject.id().to_owned(),
        version: subject.opened.subject.version().to_owned(),
        offers: subject.opened.names().collect(),
        cases: results.into_iter().flatten().collect(),
    });
    let build_id = image.catalog.build_id().to_owned();
    let features = image.catalog.plain_cases().map(|case| case.feature.id());
    let report = Report::new(host::read(), model::Image { build_id }, subjects.collect(), features);
    let trials = crate::mutants::trial::all(&image.catalog);
    let report = report.with_faults(trials.iter().map(|trial| trial.feature.id()));
    let report = Report { coverage, shard: options.shard.map(Into::into), ..report };
    Outcome { report, flakes, had_baseline, interrupted: cancel.is_cancelled().then_some((nr_done, nr_asked)) }
}
