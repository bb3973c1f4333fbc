//! Running cases with a fault and without.

use super::{
    Fate, Killer, Outcome, Trial, Tried, Wrong,
    elsewhere::{Subjects, once},
    rewritten,
};
use crate::{
    cancel::Cancel,
    catalog::Case,
    host_cases,
    judge::{self, Ending},
    subjects::{Image, Opened, OurVmm, Program, Subject as _, SubjectError},
};
use case::{Feature, observation};
use reports::model::{self, Verdict};
use std::{
    collections::HashMap,
    io::{IsTerminal as _, Write as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use vmm::Fault;

/// What a case with a fault gets of processor time at least: many times what nearly all take.
const LIMIT_MIN: Duration = Duration::from_millis(150);
/// How many times what it took without one.
const LIMIT_FACTOR: u32 = 5;
/// How much longer by the clock, for cases that wait.
const WAIT_FACTOR: u32 = 10;
/// So many cases that notice a fault are enough to be told.
const KILLERS_MAX: usize = 3;

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Faults side by side; as many as there are processors if not given.
    pub jobs: Option<u32>,
    /// Whether each fault is told on standard error when it has been tried.
    pub tell: bool,
}

/// What cases do without a fault, by id and by the machinery that runs for nothing; nothing for those that tell of nothing.
type Right = HashMap<(String, String), Option<Arc<model::Case>>>;

/// Our VMM, which is not needed for tables alone.
struct OnKvm {
    opened: Opened,
    vmm: OurVmm,
    /// The same along each axis that a trial wants.
    along: HashMap<&'static str, OurVmm>,
}

/// What the threads share.
struct Shared<'a> {
    image: &'a Image,
    on_kvm: Option<OnKvm>,
    cancel: &'a Cancel,
    right: Mutex<Right>,
    subjects: Subjects<'a>,
}

