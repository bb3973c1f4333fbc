//! The timer of the local APIC.

mod counting;
mod deadline;
mod rate;
