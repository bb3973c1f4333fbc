//! The I/O APIC: registers, delivery, level-triggered interrupts, entries changed in flight.

mod delivery;
mod level;
mod pins;
mod reconfiguration;
mod registers;
mod table;
mod virtual_wire;
