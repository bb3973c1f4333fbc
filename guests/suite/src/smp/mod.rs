//! More than one processor.

mod running;
