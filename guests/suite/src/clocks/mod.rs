//! All clocks against each other.

mod agreement;
mod model;
mod sources;
