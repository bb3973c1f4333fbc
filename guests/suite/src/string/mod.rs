//! String instructions.

mod faults;
mod machine;
mod repeat;
mod single;
