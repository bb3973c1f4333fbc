//! The x87 tag word out of the abridged one, as a function of registers.
//!
//! Source: SDM vol. 2, "FXSAVE—Save x87 FPU, MMX Technology, and SSE State", table "Recreating FSAVE Format". It compiles
//! for the host, see `tests/state.rs`.

/// A value of 80 bits: sign and exponent, significand.
pub(crate) type Extended = (u16, u64);

/// The tag of a register that is in use: 0 valid, 1 zero, 2 special.
pub(crate) const fn tag((exponent, significand): Extended) -> u16 {
    match (exponent & 0x7fff, significand) {
        (0, 0) => 1,
        (0 | 0x7fff, _) => 2,
        (_, significand) if significand >> 63 == 0 => 2,
        _ => 0,
    }
}

/// The tag word: `abridged` has a bit for each physical register, `stack` is from ST(0) on.
pub(crate) const fn tag_word(abridged: u8, top: usize, stack: &[Extended; 8]) -> u16 {
    let mut word = 0;
    let mut register = 0;
    while register < 8 {
        let tag = if abridged >> register & 1 == 0 { 3 } else { tag(stack[(register + 8 - top) % 8]) };
        word |= tag << (register * 2);
        register += 1;
    }
    word
}
