//! Who is to blame: the subject, the oracle, or nobody.

use super::*;
use crate::emulation::generated::expectation;
use iced_decoder::{
    Bitness, Predictor, Registers,
    machine::window::{CODE, CODE_OFFSET, Window},
};

/// `mov eax, [rbx]`.
fn load() -> Input {
    let mut registers = Registers { rip: CODE + CODE_OFFSET, ..Registers::default() };
    registers.general[3] = Window::Plain.address();
    Input {
        bitness: Bitness::Bits64,
        code: vec![0x8b, 0x03],
        registers,
        extended: None,
        window: Window::Plain,
        memory_seed: 1,
        memory: Vec::new(),
    }
}

/// What the instruction does, changed by the function.
struct Told(fn(&mut Output));

impl Executor for Told {
    fn name(&self) -> &str {
        "told"
    }

    fn execute(&mut self, input: &Input) -> Result<Output, ExecutorError> {
        let mut registers = input.registers;
        registers.rip += 2;
        registers.general[0] = 0x1234;
        let memory = input.content();
        let mut output = Output { end: End::Completed, registers, extended: None, memory, accesses: None };
        (self.0)(&mut output);
        Ok(output)
    }
}

fn verdict(reference: fn(&mut Output), subject: fn(&mut Output)) -> Verdict {
    let mut pair = Pair { reference: Box::new(Told(reference)), subject: Box::new(Told(subject)) };
    judge(&mut pair, &|input| expectation(&mut Predictor::default(), input), &load()).unwrap()
}

fn fields(verdict: Verdict) -> String {
    match verdict {
        Verdict::Agreed => String::new(),
        Verdict::Finding { fields, .. } => fields,
    }
}

#[test]
fn a_reference_that_the_oracle_rules_out_blames_no_subject() {
    let wrong: fn(&mut Output) = |output| output.registers.general[5] = 1;
    assert_eq!(fields(verdict(|_| {}, |_| {})), "");
    assert_eq!(fields(verdict(|_| {}, wrong)), "registers");
    assert_eq!(fields(verdict(wrong, |_| {})), ORACLE);
    // Even if both executors agree.
    let Verdict::Finding { fields, difference } = verdict(wrong, wrong) else { panic!("hidden") };
    let expected = [("registers".to_owned(), "rbp 0x0 as before".to_owned(), "0x1".to_owned())];
    assert_eq!((fields.as_str(), difference.details), (ORACLE, expected.to_vec()));
}

#[test]
fn the_reference_alone_is_set_against_the_oracle() {
    let of = |reference: fn(&mut Output)| {
        let mut alone = Alone(Box::new(Told(reference)));
        judge(&mut alone, &|input| expectation(&mut Predictor::default(), input), &load()).map(fields)
    };
    assert_eq!(of(|_| {}).unwrap(), "");
    assert_eq!(of(|output| output.memory[0] ^= 1).unwrap(), ORACLE);
    assert!(of(|output| output.end = End::Hung).is_err());
}

#[test]
fn what_is_not_predicted_is_not_contradicted() {
    let mut pair =
        Pair { reference: Box::new(Told(|output| output.registers.rip = 0)), subject: Box::new(Told(|_| {})) };
    let verdict = judge(&mut pair, &|_| Expectation::default(), &load()).unwrap();
    assert_eq!(fields(verdict), "rip");
}
