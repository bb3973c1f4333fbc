//! The timer of the local APIC.

mod changes;
mod counting;
mod deadline;
mod deadline_and_tsc;
mod processors;
mod rate;
