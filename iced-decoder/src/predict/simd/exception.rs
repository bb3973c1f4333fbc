//! The six exceptions, and which of them an operation raises.

/// Invalid operation: bits as in MXCSR.
pub(super) const INVALID: u8 = 1;
/// A denormal operand.
pub(super) const DENORMAL: u8 = 1 << 1;
/// Division of a finite number by zero.
pub(super) const DIVIDE: u8 = 1 << 2;
/// Overflow.
pub(super) const OVERFLOW: u8 = 1 << 3;
/// Underflow.
pub(super) const UNDERFLOW: u8 = 1 << 4;
/// An inexact result.
pub(super) const PRECISION: u8 = 1 << 5;
/// Those that depend on a result.
pub(super) const BY_RESULT: u8 = OVERFLOW | UNDERFLOW | PRECISION;

/// What an operation raises, were it not masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Raised {
    /// Certainly.
    pub(super) certain: u8,
    /// Perhaps: that is not computed here.
    pub(super) possible: u8,
}

impl Raised {
    /// Nothing.
    pub(super) const NONE: Self = Self { certain: 0, possible: 0 };

    /// These for certain.
    pub(super) const fn certain(exceptions: u8) -> Self {
        Self { certain: exceptions, possible: 0 }
    }

    /// These perhaps.
    pub(super) const fn possible(exceptions: u8) -> Self {
        Self { certain: 0, possible: exceptions }
    }

    /// Both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self { certain: self.certain | other.certain, possible: self.possible | other.possible }
    }
}
