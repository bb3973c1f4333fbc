//! Which accesses raise #AC.
//!
//! Sources: SDM vol. 3A, "Interrupt 17—Alignment Check Exception (#AC)", table "Alignment Requirements by Data Type"; APM
//! vol. 2, "#AC—Alignment-Check Exception (Vector 17)". The tests of the suite compile this for the host.

use case::message::outcome;

/// How many distances from an aligned address are tried: 0 to 8.
pub(crate) const NR_OFFSETS: u64 = 9;

/// What enables the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Enabled {
    /// CR0.AM.
    pub(crate) mask: bool,
    /// EFLAGS.AC.
    pub(crate) flag: bool,
    /// CPL 3.
    pub(crate) is_user: bool,
}

/// Bit n is set if an access of `size` bytes, n bytes behind an address that is aligned to 16, raises #AC.
pub(crate) const fn expected(enabled: Enabled, size: u64) -> u64 {
    let mut mask = 0;
    if enabled.mask && enabled.flag && enabled.is_user {
        let mut offset = 0;
        while offset < NR_OFFSETS {
            if offset % size != 0 {
                mask |= 1 << offset;
            }
            offset += 1;
        }
    }
    mask
}

/// What the accesses of one row led to: bit n is that at distance n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// #AC(0) at the instruction.
    pub(crate) checked: u64,
    /// Anything else but its end.
    pub(crate) other: u64,
}

impl Seen {
    /// Nothing yet.
    pub(crate) const NOTHING: Self = Self { checked: 0, other: 0 };

    /// Takes what the access at a distance led to.
    pub(crate) const fn take(&mut self, offset: u64, outcome: u64, ip: u64) {
        if outcome == outcome::exception(17, 0) && ip == 0 {
            self.checked |= 1 << offset;
        } else if outcome != outcome::COMPLETED {
            self.other |= 1 << offset;
        }
    }
}

/// Actual and expected: the distances that raise #AC(0), and those that raise something else.
pub(crate) const fn columns(enabled: Enabled, size: u64, seen: Seen) -> [(u64, u64); 2] {
    [(seen.checked, expected(enabled, size)), (seen.other, 0)]
}
