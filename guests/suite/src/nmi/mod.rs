//! Non-maskable interrupts: delivery, blocking and unblocking.

mod blocking;
mod delivery;
mod lint1;
mod priority;
mod return_to_cpl_3;

/// Their vector.
const NMI: u8 = 2;
