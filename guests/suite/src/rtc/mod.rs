//! The real-time clock: registers and memory, update cycles and calendar, interrupts.

mod interrupts;
pub(crate) mod model;
mod periodic;
mod power_on;
mod registers;
mod slow;
mod update;
pub(crate) mod wait;
