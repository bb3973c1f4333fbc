//! Which accesses a data breakpoint matches.
//!
//! Sources: SDM vol. 3B, "Breakpoint Field Recognition" and "Data Memory and I/O Breakpoint Exception Conditions"; APM
//! vol. 2, "Data-Access Breakpoints". The tests of the suite compile this for the host.

/// Whether the access touches a byte of the breakpoint, whose address is that of offset 0 and aligned to its length.
pub(crate) const fn overlaps(length: u64, offset: i64, size: u64) -> bool {
    offset < length as i64 && offset + (size as i64) > 0
}

/// The offsets at which an access of this size just misses or just touches a breakpoint of this length, from below and
/// from above; and one that covers both their first bytes.
pub(crate) const fn borders(length: u64, size: u64) -> [i64; 5] {
    let (length, size) = (length as i64, size as i64);
    [-size, -size + 1, 0, length - 1, length]
}

/// Whether the breakpoint's condition takes the access: writes alone, or both.
pub(crate) const fn takes(reads_too: bool, writes: bool) -> bool {
    writes || reads_too
}

/// Bit n is set if the access at border n breaks.
pub(crate) const fn expected(length: u64, size: u64, reads_too: bool, writes: bool) -> u64 {
    let borders = borders(length, size);
    let mut mask = 0;
    let mut index = 0;
    while index < borders.len() {
        if takes(reads_too, writes) && overlaps(length, borders[index], size) {
            mask |= 1 << index;
        }
        index += 1;
    }
    mask
}

/// Lengths of breakpoints and sizes of accesses.
pub(crate) const SIZES: [u64; 4] = [1, 2, 4, 8];

/// Whether what was seen is a break behind an access of so many bytes of code: #DB, a trap.
pub(crate) const fn is_break(outcome: u64, ip: u64, nr_bytes: usize) -> bool {
    outcome == case::message::outcome::exception(1, 0) && ip == nr_bytes as u64
}

/// Actual and expected: the borders that broke, and the causes in DR6 of all that did.
pub(crate) const fn columns(expected: u64, number: u32, mask: u64, causes: u64) -> [(u64, u64); 2] {
    [(mask, expected), (causes, if expected == 0 { 0 } else { 1 << number })]
}
