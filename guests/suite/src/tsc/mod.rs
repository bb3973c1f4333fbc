//! The time-stamp counter: on one processor and across several.

mod across;
mod adjust;
mod counter;
mod model;
mod reading;
