//! Leaves against each other.

pub(crate) mod dependencies;
pub(crate) mod model;
pub(crate) mod zero;

mod areas;
mod identity;
mod leaves;
