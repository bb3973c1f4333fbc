//! What a row of the table of instructions says, and what follows from it.

use crate::cpuid::bit::{Bit, Processor, Vendor};

/// What must be enabled before an instruction works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    None,
    /// CR4.OSFXSR.
    Sse,
    /// CR4.OSXSAVE.
    Xsave,
    /// CR4.OSXSAVE, and SSE and AVX state in XCR0.
    Avx,
    /// These, and the three components of AVX-512 in XCR0.
    Avx512,
}

impl State {
    /// The components of XCR0 that it takes.
    pub(crate) const fn components(self) -> u64 {
        match self {
            Self::None | Self::Sse | Self::Xsave => 0,
            Self::Avx => 0b110,
            Self::Avx512 => 0b1110_0110,
        }
    }
}

/// What the bytes are on a processor without the feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// An invalid opcode.
    Ud,
    /// An invalid opcode by Intel's manual alone. AMD's says nothing about these bytes, and its processors execute some
    /// of them, such as 66 0F AE /6 as MFENCE.
    UdOnIntel,
    /// A NOP, or another instruction that completes, such as BSR in place of LZCNT.
    Other,
}

/// Where it can be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Levels {
    Both,
    /// At CPL 0 alone.
    Supervisor,
}

/// An instruction and the features that it takes, all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
    pub(crate) features: &'static [Bit],
    pub(crate) state: State,
    pub(crate) absent: Absent,
    pub(crate) levels: Levels,
}

/// Whether CPUID tells of all that a row takes.
pub(crate) fn is_told(row: &Row, processor: &impl Processor) -> bool {
    row.features.iter().all(|bit| processor.has(*bit))
}

/// Whether the bytes complete (else they raise #UD), given whether their feature is told and their state enabled; `None`
/// if the manuals leave it open.
pub(crate) const fn completes(row: &Row, is_told: bool, is_enabled: bool, vendor: Vendor) -> Option<bool> {
    match (row.absent, vendor) {
        (Absent::Other, _) => Some(true),
        (Absent::UdOnIntel, Vendor::Amd | Vendor::Other) if !is_told => None,
        (Absent::Ud | Absent::UdOnIntel, _) => Some(is_told && is_enabled),
    }
}

/// Why a table is refused: the row's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// No feature.
    Features(usize),
    /// No bytes, or more than an instruction has.
    Bytes(usize),
    /// The same bytes in two rows.
    Twice(usize),
}

/// The first contradiction in a table.
pub(crate) const fn contradiction(rows: &[Row]) -> Option<Contradiction> {
    let mut index = 0;
    while index < rows.len() {
        if rows[index].features.is_empty() {
            return Some(Contradiction::Features(index));
        }
        if rows[index].bytes.is_empty() || rows[index].bytes.len() > MAX_BYTES {
            return Some(Contradiction::Bytes(index));
        }
        let mut before = 0;
        while before < index {
            if are_equal(rows[before].bytes, rows[index].bytes) {
                return Some(Contradiction::Twice(index));
            }
            before += 1;
        }
        index += 1;
    }
    None
}

/// The most bytes of a row: what ends it stands in the same 16 bytes.
pub(crate) const MAX_BYTES: usize = 14;

const fn are_equal(left: &[u8], right: &[u8]) -> bool {
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}
