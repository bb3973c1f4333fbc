//! Non-maskable interrupts: delivery, blocking and unblocking. System-management interrupts.

mod blocking;
mod delivery;
mod lint1;
mod priority;
mod return_to_cpl_3;
mod smi;
mod smi_area;
mod smi_model;
mod smi_others;

/// Their vector.
const NMI: u8 = 2;
