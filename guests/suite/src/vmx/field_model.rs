//! What VMREAD and VMWRITE must do with a field. It compiles for the host too.

use super::{field, reason::error};
use case::Needs;
use field::{Field, Kind, Presence};

/// Whether a processor with these offers has a field; `None` if nothing tells.
pub(crate) fn is_present(field: &Field, offers: Needs) -> Option<bool> {
    match field.presence {
        Presence::Always => Some(true),
        Presence::With(need) => Some(offers.intersects(need)),
        Presence::Untold => None,
    }
}

/// The error of a VMWRITE, or `None` if it succeeds.
pub(crate) fn write_outcome(field: &Field, present: bool, offers: Needs) -> Option<u32> {
    match field::kind(field.encoding) {
        _ if !present => Some(error::UNSUPPORTED_FIELD),
        Kind::ReadOnly if !offers.contains(Needs::VMX_WRITES_ALL_FIELDS) => Some(error::VMWRITE_READ_ONLY),
        _ => None,
    }
}

/// Whether a field keeps every bit of its width: of access rights the manual reserves some, and the processor may keep or lose them.
pub(crate) fn keeps_all_bits(field: &Field) -> bool {
    !(field::GUEST_ES_RIGHTS..=field::GUEST_TR_RIGHTS).contains(&field.encoding)
}

/// A value that no other field has.
pub(crate) const fn mark(encoding: u32) -> u64 {
    0x0123_4567_0000_0000 | (encoding as u64) << 16 | encoding as u64 ^ 0x5a5a
}
