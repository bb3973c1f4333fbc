//! Non-maskable interrupts: delivery, blocking and unblocking.

mod blocking;
mod delivery;

/// Their vector.
const NMI: u8 = 2;
