//! All clocks against each other.

mod agreement;
mod local_timer;
mod model;
mod real_time;
mod sources;
