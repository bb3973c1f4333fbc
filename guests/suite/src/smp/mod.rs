//! More than one processor.

mod atomics;
mod halt;
mod interrupts;
mod litmus;
mod running;
mod shootdown;
mod start;

pub(crate) use running::PROCESSORS;
