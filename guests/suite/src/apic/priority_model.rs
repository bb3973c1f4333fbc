//! The processor's priority, and what it lets through. It compiles for the host too.
//!
//! Source: SDM vol. 3A, "Task and Processor Priorities".

/// Priority class of a vector or priority.
pub(crate) const fn class(value: u8) -> u8 {
    value >> 4
}

/// Whether the manual allows this processor priority while `served` is the highest vector in service (0 for none). Of equal
/// classes it leaves the subclass to the processor: that of the task priority, or 0.
pub(crate) const fn allows(ppr: u8, tpr: u8, served: u8) -> bool {
    if class(tpr) > class(served) {
        ppr == tpr
    } else if class(tpr) == class(served) {
        ppr == tpr || ppr == tpr & 0xf0
    } else {
        ppr == served & 0xf0
    }
}

/// Whether a vector that is requested interrupts.
pub(crate) const fn is_delivered(vector: u8, tpr: u8, served: u8) -> bool {
    class(vector) > class(tpr) && class(vector) > class(served)
}

/// The task priorities to try with a vector in service (0 for none): the lowest, the highest, and those around its class.
pub(crate) fn around(served: u8) -> [u8; 5] {
    let class = class(served);
    let classes = if class == 0 { [0, 2, 7, 12, 15] } else { [0, class - 1, class, class + 1, 15] };
    // A subclass, which must not count.
    classes.map(|class| if class < 16 { class << 4 | class } else { 0xf4 })
}

/// The vectors to try under a priority: the last of its class and the first of the next, as far as they are free to use.
pub(crate) fn near(tpr: u8, served: u8) -> impl Iterator<Item = u8> {
    let limit = if class(tpr) > class(served) { class(tpr) } else { class(served) };
    [limit << 4 | 0xe, (limit + 1) << 4 & 0xf0, limit << 4 & 0xf0 | 1]
        .into_iter()
        .filter(move |vector| *vector >= 0x20 && *vector != served)
}
