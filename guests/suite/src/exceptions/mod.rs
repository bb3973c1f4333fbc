//! Exceptions.

mod control_registers;
mod debug;
mod delivery;
mod floating_point;
mod frames;
mod invalid_opcodes;
mod mode;
mod page_faults;
mod program;
mod segments;
mod step_by_mode;
mod step_model;
mod vector_model;
mod vectors;
mod vectors_by_mode;
