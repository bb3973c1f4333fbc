//! Rates from pairs of readings. It compiles for the host too, where it is tested.
//!
//! A host may take its time away between any two instructions, so a single reading says little: of many pairs the median is
//! taken, which half of them would have to spoil in the same direction.

/// Parts in a million by which a median may be off: quartzes differ by 100, the discipline of a host's clock by 500; a rate that
/// is off by 1 % is found.
pub(crate) const TOLERANCE: u64 = 5_000;

/// The median of `N` rates, each of two readings of (reference, time) that are `apart` counts of the reference from each
/// other: how much time passes in 2^32 counts of the reference. `None` if a reading fails or time does not pass.
pub(crate) fn median_rate<const N: usize>(apart: u64, mut reading: impl FnMut() -> Option<(u64, u64)>) -> Option<u64> {
    let mut rates = [0; N];
    for rate in &mut rates {
        let start = reading()?;
        let end = until(start.0.wrapping_add(apart), &mut reading)?;
        let (counts, time) = (end.0.wrapping_sub(start.0), end.1.wrapping_sub(start.1));
        *rate = u64::try_from((u128::from(time) << 32) / u128::from(counts)).unwrap_or(u64::MAX);
    }
    sort(&mut rates);
    rates.get(N / 2).copied()
}

/// How many readings a pair takes at most: a reference that stands must not keep a case.
const MAX_READINGS: u32 = 1 << 14;

fn until(reference: u64, reading: &mut impl FnMut() -> Option<(u64, u64)>) -> Option<(u64, u64)> {
    for _ in 0..MAX_READINGS {
        let now = reading()?;
        if now.0.wrapping_sub(reference) as i64 >= 0 {
            return Some(now);
        }
    }
    None
}

/// By insertion: a dozen values, and nothing of `core` that ring 0 must not reach.
fn sort(values: &mut [u64]) {
    for end in 1..values.len() {
        let mut at = end;
        while at > 0 && values[at - 1] > values[at] {
            values.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// Whether `actual` is within so many parts in a million of `expected`.
pub(crate) fn within(actual: u64, expected: u64, parts_per_million: u64) -> bool {
    u128::from(actual.abs_diff(expected)) * 1_000_000 <= u128::from(expected) * u128::from(parts_per_million)
}

/// A reading of a counter between two of the time-stamp counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) before: u64,
    pub(crate) count: u64,
    pub(crate) after: u64,
}

impl Reading {
    /// Of several readings the one that took the shortest time.
    pub(crate) fn closest(mut read: impl FnMut() -> Self) -> Self {
        let mut best = read();
        for _ in 0..7 {
            let reading = read();
            if reading.after.wrapping_sub(reading.before) < best.after.wrapping_sub(best.before) {
                best = reading;
            }
        }
        best
    }

    /// Counts in 2^32 ticks of the time-stamp counter until a later reading: the least and the most that there can be, however
    /// long a host took its time away. `None` if one of the two counters did not go on.
    pub(crate) fn rate_until(self, later: Self) -> Option<Interval> {
        let counted = u128::from(later.count.checked_sub(self.count)?);
        let longest = u128::from(later.after.checked_sub(self.before)?);
        let shortest = u128::from(later.before.checked_sub(self.after)?);
        if counted == 0 || shortest == 0 {
            return None;
        }
        // Either count may have been about to change.
        let least = ((counted - 1) << 32) / longest;
        let most = ((counted + 1) << 32) / shortest;
        Some(Interval { least: u64::try_from(least).ok()?, most: u64::try_from(most).ok()? })
    }
}

/// Interrupts of a period: when the one began behind which they are counted, between two readings of the time-stamp counter.
///
/// An interrupt that a host delays is late and never early, and two that it joins make all later ones late. So none may be early,
/// and one that is far enough behind has to be in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Train {
    pub(crate) period: u64,
    pub(crate) after: u64,
    pub(crate) before: u64,
}

impl Train {
    /// Whether interrupt `number`, 1 the first, came at `at` although it is not due by then.
    pub(crate) fn is_early(self, number: u64, at: u64) -> bool {
        let due = number * self.period;
        at.wrapping_sub(self.after) < due - due / 1_000_000 * TOLERANCE
    }

    /// Whether it came no later than it is due.
    pub(crate) fn is_in_time(self, number: u64, at: u64) -> bool {
        let due = number * self.period;
        at.saturating_sub(self.before) <= due + due / 1_000_000 * TOLERANCE
    }
}

/// What surely holds a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Interval {
    /// Whether the rate can be within so many parts in a million of `expected`.
    pub(crate) fn can_be(self, expected: u64, parts_per_million: u64) -> bool {
        (self.least..=self.most).contains(&expected)
            || within(self.least, expected, parts_per_million)
            || within(self.most, expected, parts_per_million)
    }

    /// Whether it is narrower than so many parts in a million.
    pub(crate) fn is_known(self, parts_per_million: u64) -> bool {
        within(self.least, self.most, parts_per_million)
    }
}
