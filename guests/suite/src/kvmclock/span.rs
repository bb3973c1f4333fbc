//! What may pass on a clock between two readings of another. It compiles for the host too.

/// Parts in a million by which both may differ.
const TOLERANCE: u64 = 1_500;
/// And nanoseconds: rounding.
const SLACK: u64 = 1_000;

/// Nanoseconds that may have passed: at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Span {
    /// Between two moments, each of which lies between two readings of the other clock.
    pub(crate) const fn between(first: (u64, u64), second: (u64, u64)) -> Self {
        let (least, most) = (second.0.saturating_sub(first.1), second.1.saturating_sub(first.0));
        Self {
            least: least.saturating_sub(least / 1_000_000 * TOLERANCE + SLACK),
            most: most + most / 1_000_000 * TOLERANCE + SLACK + TOLERANCE,
        }
    }

    /// Whether the clock went on by what passed and by `forward` that it was set forward. What passes while it is set may be lost.
    pub(crate) const fn holds(self, before: u64, after: u64, forward: u64) -> bool {
        let Some(passed) = after.checked_sub(before) else { return false };
        let least = if forward == 0 { self.least } else { forward };
        passed >= least && passed <= self.most + forward
    }
}
