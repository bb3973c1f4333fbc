//! What the ACPI timer and its status show. It compiles for the host too.
//!
//! Source: ACPI, "Power Management Timer", "PM1 Event Grouping".

/// Ticks between two readings of a timer of `width` bits.
pub(crate) const fn passed(first: u32, second: u32, width: u32) -> u32 {
    second.wrapping_sub(first) & mask(width)
}

/// The bits that a timer of `width` bits has.
pub(crate) const fn mask(width: u32) -> u32 {
    if width >= 32 { u32::MAX } else { (1 << width) - 1 }
}

/// Whether a reading of some bytes at an offset can lie between two readings of all four, which are near each other.
pub(crate) const fn is_part(before: u32, part: u32, after: u32, offset: u32, size: u32) -> bool {
    let (shift, mask) = (8 * offset, mask(8 * size));
    if part & !mask != 0 {
        return false;
    }
    let (low, high) = (before >> shift, after >> shift);
    // As many values as there are between the two, if fewer than there are at all.
    let range = if after < before { (u32::MAX >> shift).wrapping_sub(low).wrapping_add(high + 1) } else { high - low };
    range >= mask || (part.wrapping_sub(low) & mask) <= range
}

/// What the highest bit and the status tell, of two looks at timer and status between which the status was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carry {
    /// The bit changed and the status is set, or neither.
    Right,
    /// The bit changed, and the status is clear.
    Missed,
    /// The status is set, and the bit did not change.
    Invented,
}

/// Judges a status that was clear: the timer was read before it was cleared, `then` behind it and `now` before the status.
pub(crate) const fn carry(then: u32, now: u32, later: u32, status: bool, width: u32) -> Carry {
    let bit = 1 << (width - 1);
    let has_changed = (then ^ now) & bit != 0;
    let may_have_changed = (then ^ later) & bit != 0;
    match (has_changed, may_have_changed, status) {
        (true, _, false) => Carry::Missed,
        (false, false, true) => Carry::Invented,
        _ => Carry::Right,
    }
}

/// Ticks until the highest bit changes.
pub(crate) const fn until_carry(value: u32, width: u32) -> u32 {
    let half = 1_u32 << (width - 1);
    half - (value & (half - 1))
}
