//! The high precision event timers: registers, the main counter, comparators, interrupts.

mod comparators;
mod counter;
mod interrupts;
mod legacy;
mod model;
mod periodic;
mod registers;
mod timers;
