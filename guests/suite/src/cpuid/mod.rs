//! CPUID.

mod basic;
pub(crate) mod bit;
mod control_bits;
mod dynamic;
mod extended;
mod instructions;
mod msr_bits;
mod topology;
mod xsave;
