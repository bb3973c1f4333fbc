//! What one input shows: whether two executors agree, and whether the oracle and the processor do.

use super::{
    compare::{Difference, Field, compare, describe},
    source::Expectation,
};
use iced_decoder::{
    Access, Aspect, check,
    machine::{End, Executor, ExecutorError, Input, Output},
};

/// Fields of a finding that is no difference.
pub const REFUSED: &str = "refused";
/// The same for a subject that hung.
pub const HUNG: &str = "hung";
/// The same where the reference contradicts the oracle.
pub const ORACLE: &str = "oracle";

/// What came of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both executors agree, and the accesses are those predicted.
    Agreed,
    /// Not so.
    Finding {
        /// What: names of fields, [`REFUSED`], [`HUNG`] or [`ORACLE`].
        fields: String,
        /// In detail.
        difference: Difference,
    },
}

/// Tells what is known of an input.
pub type Expect<'a> = &'a dyn Fn(&Input) -> Expectation;

/// Something that judges inputs.
pub trait Judge {
    /// The verdict on each input, in their order; `expect` tells what is known of one.
    fn judge_many(&mut self, expect: Expect<'_>, inputs: &[Input]) -> Vec<Result<Verdict, ExecutorError>>;

    /// What it executes on, the reference first.
    fn executors(&mut self) -> Vec<&mut dyn Executor>;
}

/// The verdict on one input.
///
/// # Errors
/// [`ExecutorError`], if an executor failed or if the reference gave no answer.
pub fn judge(judge: &mut dyn Judge, expect: Expect<'_>, input: &Input) -> Result<Verdict, ExecutorError> {
    judge.judge_many(expect, std::slice::from_ref(input)).pop().unwrap_or_else(|| Err(lost()))
}

/// The two executors that are compared.
pub struct Pair {
    /// What is right.
    pub reference: Box<dyn Executor>,
    /// What is under test.
    pub subject: Box<dyn Executor>,
}

impl Judge for Pair {
    fn judge_many(&mut self, expect: Expect<'_>, inputs: &[Input]) -> Vec<Result<Verdict, ExecutorError>> {
        let expectations = inputs.iter().map(expect);
        let expected = answers(&mut *self.reference, inputs);
        let prepared: Vec<_> = expectations
            .zip(inputs)
            .zip(expected)
            .map(|((expectation, input), expected)| {
                let expected = expected?;
                let verdict = contradiction(input, &expectation, &expected);
                Ok((expectation, expected, verdict))
            })
            .collect();
        // Only what the reference has an answer to that the oracle does not doubt is for the subject.
        let is_for_subject =
            |prepared: &Result<(_, _, Option<Verdict>), ExecutorError>| matches!(prepared, Ok((_, _, None)));
        let actual = if prepared.iter().all(is_for_subject) {
            executed(&mut *self.subject, inputs)
        } else {
            let chosen = inputs.iter().zip(&prepared).filter(|(_, prepared)| is_for_subject(prepared));
            let chosen: Vec<_> = chosen.map(|(input, _)| input.clone()).collect();
            executed(&mut *self.subject, &chosen)
        };
        let mut actual = actual.into_iter();
        let verdict = |prepared: Result<(Expectation, Output, Option<Verdict>), ExecutorError>| match prepared? {
            (_, _, Some(verdict)) => Ok(verdict),
            (expectation, expected, None) => {
                let actual = actual.next().unwrap_or_else(|| Err(lost()))?;
                Ok(compare_outputs(&expectation, &expected, &actual))
            }
        };
        prepared.into_iter().map(verdict).collect()
    }

    fn executors(&mut self) -> Vec<&mut dyn Executor> {
        vec![&mut *self.reference, &mut *self.subject]
    }
}

/// The reference alone: the oracle is what is under test.
pub struct Alone(pub Box<dyn Executor>);

impl Judge for Alone {
    fn judge_many(&mut self, expect: Expect<'_>, inputs: &[Input]) -> Vec<Result<Verdict, ExecutorError>> {
        let verdict = |(input, output): (&Input, Result<Output, ExecutorError>)| {
            let verdict = contradiction(input, &expect(input), &output?);
            Ok(verdict.unwrap_or(Verdict::Agreed))
        };
        inputs.iter().zip(answers(&mut *self.0, inputs)).map(verdict).collect()
    }

    fn executors(&mut self) -> Vec<&mut dyn Executor> {
        vec![&mut *self.0]
    }
}

/// An output or an error for each input, whatever the executor does.
fn executed(executor: &mut dyn Executor, inputs: &[Input]) -> Vec<Result<Output, ExecutorError>> {
    let mut outputs = executor.execute_many(inputs);
    outputs.truncate(inputs.len());
    outputs.resize_with(inputs.len(), || Err(lost()));
    outputs
}

fn lost() -> ExecutorError {
    ExecutorError { text: "the executor gave nothing for it".to_owned() }
}

/// The same of a reference, which has to give an answer.
fn answers(reference: &mut dyn Executor, inputs: &[Input]) -> impl Iterator<Item = Result<Output, ExecutorError>> {
    let outputs = executed(reference, inputs);
    let name = reference.name().to_owned();
    outputs.into_iter().map(move |output| {
        let output = output?;
        if matches!(output.end, End::Refused(_) | End::Hung) {
            let end = describe(&output.end);
            return Err(ExecutorError { text: format!("the reference {name} gave no answer: {end}") });
        }
        Ok(output)
    })
}

/// The finding that the oracle is wrong.
fn contradiction(input: &Input, expectation: &Expectation, output: &Output) -> Option<Verdict> {
    let found = check(input, expectation.prediction.as_ref()?, output);
    if found.is_empty() {
        return None;
    }
    let mut difference = Difference::default();
    for one in found {
        let predicted = format!("{} {}", one.what, one.predicted);
        difference.details.push((aspect(one.aspect).to_owned(), predicted, one.seen));
    }
    Some(Verdict::Finding { fields: ORACLE.to_owned(), difference })
}

fn aspect(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::End => "end",
        Aspect::Rip => "rip",
        Aspect::General => "registers",
        Aspect::Flags => "flags",
        Aspect::Memory => "memory",
        Aspect::Vector => "vectors",
        Aspect::Opmask => "opmasks",
        Aspect::X87 => "x87",
        Aspect::Mxcsr => "mxcsr",
    }
}

/// Vector of the invalid-opcode exception.
const INVALID_OPCODE: u8 = 6;

/// Whether it ended in that exception.
pub fn is_invalid_opcode(end: &End) -> bool {
    matches!(end, End::Raised(raised) if raised.vector == INVALID_OPCODE)
}

fn compare_outputs(expectation: &Expectation, expected: &Output, actual: &Output) -> Verdict {
    let finding = |fields: &str| {
        let mut difference = Difference::default();
        difference.details.push(("end".to_owned(), describe(&expected.end), describe(&actual.end)));
        Verdict::Finding { fields: fields.to_owned(), difference }
    };
    match &actual.end {
        End::Refused(_) => return finding(REFUSED),
        End::Hung => return finding(HUNG),
        // An emulator's way to say that it does not know the instruction.
        End::Raised(raised) if raised.vector == INVALID_OPCODE && !is_invalid_opcode(&expected.end) => {
            return finding(REFUSED);
        }
        End::Completed | End::Raised(_) => {}
    }
    let mut difference = compare(expected, actual, &expectation.open);
    if difference.is_empty() {
        compare_accesses(expectation.accesses.as_deref(), expected, actual, &mut difference);
    }
    if difference.is_empty() {
        return Verdict::Agreed;
    }
    Verdict::Finding { fields: difference.fields_text(), difference }
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
