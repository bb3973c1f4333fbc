//! Arithmetic of KVM's clock. It compiles for the host too, where it is tested.

/// Nanoseconds that so many counts of the time-stamp counter take, by multiplier and shift: shifted left by `shift`, or right
/// by its magnitude if it is negative, multiplied, and shifted right by 32 (KVM, "KVM-specific MSRs").
pub const fn nanoseconds(ticks: u64, multiplier: u32, shift: i8) -> u64 {
    // A shift that no 64-bit value survives is the hypervisor's mistake, and gives 0.
    let shifted = match shift {
        0..=63 => ticks << shift,
        -63..=-1 => ticks >> -shift,
        _ => 0,
    };
    ((shifted as u128 * multiplier as u128) >> 32) as u64
}

/// The rate of the time-stamp counter in kHz that multiplier and shift stand for; 0 for a multiplier of 0.
pub const fn khz(multiplier: u32, shift: i8) -> u64 {
    if multiplier == 0 {
        return 0;
    }
    let per_millisecond = (1_000_000_u128 << 32) / multiplier as u128;
    (match shift {
        0..=63 => per_millisecond >> shift,
        -31..=-1 => per_millisecond << -shift,
        _ => 0,
    }) as u64
}

/// By how many parts in a million `actual` differs from `expected`.
pub const fn parts_per_million(actual: u64, expected: u64) -> u64 {
    if expected == 0 {
        return u64::MAX;
    }
    let parts = actual.abs_diff(expected) as u128 * 1_000_000 / expected as u128;
    if parts > u64::MAX as u128 { u64::MAX } else { parts as u64 }
}
