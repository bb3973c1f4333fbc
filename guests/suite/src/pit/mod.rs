//! The 8254: control words, counts, modes, gates, interrupts.

mod control;
mod counting;
mod counts;
mod gate;
mod interrupts;
mod model;
