//! The VMM on the host's KVM, with tiny guests that the tests assemble. One binary: it is linked once.

mod command;
mod confinement;
mod control;
mod cpu_hot_plug;
mod exits;
mod gdb;
mod guest;
mod high_memory;
mod hot_plug;
mod interrupts;
mod long_mode;
mod migration;
mod payloads;
mod pc;
mod platform;
mod processors;
mod reusable;
mod save;
mod saved_clocks;
mod saved_devices;
mod stops;
mod taps;
mod virtio;
mod waits;
