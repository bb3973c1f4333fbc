//! What VMRUN refuses: one field of a legal state at a time. It compiles for the host too.
//!
//! Source: APM vol. 2, "Canonicalization and Consistency Checks".

/// How a field is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Bits are set.
    Set(u64),
    /// Bits are cleared.
    Clear(u64),
    /// Bits are changed.
    Flip(u64),
    /// All is replaced.
    To(u64),
}

impl Change {
    /// The field's new value.
    pub(crate) const fn apply(self, value: u64) -> u64 {
        match self {
            Self::Set(bits) => value | bits,
            Self::Clear(bits) => value & !bits,
            Self::Flip(bits) => value ^ bits,
            Self::To(other) => other,
        }
    }
}

/// A field, its width in bytes, up to two changes, and whether the state is legal then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) field: u64,
    pub(crate) width: u8,
    pub(crate) change: Change,
    pub(crate) is_legal: bool,
}

pub(crate) const fn illegal(field: u64, width: u8, change: Change) -> Rule {
    Rule { field, width, change, is_legal: false }
}

pub(crate) const fn legal(field: u64, width: u8, change: Change) -> Rule {
    Rule { field, width, change, is_legal: true }
}

/// Whether an exit code says what the rule does: refused, or the end that L2 itself makes.
pub(crate) const fn agrees(rule: &Rule, code: u64, refused: u64, ended: u64) -> bool {
    code == if rule.is_legal { ended } else { refused }
}

/// The exit code that a rule wants.
pub(crate) const fn due(rule: &Rule, refused: u64, ended: u64) -> u64 {
    if rule.is_legal { ended } else { refused }
}
