//! Leaves against each other.

pub(crate) mod dependencies;
mod enumerations;
pub(crate) mod model;
pub(crate) mod zero;

mod areas;
mod identity;
mod leaves;

pub(super) use leaves::Guest;
