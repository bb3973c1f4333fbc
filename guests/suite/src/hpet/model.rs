//! What registers of an HPET read as, and whether what was seen agrees with it. It compiles for the host too.
//!
//! Source: IA-PC HPET Specification 1.0a, "Register Model".

/// Longest period of the main counter in femtoseconds.
const PERIOD_MAX: u64 = 0x05f5_e100;

/// What is wrong with general capabilities, a bit each: 0 no revision, 1 fewer than three timers, 2 the reserved bit, 3 no
/// vendor, 4 no period or too long a one.
pub(crate) const fn wrong_capabilities(value: u64) -> u64 {
    let wrong = [
        value & 0xff == 0,
        value >> 8 & 0x1f < 2,
        value >> 14 & 1 != 0,
        value >> 16 & 0xffff == 0 || value >> 16 & 0xffff == 0xffff,
        value >> 32 == 0 || value >> 32 > PERIOD_MAX,
    ];
    let (mut bits, mut index) = (0, 0);
    while index < wrong.len() {
        bits |= (wrong[index] as u64) << index;
        index += 1;
    }
    bits
}

const LEVEL: u64 = 1 << 1;
const ENABLE: u64 = 1 << 2;
const PERIODIC: u64 = 1 << 3;
const PERIODIC_CAPABLE: u64 = 1 << 4;
const WIDE: u64 = 1 << 5;
const FORCE_32: u64 = 1 << 8;
const FSB: u64 = 1 << 14;
const FSB_CAPABLE: u64 = 1 << 15;
const READ_ONLY: u64 = PERIODIC_CAPABLE | WIDE | FSB_CAPABLE | 0xffff_ffff_0000_0000;
const ROUTE_SHIFT: u32 = 9;
const ROUTE: u64 = 0x1f << ROUTE_SHIFT;

/// What is wrong with configuration and capabilities of a timer, a bit each: 0 and 1 the reserved bits 0 and 7, 2 a mode
/// without its capability, 3 nowhere to interrupt, 4 the reserved bits 31:16, 5 more bits than the main counter.
pub(crate) const fn wrong_timer(value: u64, is_counter_wide: bool) -> u64 {
    let without = value & PERIODIC != 0 && value & PERIODIC_CAPABLE == 0
        || value & FORCE_32 != 0 && value & WIDE == 0
        || value & FSB != 0 && value & FSB_CAPABLE == 0;
    (value & 1)
        | (value >> 7 & 1) << 1
        | (without as u64) << 2
        | ((value >> 32 == 0 && value & FSB_CAPABLE == 0) as u64) << 3
        | ((value >> 16 & 0xffff != 0) as u64) << 4
        | ((value & WIDE != 0 && !is_counter_wide) as u64) << 5
}

/// Whether a timer that could do `before` reads as `after` when `written` was written, without the bit that sets the
/// accumulator. An input that is not permitted must not read back; what reads back then is open.
pub(crate) const fn is_written(before: u64, written: u64, after: u64) -> bool {
    let periodic = if before & PERIODIC_CAPABLE != 0 { PERIODIC } else { 0 };
    let force = if before & WIDE != 0 { FORCE_32 } else { 0 };
    let message = if before & FSB_CAPABLE != 0 { FSB } else { 0 };
    let writable = LEVEL | ENABLE | periodic | force | message;
    let route = written & ROUTE;
    let is_permitted = before >> (32 + (route >> ROUTE_SHIFT)) & 1 != 0;
    let is_route_right = (after & ROUTE == route) == is_permitted || !is_permitted && route == 0;
    is_route_right && after & !ROUTE == before & READ_ONLY | written & writable
}

/// Whether a comparator that began with `first` and goes on by `period` can read as `comparator` between two readings of a
/// main counter of `bits` bits: the next match is ahead, by no more than a period.
pub(crate) const fn is_ahead(first: u64, period: u64, comparator: u64, before: u64, after: u64, bits: u32) -> bool {
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let since_first = comparator.wrapping_sub(first) & mask;
    // All are near each other, so distances are small numbers of either sign.
    let ahead_of_before = comparator.wrapping_sub(before) & mask;
    let ahead_of_after = comparator.wrapping_sub(after) & mask;
    let is_ahead = ahead_of_before <= mask >> 1;
    let is_near = ahead_of_after > mask >> 1 || ahead_of_after <= period;
    comparator & !mask == 0 && since_first.is_multiple_of(period) && is_ahead && (is_near || since_first == 0)
}
