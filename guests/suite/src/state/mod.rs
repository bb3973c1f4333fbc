//! x87, vector and extended state, and the instructions and control registers that manage it.

mod amx;
mod component;
mod control_bits;
mod environment;
mod environment_model;
mod exceptions;
mod extended_environment;
mod fxsave;
mod header;
mod masking;
mod masking_model;
mod memory;
mod mxcsr;
mod mxcsr_model;
mod numeric;
mod pkru;
mod pkru_model;
mod registers;
mod survival;
mod survival_vector;
mod sweep;
mod tags;
mod unreported;
mod unreported_model;
mod upper;
mod upper_model;
mod waiting;
mod waiting_model;
mod xcr0;
mod xsave;
mod xsaves;

use rt::{Exception, instruction};

/// Writes XCR0. CR4.OSXSAVE must be set.
///
/// # Errors
/// The exception that XSETBV raises.
fn xsetbv(value: u64) -> Result<(), Exception> {
    instruction!("xsetbv", in("ecx") 0, in("eax") value as u32, in("edx") (value >> 32) as u32)
}
