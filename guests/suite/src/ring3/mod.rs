//! Ring 3.

mod arithmetic;
mod arithmetic_model;
mod extended_state;
mod privilege;
mod sensitive;
mod transitions;
