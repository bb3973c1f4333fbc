//! Tests of the loop, with executors that are told what to do.

use super::*;
use crate::emulation::source::Expectation;
use iced_decoder::{
    Access, Bitness, Direction, Registers, Space,
    machine::{End, Executor, Output, window::Window},
};

/// Three forms: input `n` of form `f` has the code `[f, n]`; form 2 gives none.
struct Fake;

fn write(address: u64) -> Access {
    Access { space: Space::Memory, address, size_bytes: 4, direction: Direction::Write }
}

impl Source for Fake {
    fn nr_forms(&self) -> usize {
        3
    }

    fn name(&self, form: usize) -> String {
        format!("Form{form}")
    }

    fn encoding(&self, _: usize) -> &'static str {
        "legacy"
    }

    fn operand_bits(&self, _: usize) -> Option<u32> {
        None
    }

    fn input(&self, form: usize, number: u64) -> Option<Input> {
        (form != 2).then(|| Input {
            bitness: Bitness::Bits64,
            code: vec![form as u8, number as u8],
            registers: Registers::default(),
            extended: None,
            window: Window::Plain,
            memory_seed: 0,
            memory: Vec::new(),
        })
    }

    fn expectation(&self, _: &Input) -> Expectation {
        Expectation { accesses: Some(vec![write(0x10)]), ..Expectation::default() }
    }
}

type Change = fn(&Input, &mut Output);

struct Told(Change);

impl Executor for Told {
    fn name(&self) -> &str {
        "told"
    }

    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
        let mut output = Output {
            end: End::Completed,
            registers: input.registers,
            extended: None,
            memory: Vec::new(),
            accesses: Some(vec![write(0x10)]),
        };
        (self.0)(input, &mut output);
        if output.registers.rip == 0xdead {
            return Err(ExecutorError { text: "died".to_owned() });
        }
        Ok(output)
    }
}

fn run_with(subject: Change, nr_workers: usize) -> Done {
    let pair = || Ok(Pair { reference: Box::new(Told(|_, _| {})), subject: Box::new(Told(subject)) });
    let plan = Plan { start: 0, nr_inputs: 3000, nr_workers, deadline: None };
    run(&Fake, &pair, &plan, &Cancel::default(), &|_| {}).unwrap()
}

fn keys(done: &Done) -> Vec<String> {
    done.tally.findings.iter().map(|(key, finding)| format!("{} {} {}", key.form, key.fields, finding.index)).collect()
}

#[test]
fn agreement_is_counted_by_form() {
    let done = run_with(|_, _| {}, 2);
    assert_eq!((done.next, done.tally.total().agreed, done.tally.forms.len()), (3000, 2000, 2));
    assert!(done.tally.findings.is_empty());
}

#[test]
fn findings_are_the_same_on_any_number_of_threads() {
    let subject: Change = |input, output| match input.code[..] {
        [0, 7..=255] => output.registers.rflags = 1,
        [1, 200] => output.end = End::Hung,
        [1, 100] => output.end = End::Refused("1".to_owned()),
        [1, 50] => output.accesses = Some(vec![write(0x10), write(0x10)]),
        [1, 9] => output.registers.rip = 0xdead,
        _ => {}
    };
    let expected = ["Form0 flags 21", "Form1 accesses 151", "Form1 hung 601", "Form1 refused 301"];
    for nr_workers in [1, 2, 5] {
        let done = run_with(subject, nr_workers);
        assert_eq!(keys(&done), expected);
        // Code bytes wrap at 256: of 1000 inputs these many have that byte.
        assert_eq!(done.tally.total().failed, 4);
        assert_eq!(done.tally.failures[0], (28, vec![1, 9], "died".to_owned()));
    }
}

#[test]
fn a_reference_without_answer_is_a_failure() {
    let pair = || {
        Ok(Pair { reference: Box::new(Told(|_, output| output.end = End::Hung)), subject: Box::new(Told(|_, _| {})) })
    };
    let plan = Plan { start: 0, nr_inputs: 3, nr_workers: 1, deadline: None };
    let done = run(&Fake, &pair, &plan, &Cancel::default(), &|_| {}).unwrap();
    assert_eq!(done.tally.total(), Counts { failed: 2, ..Counts::default() });
}

