//! More than one processor.

mod halt;
mod interrupts;
mod litmus;
mod running;
mod start;

pub(crate) use running::PROCESSORS;
