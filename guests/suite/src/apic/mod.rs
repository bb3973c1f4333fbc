//! The local APIC.

mod destination_model;
mod end_of_interrupt;
mod errors;
mod errors_model;
mod four;
mod guest;
mod interprocessor;
mod interrupting;
mod local_vectors;
mod mode_model;
mod modes;
mod others;
mod per_processor;
mod pins;
mod priorities;
mod priority_model;
mod registers;
mod spurious;
mod table;
mod walk;