#[test]
fn executors_that_cannot_be_made_are_an_error() {
    let pair = || Err::<Pair, _>(ExecutorError { text: "no KVM".to_owned() });
    let plan = Plan { start: 0, nr_inputs: 3, nr_workers: 3, deadline: None };
    let error = run(&Fake, &pair, &plan, &Cancel::default(), &|_| {}).unwrap_err();
    assert_eq!(error.to_string(), "no KVM");
}

#[test]
fn a_cancelled_run_tells_where_to_go_on() {
    let cancel = Cancel::default();
    let pair = || Ok(Pair { reference: Box::new(Told(|_, _| {})), subject: Box::new(Told(|_, _| {})) });
    let plan = Plan { start: 300, nr_inputs: 3000, nr_workers: 1, deadline: None };
    let done = run(&Fake, &pair, &plan, &cancel, &|_| cancel.cancel()).unwrap();
    assert_eq!(done.next, 300 + CHUNK);
    // Of 256 numbers from 300 on, two of three forms give an input.
    assert_eq!(done.tally.total().total(), 171);
}

/// Dies at one input, as a virtual machine may in the middle of a batch, and goes on as a new one with the next.
struct Mortal {
    nr_alive: u64,
    nr_deaths: u64,
    deadly: [u8; 2],
}

impl Executor for Mortal {
    fn name(&self) -> &str {
        "mortal"
    }

    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
        if input.code == self.deadly {
            self.nr_deaths += 1;
            self.nr_alive = 0;
            return Err(ExecutorError { text: format!("death {}", self.nr_deaths) });
        }
        self.nr_alive += 1;
        Told(|_, _| {}).execute(input)
    }
}

#[test]
fn an_input_that_kills_the_subject_in_a_batch_is_the_only_one_lost() {
    let subject = Mortal { nr_alive: 0, nr_deaths: 0, deadly: [1, 9] };
    let mut pair = Pair { reference: Box::new(Told(|_, _| {})), subject: Box::new(subject) };
    let plan = Plan { start: 0, nr_inputs: 300, nr_workers: 1, deadline: None };
    let done = super::run_with(&Fake, &mut pair, &plan, &Cancel::default());
    assert_eq!(done.tally.total(), Counts { agreed: 199, failed: 1, ..Counts::default() });
    assert_eq!(done.tally.failures, [(28, vec![1, 9], "death 1".to_owned())]);
}

/// Gives too few outputs.
struct Forgetful;

impl Executor for Forgetful {
    fn name(&self) -> &str {
        "forgetful"
    }

    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
        Told(|_, _| {}).execute(input)
    }

    fn execute_many(&mut self, inputs: &[Input]) -> Vec<Result<Output, ExecutorError>> {
        inputs.iter().skip(1).map(|input| self.execute(input)).collect()
    }
}

#[test]
fn outputs_that_are_missing_are_failures() {
    let mut pair = Pair { reference: Box::new(Told(|_, _| {})), subject: Box::new(Forgetful) };
    let plan = Plan { start: 0, nr_inputs: 30, nr_workers: 1, deadline: None };
    let done = super::run_with(&Fake, &mut pair, &plan, &Cancel::default());
    assert_eq!(done.tally.total(), Counts { agreed: 19, failed: 1, ..Counts::default() });
}

#[test]
fn a_failure_of_the_reference_costs_no_other_input() {
    let reference = Told(|input, output| {
        if input.code == [1, 3] {
            output.registers.rip = 0xdead;
        }
    });
    // What the subject does is still set against the right input.
    let subject = Told(|input, output| {
        if input.code == [1, 4] {
            output.registers.rflags = 1;
        }
    });
    let mut pair = Pair { reference: Box::new(reference), subject: Box::new(subject) };
    let plan = Plan { start: 0, nr_inputs: 30, nr_workers: 1, deadline: None };
    let done = super::run_with(&Fake, &mut pair, &plan, &Cancel::default());
    assert_eq!(done.tally.total(), Counts { agreed: 18, differed: 1, failed: 1, ..Counts::default() });
    assert_eq!(keys(&done), ["Form1 flags 13"]);
}
