//! The two 8259As of a PC: initialisation, priorities, ends of interrupts, polls, cascade, edge/level control.

mod board;
mod directed;
mod guest;
mod initialization;
pub(crate) mod lines;
mod model;
mod rotation_and_nesting;
mod script;
mod spurious;
mod spurious_model;
mod walk;
mod walks;
