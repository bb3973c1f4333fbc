//! Non-maskable interrupts: delivery, blocking and unblocking.

mod blocking;
mod delivery;
mod priority;

/// Their vector.
const NMI: u8 = 2;
