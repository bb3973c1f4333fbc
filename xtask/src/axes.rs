//! Axes as values of options: one place, so that help, completions and errors agree.

use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, TypedValueParser},
    error::ErrorKind,
};
use std::ffi::OsStr;
use testcases::axis::Axis;

/// Reads an axis; completions tell those that need no number.
pub(crate) fn parser() -> impl TypedValueParser<Value = Axis> {
    Parser
}

#[derive(Clone, Copy)]
struct Parser;

impl TypedValueParser for Parser {
    type Value = Axis;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Axis, Error> {
        let told = |error| Error::raw(ErrorKind::ValueValidation, format!("{error}\n")).with_cmd(command);
        value.to_string_lossy().parse().map_err(|error: testcases::axis::ParseError| told(error))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Axis::COMPLETED.iter().map(|(name, title)| PossibleValue::new(name).help(title))))
    }
}
