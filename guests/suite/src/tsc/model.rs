//! What readings of the time-stamp counter may be. It compiles for the host too, where it is tested.

/// A bound on what the counter may advance between two lines of a case: minutes, whatever the processor. A case is ended long
/// before that.
pub(crate) const SOON: u64 = 1 << 40;

/// Whether a counter that held `from` may hold `to` soon after.
pub(crate) const fn follows(from: u64, to: u64) -> bool {
    to.wrapping_sub(from) < SOON
}

/// Whether a rate that was told is one of those that measurements leave possible, or within a hundredth of one: each
/// measurement tells the least and the greatest, and all of them hold.
pub(crate) fn rate_is_possible(told_khz: u64, measured_khz: &[(u64, u64)]) -> bool {
    let low = measured_khz.iter().map(|bounds| bounds.0).max().unwrap_or(u64::MAX);
    let high = measured_khz.iter().map(|bounds| bounds.1).min().unwrap_or(0);
    low.saturating_sub(low / 100) <= told_khz && told_khz <= high.saturating_add(high / 100)
}

/// What a write does to the counter and to IA32_TSC_ADJUST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// Adds to IA32_TSC_ADJUST.
    Adjust(u64),
    /// Adds to the counter.
    Counter(u64),
}

/// Counter and IA32_TSC_ADJUST after a write, if no time passed (SDM vol. 3B, "IA32_TSC_ADJUST Register Support").
pub(crate) const fn after(counter: u64, adjust: u64, write: Write) -> (u64, u64) {
    match write {
        Write::Adjust(value) | Write::Counter(value) => (counter.wrapping_add(value), adjust.wrapping_add(value)),
    }
}

/// Whether what was read after a write is what [`after`] tells, with the time that passed: a write to IA32_TSC_ADJUST takes no
/// time into account, and one to the counter makes up for the time since it was read.
pub(crate) const fn is_after(before: (u64, u64), write: Write, read: (u64, u64)) -> bool {
    let due = after(before.0, before.1, write);
    let adjust_is_right = match write {
        Write::Adjust(_) => read.1 == due.1,
        // The counter advanced by some between being read and being written, and the write took that back.
        Write::Counter(_) => follows(read.1, due.1),
    };
    adjust_is_right && follows(due.0, read.0)
}
