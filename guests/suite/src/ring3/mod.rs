//! Ring 3.

mod arithmetic;
mod extended_state;
mod privilege;
mod sensitive;
mod transitions;
