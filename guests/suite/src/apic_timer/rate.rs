//! Rates of a counter that counts down, from readings between two readings of the time-stamp counter. It compiles for the
//! host too.
//!
//! A rate is an interval that surely holds the true one, however long the host held the processor up between two
//! readings; so two rates that ought to be equal are only found different if they are.

/// A reading: the time-stamp counter before, the counter, the time-stamp counter after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) before: u64,
    pub(crate) count: u32,
    pub(crate) after: u64,
}

/// Counts in 2^32 counts of the time-stamp counter: the least and the most that there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Rate {
    /// From two readings, of which the second came later and the counter did not reach zero. The count may have been about to
    /// change at both.
    pub(crate) fn between(first: Reading, second: Reading) -> Option<Self> {
        let counted = u64::from(first.count.checked_sub(second.count)?);
        let longest = second.after.checked_sub(first.before)?;
        let shortest = second.before.checked_sub(first.after)?;
        let least = (counted.saturating_sub(1) << 32).checked_div(longest)?;
        let most = ((counted + 1) << 32).checked_div(shortest)?;
        Some(Self { least, most })
    }

    /// The rate of the clock that is divided.
    pub(crate) const fn undivided(self, divisor: u64) -> Self {
        Self { least: self.least * divisor, most: self.most * divisor }
    }

    /// Whether one true rate can be in both, with this difference in parts per million.
    pub(crate) const fn agrees(self, other: Self, tolerance_ppm: u64) -> bool {
        let slack = other.most / 1_000_000 * tolerance_ppm;
        self.least <= other.most + slack && other.least <= self.most + slack
    }

    /// Whether it is known to better than this many parts per million.
    pub(crate) const fn is_known(self, ppm: u64) -> bool {
        self.most - self.least <= self.least / 1_000_000 * ppm
    }
}

/// The divide configuration register for a divisor's power of two ("Divide Configuration Register"): 0 is 1, 7 is 128.
pub(crate) const fn divide_configuration(power: u32) -> u32 {
    let field = (power + 7) & 7;
    field & 3 | (field & 4) << 1
}
