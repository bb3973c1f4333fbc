//! CPUID.

mod basic;
pub(crate) mod bit;
mod consistency;
mod control_bits;
mod control_rules;
mod dynamic;
mod extended;
pub(crate) mod features;
mod instructions;
mod msr_bits;
mod topology;
mod xsave;