/// Tries each fault of our VMM and of KVM's interface: first on the cases of its feature; if none of them notices, on the others of
/// its area. The mutation of a table is tried on the case whose table it is.
///
/// # Errors
/// If KVM cannot be used, and is needed.
pub fn run(image: &Arc<Image>, trials: &[Trial], options: Options, cancel: &Cancel) -> Result<Outcome, SubjectError> {
    let of_kvm = |wrong: &Wrong| matches!(wrong, Wrong::Vmm(_) | Wrong::Host(_) | Wrong::Along { .. });
    let needs_kvm = trials.iter().any(|trial| of_kvm(&trial.wrong));
    let open = || {
        let mut along = HashMap::new();
        for trial in trials {
            if let Wrong::Along { axis, .. } = trial.wrong {
                along.insert(axis, along_axis(image, axis)?);
            }
        }
        Ok(OnKvm { opened: Opened::open("vmm", image)?, vmm: OurVmm::open("vmm", image)?, along })
    };
    let shared = Shared {
        image,
        on_kvm: needs_kvm.then(open).transpose()?,
        cancel,
        right: Mutex::default(),
        subjects: Subjects::new(image.clone(), cancel),
    };
    let nr_workers = options.jobs.unwrap_or_else(crate::host::nr_processors).max(1) as usize;
    let (next, nr_done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<Option<Tried>>> = Mutex::new(trials.iter().map(|_| None).collect());
    let worker = || {
        while let Some((index, trial)) = (!cancel.is_cancelled())
            .then(|| next.fetch_add(1, Ordering::Relaxed))
            .and_then(|index| trials.get(index).map(|trial| (index, trial)))
        {
            let Some(tried) = shared.attempt(trial) else { break };
            let done = nr_done.fetch_add(1, Ordering::Relaxed) + 1;
            if options.tell {
                tell(&tried, done, trials.len());
            }
            // A worker that panicked left at most its own place empty.
            if let Some(place) = results.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
                *place = Some(tried);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..nr_workers.min(trials.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    let tried: Vec<_> = results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect();
    Ok(Outcome { nr_asked: trials.len(), tried })
}

fn tell(tried: &Tried, done: usize, nr_mutants: usize) {
    let mut stderr = std::io::stderr().lock();
    // Nobody may be listening any more; the table tells it again.
    let _ = match stderr.is_terminal() && matches!(tried.fate, Fate::Killed { .. }) {
        true => write!(stderr, "\r{done}/{nr_mutants} {:<60.60}", tried.trial.id),
        false => writeln!(stderr, "{done}/{nr_mutants} {tried}"),
    };
}

impl Shared<'_> {
    /// Nothing if it was cancelled.
    fn attempt(&self, trial: &Trial) -> Option<Tried> {
        let fate = match (&trial.wrong, &self.on_kvm) {
            (Wrong::Table { case, subject }, _) => self.subjects.attempt(case, subject),
            (Wrong::Vmm(fault), Some(kvm)) => self.attempt_fault(trial.feature, |case| match case.is_of_host() {
                true => Ok(None),
                false => self.try_on(kvm, (&kvm.vmm, ""), *fault, case),
            }),
            (&Wrong::Along { axis, fault }, Some(kvm)) => match kvm.along.get(axis) {
                Some(vmm) => self.attempt_fault(trial.feature, |case| {
                    match case.is_of_host() || vmm.reason_to_skip(case).is_some() {
                        true => Ok(None),
                        false => self.try_on(kvm, (vmm, axis), fault, case),
                    }
                }),
                None => Some(Fate::Failed { reason: format!("the axis {axis} was not opened") }),
            },
            (&Wrong::Host(wrong), Some(kvm)) => {
                self.attempt_fault(trial.feature, |case| Ok(self.try_host(kvm, wrong, case)))
            }
            (&Wrong::Seen { subject, observation }, _) => {
                let words = format!("{}{observation}", observation::WORD);
                let try_on = |case: &Case| self.subjects.notices(subject, case, Some(&words), &self.subjects);
                self.attempt_fault(trial.feature, try_on)
            }
            (&Wrong::Rewritten { subject, rewriting }, _) => match rewritten::image(self.image, rewriting) {
                Ok(image) => {
                    let wrong = Subjects::new(image, self.cancel);
                    self.attempt_fault(trial.feature, |case| self.subjects.notices(subject, case, None, &wrong))
                }
                Err(reason) => Some(Fate::Failed { reason }),
            },
            (Wrong::Vmm(_) | Wrong::Host(_) | Wrong::Along { .. }, None) => {
                Some(Fate::Failed { reason: "KVM was not opened".to_owned() })
            }
        };
        fate.map(|fate| Tried { trial: trial.clone(), fate })
    }

    /// What the cases of an area notice, by `try_on`, which gives nothing for those that cannot notice anything.
    fn attempt_fault(
        &self,
        feature: Feature,
        try_on: impl Fn(&Case) -> Result<Option<Option<Killer>>, String>,
    ) -> Option<Fate> {
        let cases = self.image.catalog.cases().iter().filter(|case| case.feature.area() == feature.area());
        let (own, others): (Vec<_>, Vec<_>) = cases.partition(|case| case.feature == feature);
        let (mut nr_cases, mut failed) = (0, None);
        for (cases, enough) in [(own, KILLERS_MAX), (others, 1)] {
            let mut killers = Vec::new();
            for case in cases {
                match try_on(case) {
                    // What was cut short tells of nothing.
                    _ if self.cancel.is_cancelled() => return None,
                    Ok(None) => {}
                    Ok(Some(killer)) => {
                        nr_cases += 1;
                        killers.extend(killer);
                    }
                    // KVM or the harness may not take what one case makes of a fault: it is for others to notice.
                    Err(reason) => failed = failed.or(Some(reason)),
                }
                if killers.len() == enough {
                    break;
                }
            }
            if !killers.is_empty() {
                return Some(if enough == 1 { Fate::KilledElsewhere { killers } } else { Fate::Killed { killers } });
            }
        }
        let survived = Fate::Survived { nr_cases };
        Some(failed.map_or(survived, |reason| Fate::Failed { reason }))
    }

    /// What a case notices of a fault, on a VMM and along its axis; nothing at all if it cannot notice anything here.
    fn try_on(
        &self,
        kvm: &OnKvm,
        on: (&OurVmm, &str),
        fault: Fault,
        case: &Case,
    ) -> Result<Option<Option<Killer>>, String> {
        let Some(right) = self.right(kvm, on, fault.idle(), case)? else { return Ok(None) };
        let (vmm, _) = on;
        let limit = limit(vmm, case, &right);
        let wrong = self.judged(vmm, Some(fault), case, limit)?;
        let Some(check) = difference(&right, &wrong) else { return Ok(Some(None)) };
        // What a moment of this machine did is no fault's doing: without the fault it must hold now as before.
        let again = self.judged(vmm, fault.idle(), case, limit)?;
        if difference(&right, &again).is_some() {
            return Ok(Some(None));
        }
        Ok(Some(Some(Killer { case: case.id.clone(), verdict: wrong.verdict, check })))
    }

    /// What a case of the host notices; nothing at all if it is another case, or is skipped or fails to run. These cases take
    /// milliseconds, and are run anew each time.
    fn try_host(&self, kvm: &OnKvm, wrong: host_cases::Wrong, case: &Case) -> Option<Option<Killer>> {
        let run = |wrong| kvm.vmm.run_host_case_with(case, wrong, self.cancel);
        let offered = case.is_of_host() && matches!(kvm.opened.reason_to_skip(case, self.cancel), Ok(None));
        let right =
            offered.then(|| run(None)).filter(|right| matches!(right.verdict, Verdict::Pass | Verdict::Fail))?;
        let wrong = run(Some(wrong));
        let check = difference(&right, &wrong).filter(|_| difference(&right, &run(None)).is_none());
        Some(check.map(|check| Killer { case: case.id.clone(), verdict: wrong.verdict, check }))
    }

    /// What a case does without a fault, run once; nothing if that tells of nothing, because it is skipped or dies.
    fn right(
        &self,
        kvm: &OnKvm,
        (vmm, axis): (&OurVmm, &str),
        idle: Option<Fault>,
        case: &Case,
    ) -> Result<Option<Arc<model::Case>>, String> {
        once(&self.right, (case.id.clone(), format!("{idle:?} {axis}")), || {
            if kvm.opened.reason_to_skip(case, self.cancel)?.is_some() {
                return Ok(None);
            }
            let limit = vmm.time_limit() * u32::from(case.setup.time_factor.max(1));
            let result = self.judged(vmm, idle, case, limit)?;
            Ok(matches!(result.verdict, Verdict::Pass | Verdict::Fail).then(|| Arc::new(result)))
        })
    }

    /// What becomes of a case; a reason if it could not be run.
    fn judged(&self, vmm: &OurVmm, fault: Option<Fault>, case: &Case, limit: Duration) -> Result<model::Case, String> {
        let run = vmm.run_faulty(Program::Case(case), (limit, WAIT_FACTOR), self.cancel, fault);
        if let Ending::Harness { text } = &run.ending {
            return Err(format!("{}: {text}", case.id));
        }
        Ok(judge::judge(case, run, &self.image.catalog))
    }
}

/// How long a case may take with a fault.
fn limit(vmm: &OurVmm, case: &Case, right: &model::Case) -> Duration {
    let longest = vmm.time_limit() * u32::from(case.setup.time_factor.max(1));
    (Duration::from_micros(right.duration_us) * LIMIT_FACTOR).clamp(LIMIT_MIN, longest.max(LIMIT_MIN))
}

/// Our VMM along an axis.
fn along_axis(image: &Arc<Image>, axis: &'static str) -> Result<OurVmm, SubjectError> {
    let unfit = |said: String| SubjectError::Unfit { program: format!("--axis {axis}"), said };
    let mut vmm = OurVmm::open("vmm", image)?;
    vmm.set_axis(axis.parse().map_err(|error| unfit(format!("{error}")))?).map_err(|error| unfit(error.to_string()))?;
    Ok(vmm)
}

/// The first thing that was right and is not any more: a check that fails or, where the case did not come to its end, that
/// was not made.
pub(super) fn difference(right: &model::Case, wrong: &model::Case) -> Option<String> {
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
