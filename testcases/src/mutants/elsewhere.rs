//! Cases on subjects that are opened when the first trial needs them, with the runtime or the image changed.

use super::{Killer, difference::killer};
use crate::{
    cancel::Cancel,
    catalog::Case,
    chain::chain,
    judge::{self, Ending},
    subjects::{Image, Opened, Program, Subject},
};
use reports::model::{self, Verdict};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What a case gets of time at least while something is wrong: what is led astray hangs.
const LIMIT_MIN: Duration = Duration::from_secs(2);
/// How many times what it took before.
const LIMIT_FACTOR: u32 = 5;

/// What a case does where nothing is wrong; nothing if that tells of nothing, because it is skipped or dies.
type Right = Option<Arc<model::Case>>;

/// The subjects, each opened when the first trial needs it.
pub(super) struct Subjects<'a> {
    pub(super) image: Arc<Image>,
    pub(super) cancel: &'a Cancel,
    opened: Mutex<HashMap<&'static str, Result<Arc<Opened>, String>>>,
    right: Mutex<HashMap<(String, &'static str), Right>>,
}

impl<'a> Subjects<'a> {
    pub(super) fn new(image: Arc<Image>, cancel: &'a Cancel) -> Self {
        Self { image, cancel, opened: Mutex::default(), right: Mutex::default() }
    }

    pub(super) fn open(&self, name: &'static str) -> Result<Arc<Opened>, String> {
        // Held while it is opened, so that nobody opens it twice.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || Opened::open(name, &self.image).map(Arc::new).map_err(|error| chain(&error));
        opened.entry(name).or_insert_with(open).clone()
    }

    /// What becomes of a case.
    ///
    /// # Errors
    /// Why it could not be run.
    pub(super) fn judged(
        &self,
        opened: &Opened,
        case: &Case,
        program: Program<'_>,
        limit: Duration,
    ) -> Result<model::Case, String> {
        let run = opened.subject.run(program, limit, self.cancel);
        if let Ending::Harness { text } = &run.ending {
            return Err(format!("{}: {text}", case.id));
        }
        Ok(judge::judge(case, run, &self.image.catalog))
    }

    /// What a case of a subject notices if words stand on the command line, or if another image is run: nothing at all if it cannot
    /// notice anything there. Only checks count, which fail: what dies may die of anything.
    ///
    /// # Errors
    /// Why it could not be run.
    pub(super) fn notices(
        &self,
        subject: &'static str,
        case: &Case,
        words: Option<&str>,
        wrong: &Self,
    ) -> Result<Option<Option<Killer>>, String> {
        let Some(right) = self.right(subject, case)? else { return Ok(None) };
        let opened = self.open(subject)?;
        let limit = (Duration::from_micros(right.duration_us) * LIMIT_FACTOR)
            .max(LIMIT_MIN)
            .min(longest(&*opened.subject, case));
        let program = words.map_or(Program::Case(case), |words| Program::Changed(case, words));
        let wrong = wrong.judged(&*wrong.open(subject)?, case, program, limit)?;
        if wrong.verdict != Verdict::Fail {
            return Ok(Some(None));
        }
        let again = || self.judged(&opened, case, Program::Case(case), longest(&*opened.subject, case));
        killer(&right, &wrong, again).map(Some)
    }

    fn right(&self, subject: &'static str, case: &Case) -> Result<Right, String> {
        once(&self.right, (case.id.clone(), subject), || {
            let opened = self.open(subject)?;
            if case.is_of_host() || opened.reason_to_skip(case, self.cancel)?.is_some() {
                return Ok(None);
            }
            let result = self.judged(&opened, case, Program::Case(case), longest(&*opened.subject, case))?;
            Ok(matches!(result.verdict, Verdict::Pass | Verdict::Fail).then(|| Arc::new(result)))
        })
    }
}

/// How long a case may take where nothing is wrong.
pub(super) fn longest(subject: &dyn Subject, case: &Case) -> Duration {
    subject.time_limit() * u32::from(case.setup.time_factor.max(1))
}

/// What is known, or found out now.
pub(super) fn once<K: Eq + Hash, V: Clone>(
    known: &Mutex<HashMap<K, V>>,
    key: K,
    find_out: impl FnOnce() -> Result<V, String>,
) -> Result<V, String> {
    // A thread that panicked left nothing half made.
    let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(value) = lock().get(&key) {
        return Ok(value.clone());
    }
    let value = find_out()?;
    lock().insert(key, value.clone());
    Ok(value)
}
