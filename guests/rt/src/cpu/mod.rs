//! Processor state as safe calls. What can fault returns a `Result`; what must not leak into the next line of a case
//! is undone.

pub mod control;
pub mod cpuid;
pub mod debug;
pub mod feature_bit;
pub mod hypercall;
pub mod instruction;
pub mod msr;
pub mod port;
pub mod port_string;
pub mod shadow_stack;
