//! Blocks of states, each tried by a start of the guest; what a start does not survive is looked at closely.

use super::{
    Options,
    lost::{self, Lost},
    records::{self, Said, Wrong},
    request::Request,
};
use crate::{
    cancel::Cancel,
    chain::chain,
    judge,
    subjects::{Image, Program, Subject},
};
use case::fuzz::MAX_AVOIDED;
use reports::model::Verdict;
use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// So many states are tried by one start: more than it takes to make the start itself cheap.
pub(super) const PER_START: u64 = 1024;
/// A state of so many is announced, until one is not survived.
pub(super) const EVERY: u64 = 64;
/// What a block takes of the subject's time limit for a case.
const TIME_FACTOR: u32 = 4;
/// A run with more states than this that were not survived ends.
const MAX_LOST: usize = 64;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Rules with a legal value, with an illegal one, and in all.
    pub(super) rules: [u64; 3],
    /// Rules of which values were tried, each with whether these were legal.
    pub(super) touched: BTreeSet<(u64, bool)>,
    pub(super) wrong: Vec<Wrong>,
    /// States that were not survived.
    pub(super) lost: Vec<Lost>,
    /// States that were tried.
    pub(super) nr_tried: u64,
    /// States that were not, because of rules to be avoided.
    pub(super) nr_avoided: u64,
    /// What the harness failed at.
    pub(super) failures: Vec<String>,
}

/// The states of a run.
pub(super) struct Blocks<'a> {
    image: &'a Image,
    subject: &'a dyn Subject,
    options: &'a Options,
    cancel: &'a Cancel,
    began: Instant,
    shared: Mutex<Shared>,
}

struct Shared {
    /// The next state that nobody tries yet.
    next: u64,
    avoid: Vec<u64>,
    done: Done,
}

/// What came of a start.
pub(super) struct Start {
    pub(super) said: Said,
    /// Why it ended before the last state, if it did.
    pub(super) loss: Option<(Verdict, String)>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(
        image: &'a Image,
        subject: &'a dyn Subject,
        options: &'a Options,
        cancel: &'a Cancel,
        began: Instant,
    ) -> Self {
        let shared = Shared { next: options.first, avoid: Vec::new(), done: Done::default() };
        Self { image, subject, options, cancel, began, shared: Mutex::new(shared) }
    }

    /// Tries all of them on so many threads.
    pub(super) fn run(&self, nr_workers: u32, progress: &(dyn Fn(u64) + Sync)) {
        let worker = || {
            while let Some((states, avoid)) = self.take() {
                self.block(states, avoid, progress);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..nr_workers.max(1) {
                scope.spawn(worker);
            }
            worker();
        });
    }

    pub(super) fn into_done(self) -> Done {
        self.shared.into_inner().unwrap_or_else(PoisonError::into_inner).done
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        // No holder leaves it half changed.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.cancel.is_cancelled() || self.options.time.is_some_and(|time| self.began.elapsed() >= time)
    }

    /// The next block.
    fn take(&self) -> Option<(Range<u64>, Vec<u64>)> {
        let mut shared = self.lock();
        let end = self.options.first.saturating_add(self.options.count);
        let is_broken = !shared.done.failures.is_empty() || shared.done.lost.len() >= MAX_LOST;
        if self.is_over() || is_broken || shared.next >= end {
            return None;
        }
        let states = shared.next..shared.next.saturating_add(PER_START).min(end);
        shared.next = states.end;
        Some((states, shared.avoid.clone()))
    }

    /// Tries a block, and goes on behind what a start does not survive.
    fn block(&self, mut states: Range<u64>, mut avoid: Vec<u64>, progress: &(dyn Fn(u64) + Sync)) {
        let end = states.end;
        // Each round ends the block or leaves at least one state behind.
        while states.start < end && !self.cancel.is_cancelled() {
            let first = states.start;
            let request = Request { states: states.clone(), every: EVERY, keep: u64::MAX, avoid: avoid.clone() };
            let Some(start) = self.start(&request) else { return };
            if start.loss.is_none() {
                self.add(start.said, &|_| true);
                progress(end - first);
                return;
            }
            // Behind the last announcement everything is tried again.
            let announced = start.said.state.as_ref().map_or(first, |(number, _)| *number).clamp(first, end - 1);
            self.add(start.said, &|number| number < announced);
            let until = announced.saturating_add(EVERY).min(end);
            let request = Request { states: announced..until, every: 1, ..request };
            let Some(start) = self.start(&request) else { return };
            // Those of a start that came to its end are counted by the guest.
            let (behind, counted) = match (start.loss, start.said.state.clone()) {
                (None, _) => {
                    self.add(start.said, &|_| true);
                    self.lose(Lost::together(announced..until));
                    (until, announced)
                }
                (Some(loss), state) => {
                    let state = state.filter(|(number, _)| (announced..until).contains(number));
                    let (number, steps) = state.unwrap_or((announced, Vec::new()));
                    self.add(start.said, &|_| true);
                    let Some(lost) = lost::look_closely(self, number, steps, loss) else { return };
                    if let Some(rule) = lost.rule_to_avoid() {
                        avoid.push(rule);
                    }
                    self.lose(lost);
                    (number + 1, number + 1)
                }
            };
            self.lock().done.nr_tried += counted - first;
            progress(behind - first);
            states.start = behind;
            if self.lock().done.lost.len() >= MAX_LOST {
                return;
            }
        }
    }

    /// Starts a guest. Nothing if the harness failed or the user ended it.
    pub(super) fn start(&self, request: &Request) -> Option<Start> {
        let words = request.words(self.options);
        let limit = self.subject.time_limit() * TIME_FACTOR;
        let run = self.subject.run(Program::Other(&words), limit, self.cancel);
        if self.cancel.is_cancelled() && !run.transcript.is_complete() {
            return None;
        }
        let said = match records::read(&run.transcript, &self.image.catalog) {
            Ok(said) => said,
            Err(error) => return self.fail(chain(&error)),
        };
        match judge::loss(&run, &self.image.catalog) {
            Some((Verdict::Error, why)) => self.fail(why),
            loss => Some(Start { said, loss }),
        }
    }

    fn fail<T>(&self, why: String) -> Option<T> {
        self.lock().done.failures.push(why);
        None
    }

    fn add(&self, said: Said, is_wanted: &dyn Fn(u64) -> bool) {
        let mut shared = self.lock();
        let done = &mut shared.done;
        done.rules = said.rules;
        done.touched.extend(said.touched);
        done.wrong.extend(said.wrong.into_iter().filter(|wrong| is_wanted(wrong.number)));
        if let Some((nr_tried, nr_avoided)) = said.summary {
            done.nr_tried += nr_tried;
            done.nr_avoided += nr_avoided;
        }
    }

    fn lose(&self, lost: Lost) {
        let mut shared = self.lock();
        let rule = lost.rule_to_avoid();
        if let Some(rule) = rule.filter(|rule| !shared.avoid.contains(rule) && shared.avoid.len() < MAX_AVOIDED) {
            shared.avoid.push(rule);
        }
        shared.done.lost.push(lost);
    }
}
