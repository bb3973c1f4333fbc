//! Sense data: why a command did not end well (SPC-4 § 4.5 "Sense data").

/// Bytes of sense data in fixed format.
pub(super) const SENSE_BYTES: usize = 18;

/// A sense key with its additional codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sense {
    key: u8,
    code: u8,
    qualifier: u8,
}

impl Sense {
    pub(super) const NONE: Self = Self::new(0, 0, 0);
    /// Unrecovered read error.
    pub(super) const READ_ERROR: Self = Self::new(3, 0x11, 0);
    /// Write error.
    pub(super) const WRITE_ERROR: Self = Self::new(3, 0x0c, 0);
    /// Invalid command operation code.
    pub(super) const INVALID_OPCODE: Self = Self::new(5, 0x20, 0);
    /// Logical block address out of range.
    pub(super) const OUT_OF_RANGE: Self = Self::new(5, 0x21, 0);
    /// Invalid field in CDB.
    pub(super) const INVALID_FIELD: Self = Self::new(5, 0x24, 0);
    /// Logical unit not supported.
    pub(super) const NO_UNIT: Self = Self::new(5, 0x25, 0);
    /// Saving parameters not supported.
    pub(super) const NO_SAVING: Self = Self::new(5, 0x39, 0);
    /// Power on, reset, or bus device reset occurred.
    pub(super) const POWER_ON: Self = Self::new(6, 0x29, 0);
    /// Bus device reset function occurred.
    pub(super) const RESET: Self = Self::new(6, 0x29, 3);
    /// Capacity data has changed.
    pub(super) const CAPACITY_CHANGED: Self = Self::new(6, 0x2a, 9);
    /// Write protected.
    pub(super) const WRITE_PROTECTED: Self = Self::new(7, 0x27, 0);
    /// Space allocation failed write protect: what the disk is in is full.
    pub(super) const FULL: Self = Self::new(7, 0x27, 7);

    const fn new(key: u8, code: u8, qualifier: u8) -> Self {
        Self { key, code, qualifier }
    }

    /// What an event tells as its reason: the additional code and its qualifier (§ 5.6.6.3).
    pub(super) fn reason(self) -> u32 {
        u32::from(self.code) | u32::from(self.qualifier) << 8
    }

    /// Current errors in fixed format (§ 4.5.3).
    pub(super) fn bytes(self) -> [u8; SENSE_BYTES] {
        let mut bytes = [0; SENSE_BYTES];
        bytes[0] = 0x70;
        bytes[2] = self.key;
        // Bytes that follow this one.
        bytes[7] = SENSE_BYTES as u8 - 8;
        (bytes[12], bytes[13]) = (self.code, self.qualifier);
        bytes
    }
}

/// What a failed write is told as.
pub(super) fn of_write(error: &std::io::Error) -> Sense {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Sense::FULL,
        _ => Sense::WRITE_ERROR,
    }
}
