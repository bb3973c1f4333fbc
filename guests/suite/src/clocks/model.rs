//! Whether two clocks go equally fast, from what surely holds their rates. It compiles for the host too.
//!
//! The statistical tolerance is this: each clock is read several times at both ends of a span, between two readings of the
//! time-stamp counter, and of those readings the one counts that took the shortest time. What passed by the counter is then known
//! within the two intervals, so that the clock's rate lies in an interval too, however long the host ran something else. Several
//! spans are measured, and of each clock the narrowest interval counts. Two clocks agree if their intervals come closer
//! than [`TOLERANCE`].

/// Parts in a million by which two clocks may differ: quartzes differ by 100, the discipline of a host's clock by 500.
pub(crate) const TOLERANCE: u64 = 1_500;
/// Parts in a million within which an interval says enough: together with the tolerance, 1 % is found.
pub(crate) const KNOWN: u64 = 3_000;

/// A clock's rate: between `least` and `most` counts in 2^32 of the time-stamp counter, where `hertz` make a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) least: u64,
    pub(crate) most: u64,
    pub(crate) hertz: u64,
}

impl Rate {
    /// Whether both clocks can agree: within a second of one, a second of the other passes.
    pub(crate) const fn agrees(self, other: Self) -> bool {
        !self.is_faster(other) && !other.is_faster(self)
    }

    /// Whether it is surely faster, by more than the tolerance.
    const fn is_faster(self, other: Self) -> bool {
        let own = self.least as u128 * other.hertz as u128 * 1_000_000;
        let others = other.most as u128 * self.hertz as u128 * (1_000_000 + TOLERANCE as u128);
        own > others
    }

    /// How wide the interval is in parts in a million.
    pub(crate) const fn width(self) -> u64 {
        if self.least == 0 {
            return u64::MAX;
        }
        let width = (self.most - self.least) as u128 * 1_000_000 / self.least as u128;
        if width > u64::MAX as u128 { u64::MAX } else { width as u64 }
    }
}

/// Microseconds that the first update of a real-time clock comes behind the release of its divider: half a second, and the update
/// cycle, whose beginning or end an implementation may show.
const FIRST_UPDATE: (u64, u64) = (500_000, 502_015);

/// The rate of a real-time clock in microseconds, from the release of its divider and the first update, each between two readings of
/// the time-stamp counter.
pub(crate) fn half_second(released: Reading, updated: Reading) -> Option<Rate> {
    let longest = updated.after.checked_sub(released.before)?;
    let shortest = updated.before.checked_sub(released.after)?;
    let least = (FIRST_UPDATE.0 << 32).checked_div(longest)?;
    // A host that took the time away in which it was due leaves no upper bound.
    let most = (FIRST_UPDATE.1 << 32).checked_div(shortest).unwrap_or(u64::MAX);
    Some(Rate { least, most, hertz: 1_000_000 })
}

impl Rate {
    /// The rate where `hertz` itself was measured, and is known within so many parts in a million: half of them on either side.
    pub(crate) fn widened(self, parts_per_million: u64) -> Self {
        let share = |rate: u64| (u128::from(rate) * u128::from(parts_per_million) / 2_000_000) as u64 + 1;
        Self {
            least: self.least.saturating_sub(share(self.least)),
            most: self.most.saturating_add(share(self.most)),
            ..self
        }
    }
}

/// A reading of a counter that counts up, between two of the time-stamp counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) before: u64,
    pub(crate) count: u64,
    pub(crate) after: u64,
}

/// The rate from two readings of a counter of so many bits that went round once at most; `None` if one of the two counters did not go on.
pub(crate) fn rate(first: Reading, second: Reading, hertz: u64, bits: u32) -> Option<Rate> {
    let mask = u64::MAX >> (64 - bits);
    let counted = second.count.wrapping_sub(first.count) & mask;
    // More than half of the range is a counter that went back.
    if counted > mask / 2 {
        return None;
    }
    let counted = u128::from(counted);
    let longest = u128::from(second.after.checked_sub(first.before)?);
    let shortest = u128::from(second.before.checked_sub(first.after)?);
    if counted == 0 || shortest == 0 {
        return None;
    }
    // Either count may have been about to change.
    let least = u64::try_from(((counted - 1) << 32) / longest).ok()?;
    let most = u64::try_from(((counted + 1) << 32) / shortest).ok()?;
    Some(Rate { least, most, hertz })
}
