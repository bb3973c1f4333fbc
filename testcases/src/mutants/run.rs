//! Running cases with a fault and without.

use super::{
    Fate, Killer, Outcome, Trial, Tried, Wrong,
    difference::killer,
    elsewhere::{Subjects, longest, once},
    on_kvm::{OnKvm, limit},
    rewritten,
};
use crate::{
    cancel::Cancel,
    catalog::Case,
    host_cases,
    judge::{self, Ending},
    subjects::{Image, OurVmm, Program, Subject as _, SubjectError},
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
    let shared = Shared {
        image,
        on_kvm: OnKvm::open(image, trials)?,
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
                self.attempt_fault(trial.feature, |case| self.try_host(kvm, wrong, case))
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
        killer(&right, &wrong, || self.judged(vmm, fault.idle(), case, limit)).map(Some)
    }

    /// What a case of the host notices; nothing at all if it is another case, or is skipped or fails to run. These cases take
    /// milliseconds, and are run anew each time.
    fn try_host(&self, kvm: &OnKvm, wrong: host_cases::Wrong, case: &Case) -> Result<Option<Option<Killer>>, String> {
        let run = |wrong| kvm.vmm.run_host_case_with(case, wrong, self.cancel);
        let offered = case.is_of_host() && matches!(kvm.opened.reason_to_skip(case, self.cancel), Ok(None));
        let right = offered.then(|| run(None)).filter(|right| matches!(right.verdict, Verdict::Pass | Verdict::Fail));
        let Some(right) = right else { return Ok(None) };
        killer(&right, &run(Some(wrong)), || Ok(run(None))).map(Some)
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
            let result = self.judged(vmm, idle, case, longest(vmm, case))?;
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
