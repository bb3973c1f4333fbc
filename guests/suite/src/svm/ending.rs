//! How a run of L2 ended, as one number. It compiles for the host too.

/// A vector was delivered through L2's own gates.
pub(crate) const fn delivered(vector: u8) -> u64 {
    0x1000 | vector as u64
}

/// VMRUN raised an exception: an exit code that there is not.
pub(crate) const NOT_RUN: u64 = 0xffff_fffe;
/// L2 ended by the VMMCALL of its own code.
pub(crate) const COMPLETED: u64 = 0x81;
/// VMRUN refused the state: the low half of the exit code, which tells all exits apart.
pub(crate) const REFUSED: u64 = 0xffff_ffff;

/// The ending that an exit stands for, with the vector if it is behind a gate.
pub(crate) const fn ending(code: u64, vector: Option<u8>) -> u64 {
    match vector {
        Some(vector) if code == COMPLETED => delivered(vector),
        _ => code & 0xffff_ffff,
    }
}
