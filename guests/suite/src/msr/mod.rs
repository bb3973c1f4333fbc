//! Model-specific registers.

mod access;
mod efer;
mod kept;
mod mtrr;
mod pat;
mod segment_bases;
mod syscall;
mod table;
mod tsc;
mod tsc_aux;

/// Addresses that are canonical neither with 48 nor with 57 bits: bits 63 to 56 are not all the same.
const NON_CANONICAL: [u64; 4] = [1 << 56, 1 << 63, 0xfeff_ffff_ffff_ffff, 0x7fff_ffff_ffff_ffff];
