//! Which unit a request is for (§ 5.6.6.1 "Device Operation: Request Queues").

/// How many targets there can be.
pub const TARGETS_MAX: u8 = 8;

/// What the field `lun` of a request leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A unit of a target.
    Unit {
        /// The target, which need not exist.
        target: u8,
        /// The unit.
        lun: u16,
    },
    /// The well-known unit that reports the others.
    ReportLuns,
    /// It is none.
    Invalid,
}

impl Address {
    pub(super) fn new(lun: [u8; 8]) -> Self {
        match lun {
            [0xc1, 1, 0, 0, 0, 0, 0, 0] => Self::ReportLuns,
            // A unit by its number in a bus, or as one flat number (SAM-4 § 4.6.8 and § 4.6.9).
            [1, target, 0, lun, 0, 0, 0, 0] => Self::Unit { target, lun: lun.into() },
            [1, target, high @ 0x40..=0x7f, low, 0, 0, 0, 0] => {
                Self::Unit { target, lun: u16::from_be_bytes([high & 0x3f, low]) }
            }
            _ => Self::Invalid,
        }
    }

    /// The field that leads to the unit of a target.
    pub(super) const fn of(target: u8) -> [u8; 8] {
        [1, target, 0x40, 0, 0, 0, 0, 0]
    }
}
