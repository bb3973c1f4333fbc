//! Events that VMRUN injects: which are legal, and what they push. It compiles for the host too.
//!
//! Source: APM vol. 2, "Event Injection", "Error Codes".

/// An exception that can be injected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Injected {
    /// Its vector.
    pub(crate) vector: u8,
    /// Whether it pushes an error code.
    pub(crate) has_error_code: bool,
}

const fn plain(vector: u8) -> Injected {
    Injected { vector, has_error_code: false }
}

const fn coded(vector: u8) -> Injected {
    Injected { vector, has_error_code: true }
}

/// Every exception that there is at any CPL and in 64-bit mode.
pub(crate) const EXCEPTIONS: [Injected; 14] = [
    plain(0),
    plain(1),
    plain(3),
    plain(6),
    plain(7),
    coded(8),
    coded(10),
    coded(11),
    coded(12),
    coded(13),
    coded(14),
    plain(16),
    coded(17),
    plain(19),
];

/// Types of events.
pub(crate) const INTERRUPT: u64 = 0;
/// See [`INTERRUPT`].
pub(crate) const NMI: u64 = 2;
/// See [`INTERRUPT`].
pub(crate) const EXCEPTION: u64 = 3;
/// See [`INTERRUPT`].
pub(crate) const SOFTWARE: u64 = 4;

/// Whether a valid event of this type and vector is legal; `None` where the manual does not say it of the vector.
pub(crate) const fn is_legal(kind: u64, vector: u8) -> Option<bool> {
    match kind {
        INTERRUPT | NMI | SOFTWARE => Some(true),
        EXCEPTION => match vector {
            2 | 32..=255 => Some(false),
            0 | 1 | 3 | 6..=8 | 10..=14 | 16..=19 => Some(true),
            _ => None,
        },
        _ => Some(false),
    }
}

/// A fault of the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// The gate is not present.
    GateNotPresent,
    /// The gate lies beyond the limit of the IDT.
    BeyondLimit,
    /// The gate is of a type that there is not in 64-bit mode.
    WrongType,
    /// The gate's page is not mapped.
    TableUnmapped,
    /// The stack's page is not mapped.
    StackUnmapped,
}

impl Defect {
    /// The exception of a delivery of `vector` with this defect, and its error code. Bit 0 tells an external event: all but
    /// software interrupts. Bit 1 tells that the code is an entry of the IDT.
    pub(crate) const fn exception(self, kind: u64, vector: u8) -> (u8, u64) {
        let external = if kind == SOFTWARE { 0 } else { 1 };
        let entry = (vector as u64) << 3 | 2 | external;
        match self {
            Self::GateNotPresent => (11, entry),
            Self::BeyondLimit | Self::WrongType => (13, entry),
            Self::TableUnmapped => (14, 0),
            Self::StackUnmapped => (14, 2),
        }
    }
}
