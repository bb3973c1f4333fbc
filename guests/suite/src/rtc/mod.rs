//! The real-time clock: registers and memory, update cycles and calendar, interrupts.

mod interrupts;
mod model;
mod periodic;
mod registers;
mod update;
mod wait;
