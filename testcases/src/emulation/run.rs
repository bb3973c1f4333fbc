//! Executes inputs on a pair of executors, on several threads, and counts what came of them.

use super::{
    compare::{Difference, Field, compare},
    source::{Expectation, Source},
    tally::{Counts, Finding, Key, Tally},
};
use crate::cancel::Cancel;
use iced_decoder::{
    Access,
    machine::{End, Executor, ExecutorError, Input, Output},
};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// How many inputs a worker takes at a time.
const CHUNK: u64 = 256;

/// The two executors that are compared.
pub struct Pair {
    /// What is right.
    pub reference: Box<dyn Executor>,
    /// What is under test.
    pub subject: Box<dyn Executor>,
}

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
/// If a pair of executors cannot be made.
pub fn run(
    source: &dyn Source,
    make_pair: &(dyn Fn() -> Result<Pair, ExecutorError> + Sync),
    plan: &Plan,
    cancel: &Cancel,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Done, ExecutorError> {
    let next = AtomicU64::new(plan.start);
    let result = Mutex::new(Ok(Tally::default()));
    let worker = || {
        let part = make_pair().map(|mut pair| {
            let mut tally = Tally::default();
            execute(source, &mut pair, plan, cancel, &next, progress, &mut tally);
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
pub fn run_with(source: &dyn Source, pair: &mut Pair, plan: &Plan, cancel: &Cancel) -> Done {
    let (next, mut tally) = (AtomicU64::new(plan.start), Tally::default());
    execute(source, pair, plan, cancel, &next, &|_| {}, &mut tally);
    Done { tally, next: next.into_inner().min(plan.end()) }
}

/// Takes chunk after chunk from `next` on, which other threads take from, too.
fn execute(
    source: &dyn Source,
    pair: &mut Pair,
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
        for index in first..last {
            one(source, pair, index, tally);
        }
        progress(last - first);
    }
}

fn one(source: &dyn Source, pair: &mut Pair, index: u64, tally: &mut Tally) {
    let nr_forms = source.nr_forms().max(1);
    let form = (index % nr_forms as u64) as usize;
    let Some(input) = source.input(form, index / nr_forms as u64) else { return };
    let counts = tally.forms.entry(form).or_default();
    match judge(source, pair, &input) {
        Ok(Verdict::Agreed) => counts.agreed += 1,
        Ok(Verdict::Finding { fields, difference }) => {
            count(counts, &fields);
            let key = Key { form: source.name(form), fields };
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

/// Fields of a finding that is no difference.
pub const REFUSED: &str = "refused";
/// The same for a subject that hung.
pub const HUNG: &str = "hung";
/// The same where the reference contradicts the oracle.
pub const ORACLE: &str = "oracle";

fn count(counts: &mut Counts, fields: &str) {
    match fields {
        REFUSED => counts.refused += 1,
        HUNG => counts.hung += 1,
        ORACLE => counts.contradicted += 1,
        _ => counts.differed += 1,
    }
}

/// What came of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both executors agree, and the accesses are those predicted.
    Agreed,
    /// Not so.
    Finding {
        /// What: names of fields, [`REFUSED`] or [`HUNG`].
        fields: String,
        /// In detail.
        difference: Difference,
    },
}

/// Vector of the invalid-opcode exception.
const INVALID_OPCODE: u8 = 6;

/// Whether it ended in that exception.
pub fn is_invalid_opcode(end: &End) -> bool {
    matches!(end, End::Raised(raised) if raised.vector == INVALID_OPCODE)
}

/// Executes one input on both and compares.
///
/// # Errors
/// [`ExecutorError`], if one of them failed or if the reference gave no answer.
pub fn judge(source: &dyn Source, pair: &mut Pair, input: &Input) -> Result<Verdict, ExecutorError> {
    judge_with(&source.expectation(input), pair, input)
}

/// The same with an expectation at hand.
///
/// # Errors
/// As [`judge`].
pub fn judge_with(expectation: &Expectation, pair: &mut Pair, input: &Input) -> Result<Verdict, ExecutorError> {
    let expected = pair.reference.execute(input)?;
    if matches!(expected.end, End::Refused(_) | End::Hung) {
        let end = super::compare::describe(&expected.end);
        return Err(ExecutorError { text: format!("the reference {} gave no answer: {end}", pair.reference.name()) });
    }
    let actual = pair.subject.execute(input)?;
    let finding = |fields: &str, what: &str, end: &End| {
        let mut difference = Difference::default();
        difference.details.push((
            what.to_owned(),
            super::compare::describe(&expected.end),
            super::compare::describe(end),
        ));
        Ok(Verdict::Finding { fields: fields.to_owned(), difference })
    };
    match &actual.end {
        End::Refused(_) => return finding(REFUSED, "end", &actual.end),
        End::Hung => return finding(HUNG, "end", &actual.end),
        // An emulator's way to say that it does not know the instruction.
        End::Raised(raised) if raised.vector == INVALID_OPCODE && !is_invalid_opcode(&expected.end) => {
            return finding(REFUSED, "end", &actual.end);
        }
        End::Completed | End::Raised(_) => {}
    }
    let mut difference = compare(&expected, &actual, &expectation.open);
    if difference.is_empty() {
        compare_accesses(expectation.accesses.as_deref(), &expected, &actual, &mut difference);
    }
    if difference.is_empty() {
        return Ok(Verdict::Agreed);
    }
    Ok(Verdict::Finding { fields: difference.fields_text(), difference })
}

/// Compares what the device saw with the prediction; only for instructions that completed, because where a fault cuts
/// the sequence is not architectural.
fn compare_accesses(predicted: Option<&[Access]>, expected: &Output, actual: &Output, difference: &mut Difference) {
    let (Some(predicted), Some(seen), End::Completed) = (predicted, &actual.accesses, &expected.end) else { return };
    if predicted != seen.as_slice() {
        difference.add(Field::Accesses, "accesses", tell(predicted), tell(seen));
    }
}

/// Accesses in a line: `r4@12000010 w4@12000010`.
pub fn tell(accesses: &[Access]) -> String {
    let one = |access: &Access| {
        let direction = match access.direction {
            iced_decoder::Direction::Read => 'r',
            iced_decoder::Direction::Write => 'w',
        };
        format!("{direction}{}@{:x}", access.size_bytes, access.address)
    };
    match accesses {
        [] => "none".to_owned(),
        accesses => accesses.iter().map(one).collect::<Vec<_>>().join(" "),
    }
}

#[cfg(test)]
mod tests;
