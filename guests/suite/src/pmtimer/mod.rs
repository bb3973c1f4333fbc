//! The ACPI timer: counting, width, accesses, and the status bit of its highest bit.

mod counting;
mod model;
mod status;
