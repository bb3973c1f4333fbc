//! Exceptions.

mod control_registers;
mod debug;
mod delivery;
mod floating_point;
mod frames;
mod invalid_opcodes;
mod page_faults;
mod segments;
mod vectors;
