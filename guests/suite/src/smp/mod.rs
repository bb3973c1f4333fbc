//! More than one processor.

mod atomics;
mod code;
mod halt;
mod interrupts;
mod litmus;
mod rights;
mod running;
mod shootdown;
mod start;
mod storm;
mod together;

pub(crate) use running::PROCESSORS;
