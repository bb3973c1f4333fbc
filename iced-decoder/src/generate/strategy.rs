//! Generated inputs as a strategy of proptest.

use super::Generator;
use crate::machine::Input;
use proptest::prelude::{Strategy, any};
use std::sync::Arc;

/// Any input of a generator that has at least one form. Shrinking is [`shrink`](crate::shrink::shrink)'s, which knows what an input means: the
/// strategy itself only tries lower forms and numbers.
///
/// # Panics
/// When values are made, if the generator has no form.
pub fn any_input(generator: Arc<Generator>) -> impl Strategy<Value = Input> {
    let nr_forms = generator.nr_forms();
    (0..nr_forms, any::<u64>()).prop_map(move |(form_index, nr)| generator.input(form_index, nr))
}
