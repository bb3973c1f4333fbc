//! The bits of a PDPTE in PAE paging.
//!
//! Sources: SDM vol. 3A, "PDPTE Registers"; APM vol. 2, "PAE Paging".

use case::message::outcome::exception;

/// Whether this bit of a present PDPTE must be clear. Those of an absent one some processors look at, and others do not.
pub(crate) const fn is_reserved(bit: u32, physical_bits: u32) -> bool {
    matches!(bit, 1 | 2 | 5..=8) || bit >= physical_bits
}

/// Whether this bit may be anything: PWT, PCD, and those for software.
pub(crate) const fn is_ignored(bit: u32) -> bool {
    matches!(bit, 3 | 4 | 9..=11)
}

/// Whether an access through a present PDPTE with a reserved bit was refused: #GP(0) when it was loaded, or #PF at CPL 0
/// with the bits P and RSVD when it was used. With nested paging AMD's processors load PDPTEs when they are used.
pub(crate) const fn is_refusal(outcome: u64) -> bool {
    const RSVD_AND_P: u32 = 9;
    outcome == exception(13, 0) || outcome == exception(14, RSVD_AND_P)
}
