//! Executes inputs on several threads, and counts what came of them.

pub use super::judge::{HUNG, Judge, ORACLE, Pair, REFUSED, Verdict, is_invalid_opcode, tell};

use super::{
    source::Source,
    tally::{Counts, Finding, Key, Tally},
};
use crate::cancel::Cancel;
use iced_decoder::machine::{ExecutorError, Input};
use std::{
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// How many inputs a worker takes at a time.
const CHUNK: u64 = 256;

/// How many of them are executed together: executors have batches of this size, and the state fits into a cache.
const BATCH: usize = 32;

/// Which inputs are executed: those with the numbers `start..start + nr_inputs`. Input `i` is the one with number
/// `i / nr_forms` of form `i % nr_forms`, so that all forms are tried equally often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// First number.
    pub start: u64,
    /// How many.
    pub nr_inputs: u64,
    /// Threads, each with executors of its own.
    pub nr_workers: usize,
    /// No chunk is begun after this.
    pub deadline: Option<Instant>,
}

impl Plan {
    /// The number behind the last.
    fn end(&self) -> u64 {
        self.start.saturating_add(self.nr_inputs)
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Done {
    /// The results.
    pub tally: Tally,
    /// The first number that was not executed: where a later run goes on.
    pub next: u64,
}

/// Executes what the plan says; ends early, with whole chunks, when `cancel` is set or the deadline has passed.
///
/// The result depends on the numbers executed alone, not on the threads.
///
/// # Errors
/// If executors cannot be made.
pub fn run<J: Judge>(
    source: &dyn Source,
    make_judge: &(dyn Fn() -> Result<J, ExecutorError> + Sync),
    plan: &Plan,
    cancel: &Cancel,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Done, ExecutorError> {
    let next = AtomicU64::new(plan.start);
    let result = Mutex::new(Ok(Tally::default()));
    let worker = || {
        let part = make_judge().map(|mut judge| {
            let mut tally = Tally::default();
            execute(source, &mut judge, plan, cancel, &next, progress, &mut tally);
            tally
        });
        let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
        match (&mut *result, part) {
            (Ok(whole), Ok(part)) => whole.merge(part),
            (Ok(_), Err(error)) => *result = Err(error),
            (Err(_), _) => {}
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..plan.nr_workers.max(1) {
            scope.spawn(worker);
        }
        worker();
    });
    let tally = result.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    Ok(Done { tally, next: next.into_inner().min(plan.end()) })
}

/// The same on the calling thread, with executors at hand.
pub fn run_with(source: &dyn Source, judge: &mut dyn Judge, plan: &Plan, cancel: &Cancel) -> Done {
    let (next, mut tally) = (AtomicU64::new(plan.start), Tally::default());
    execute(source, judge, plan, cancel, &next, &|_| {}, &mut tally);
    Done { tally, next: next.into_inner().min(plan.end()) }
}

/// Takes chunk after chunk from `next` on, which other threads take from, too.
fn execute(
    source: &dyn Source,
    judge: &mut dyn Judge,
    plan: &Plan,
    cancel: &Cancel,
    next: &AtomicU64,
    progress: &(dyn Fn(u64) + Sync),
    tally: &mut Tally,
) {
    let end = plan.end();
    while !cancel.is_cancelled() && plan.deadline.is_none_or(|deadline| Instant::now() < deadline) {
        let first = next.fetch_add(CHUNK, Ordering::Relaxed);
        if first >= end {
            break;
        }
        let last = (first + CHUNK).min(end);
        let mut begin = first;
        while begin < last {
            let end = (begin + BATCH as u64).min(last);
            batch(source, judge, begin..end, tally);
            begin = end;
        }
        progress(last - first);
    }
}

fn batch(source: &dyn Source, judge: &mut dyn Judge, numbers: Range<u64>, tally: &mut Tally) {
    let nr_forms = source.nr_forms().max(1);
    let form = |index: u64| (index % nr_forms as u64) as usize;
    let (indices, inputs): (Vec<u64>, Vec<Input>) =
        numbers.filter_map(|index| Some((index, source.input(form(index), index / nr_forms as u64)?))).unzip();
    let verdicts = judge.judge_many(&|input| source.expectation(input), &inputs);
    for ((index, input), verdict) in indices.into_iter().zip(inputs).zip(verdicts) {
        let counts = tally.forms.entry(form(index)).or_default();
        match verdict {
            Ok(Verdict::Agreed) => counts.agreed += 1,
            Ok(Verdict::Finding { fields, difference }) => {
                count(counts, &fields);
                let key = Key { form: source.name(form(index)), fields };
                tally.note(key, Finding { count: 1, index, input, difference });
            }
            Err(error) => {
                counts.failed += 1;
                if tally.failures.len() < super::tally::MAX_FAILURES {
                    tally.failures.push((index, input.code, error.text));
                }
            }
        }
    }
}

fn count(counts: &mut Counts, fields: &str) {
    match fields {
        REFUSED => counts.refused += 1,
        HUNG => counts.hung += 1,
        ORACLE => counts.contradicted += 1,
        _ => counts.differed += 1,
    }
}

#[cfg(test)]
mod tests;
