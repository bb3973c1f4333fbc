//! Instruction emulation, cross-checked: the same instruction on the processor and on a hypervisor's emulator.

pub(crate) mod bar;
pub mod cases;
pub mod compare;
pub mod coverage;
pub mod garbled;
pub mod generated;
pub mod judge;
pub mod known;
pub mod matrix;
pub mod mmio;
pub mod oracle;
pub mod outcome;
pub mod placed;
pub mod repro;
pub mod run;
pub mod source;
pub mod state;
pub mod suite;
pub mod tally;

pub mod kvm;
pub mod native;
