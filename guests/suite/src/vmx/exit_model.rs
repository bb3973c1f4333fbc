//! What an exit must show. It compiles for the host too, where each column is tried.

/// What is known of an exit before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The exit reason.
    pub(crate) reason: u32,
    /// The exit qualification, where it is defined.
    pub(crate) qualification: Option<u64>,
    /// RIP, from where L2 started.
    pub(crate) rip: u64,
    /// Length of the instruction in bytes, where it is defined.
    pub(crate) length: Option<u64>,
    /// Interruption information, where it is valid.
    pub(crate) interruption: Option<u64>,
}

/// What an exit showed; RIP from where L2 started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) reason: u32,
    pub(crate) qualification: u64,
    pub(crate) rip: u64,
    pub(crate) length: u64,
    pub(crate) interruption: u64,
    pub(crate) vectoring: u64,
    pub(crate) rax: u64,
}

/// A column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Reason,
    Qualification,
    Rip,
    Length,
    Interruption,
    Vectoring,
    Rax,
}

/// A column that is judged, with what was seen and what is due.
pub(crate) type Judged = Option<(Column, u64, u64)>;

/// Bit 31 of interruption and IDT-vectoring information.
const VALID: u64 = 1 << 31;

impl Row {
    /// An exit of the instruction at the start of L2, whose qualification is 0.
    pub(crate) const fn instruction(reason: u32, length: u64) -> Self {
        Self { reason, qualification: Some(0), rip: 0, length: Some(length), interruption: None }
    }

    /// The same with a qualification.
    pub(crate) const fn with_qualification(self, value: u64) -> Self {
        Self { qualification: Some(value), ..self }
    }

    /// All columns that can be judged, for L2 whose RAX was `rax`. Without the exit that is due, nothing else means anything.
    pub(crate) fn columns(&self, seen: Observed, rax: u64) -> [Judged; 7] {
        let reason = Some((Column::Reason, seen.reason.into(), self.reason.into()));
        if seen.reason != self.reason {
            return [reason, None, None, None, None, None, None];
        }
        let valid = |word| if word & VALID == 0 { 0 } else { word };
        [
            reason,
            self.qualification.map(|due| (Column::Qualification, seen.qualification, due)),
            Some((Column::Rip, seen.rip, self.rip)),
            self.length.map(|due| (Column::Length, seen.length, due)),
            Some((Column::Interruption, valid(seen.interruption), self.interruption.unwrap_or(0))),
            Some((Column::Vectoring, valid(seen.vectoring), 0)),
            Some((Column::Rax, seen.rax, rax)),
        ]
    }
}
