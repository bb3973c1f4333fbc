//! More than one processor.

mod litmus;
mod running;
