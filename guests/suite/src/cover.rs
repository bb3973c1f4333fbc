//! What the lists of exits of nested virtualization say of each. It compiles for the host too, where those lists are read.

/// Whether a case provokes an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cover {
    /// This case of the area does.
    Covered(&'static str),
    /// None does, for this reason.
    NotCovered(&'static str),
}
