//! Interrupt set-ups as values of options: one place, so that help, completions and errors agree.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use testcases::catalog::InterruptSetup;

/// Reads the name of a set-up; help and completions tell each with what it is.
pub(crate) fn parser() -> impl TypedValueParser<Value = InterruptSetup> {
    let value = |setup: &InterruptSetup| PossibleValue::new(setup.name()).help(setup.title());
    PossibleValuesParser::new(InterruptSetup::ALL.iter().map(value)).try_map(|name| name.parse::<InterruptSetup>())
}
