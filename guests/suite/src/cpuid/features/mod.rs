//! Feature bits, each tied to instructions: they work if and only if the bit is set and their state is enabled.

pub(crate) mod model;
pub(crate) mod rows;

mod drive;
mod supervisor;
mod user;
