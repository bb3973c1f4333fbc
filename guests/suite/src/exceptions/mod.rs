//! Exceptions.

mod invalid_opcodes;
mod page_faults;
mod segments;
mod vectors;
