//! Which bits MXCSR takes.
//!
//! Sources: SDM vol. 1, "Guidelines for Writing to the MXCSR Register"; APM vol. 1, "MXCSR Register". The tests of the suite
//! compile this for the host.

use case::message::outcome;

/// MXCSR behind reset: every exception masked.
pub(crate) const BY_DEFAULT: u32 = 0x1f80;

/// MXCSR_MASK: 0 in the image of FXSAVE stands for all bits but DAZ.
pub(crate) const fn mask(image: u32) -> u32 {
    if image == 0 { 0xffbf } else { image }
}

/// Actual and expected: what a load of the default with one more bit leads to, and MXCSR behind it.
pub(crate) const fn columns(mask: u32, bit: u32, outcome: u64, read: u32) -> [(u64, u64); 2] {
    let value = BY_DEFAULT | 1 << bit;
    let (due, left) =
        if value & !mask == 0 { (outcome::COMPLETED, value) } else { (outcome::exception(13, 0), BY_DEFAULT) };
    [(outcome, due), (read as u64, left as u64)]
}
