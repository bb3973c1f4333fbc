//! Instruction emulation, cross-checked: the same instruction on the processor and on a hypervisor's emulator.

pub mod compare;
pub mod coverage;
pub mod known;
pub mod run;
pub mod source;
pub mod tally;

pub mod kvm;
pub mod native;
