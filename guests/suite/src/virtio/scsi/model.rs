//! What a SCSI host answers, and what makes sense of it.
//!
//! Sources: VIRTIO, "Device Operation: Request Queues"; SPC-4 § 4.5 "Sense data".

/// Responses of the host to a request.
pub(crate) mod response {
    pub(crate) const OK: u8 = 0;
    pub(crate) const OVERRUN: u8 = 1;
    pub(crate) const BAD_TARGET: u8 = 3;
    pub(crate) const FAILURE: u8 = 9;
    pub(crate) const FUNCTION_REJECTED: u8 = 11;
    pub(crate) const INCORRECT_LUN: u8 = 12;
}

/// Statuses of SCSI commands.
pub(crate) const GOOD: u8 = 0;
pub(crate) const CHECK_CONDITION: u8 = 2;

/// Bytes of a request before its command, and of a response before its sense data.
pub(crate) const HEAD_BYTES: u32 = 19;
pub(crate) const RESPONSE_BYTES: u32 = 12;
/// Bytes of a command and of sense data after a reset ("Device configuration layout").
pub(crate) const CDB_BYTES: u32 = 32;
pub(crate) const SENSE_BYTES: u32 = 96;

/// Sense data: the key, the additional code, and its qualifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sense {
    pub(crate) key: u8,
    pub(crate) code: u8,
    pub(crate) qualifier: u8,
}

impl Sense {
    pub(crate) const INVALID_OPCODE: Self = Self { key: 5, code: 0x20, qualifier: 0 };
    pub(crate) const OUT_OF_RANGE: Self = Self { key: 5, code: 0x21, qualifier: 0 };
    pub(crate) const CAPACITY_CHANGED: Self = Self { key: 6, code: 0x2a, qualifier: 9 };
    pub(crate) const NO_UNIT: Self = Self { key: 5, code: 0x25, qualifier: 0 };

    /// From the first bytes of sense data: current errors in fixed or in descriptor format.
    pub(crate) fn new(bytes: [u8; 14]) -> Option<Self> {
        match bytes[0] & 0x7f {
            0x70 => Some(Self { key: bytes[2] & 0xf, code: bytes[12], qualifier: bytes[13] }),
            0x72 => Some(Self { key: bytes[1] & 0xf, code: bytes[2], qualifier: bytes[3] }),
            _ => None,
        }
    }
}

/// A response.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answer {
    /// Bytes of sense data.
    pub(crate) sense_len: u32,
    pub(crate) residual: u32,
    pub(crate) status: u8,
    pub(crate) response: u8,
    pub(crate) sense: Option<Sense>,
    /// Bytes that were written, as the used ring tells.
    pub(crate) written: u32,
}

/// How many rules an answer keeps.
pub(crate) const NR_RULES: usize = 6;

impl Answer {
    /// Whether it keeps the rules, for a request with room for `room` bytes from the disk, and `given` bytes for it.
    ///
    /// The sense data fit into their place; what is left is no more than there was; the response is one of those that there are;
    /// sense data come with CHECK CONDITION, and with it alone; they are in a format that there is; the used length is no more
    /// than was written.
    pub(crate) fn keeps(self, room: u32, given: u32) -> [bool; NR_RULES] {
        let is_checked = self.response == response::OK && self.status == CHECK_CONDITION;
        let moved = room.saturating_sub(self.residual);
        [
            self.sense_len <= SENSE_BYTES,
            self.residual <= room + given,
            self.response <= response::FAILURE,
            (self.sense_len > 0) == is_checked,
            self.sense_len == 0 || self.sense.is_some(),
            self.written <= RESPONSE_BYTES + SENSE_BYTES + moved,
        ]
    }

    /// Whether the command was done.
    pub(crate) fn is_good(self) -> bool {
        self.response == response::OK && self.status == GOOD
    }

    /// Whether the command ended with this sense data.
    pub(crate) fn is_checked(self, sense: Sense) -> bool {
        self.response == response::OK && self.status == CHECK_CONDITION && self.sense == Some(sense)
    }
}

/// The field `lun` that leads to a unit of a target, by the number of a device.
pub(crate) const fn unit(target: u8, lun: u8) -> [u8; 8] {
    [1, target, 0, lun, 0, 0, 0, 0]
}

/// The same in the flat space of numbers.
pub(crate) const fn flat_unit(target: u8, lun: u8) -> [u8; 8] {
    [1, target, 0x40, lun, 0, 0, 0, 0]
}

/// Commands.
pub(crate) const TEST_UNIT_READY: [u8; 6] = [0; 6];
pub(crate) const READ_CAPACITY: [u8; 10] = [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// INQUIRY with so many bytes allocated.
pub(crate) const fn inquiry(allocated: u8) -> [u8; 6] {
    [0x12, 0, 0, 0, allocated, 0]
}

/// REPORT LUNS with so many bytes allocated.
pub(crate) const fn report_luns(allocated: u8) -> [u8; 12] {
    [0xa0, 0, 0, 0, 0, 0, 0, 0, 0, allocated, 0, 0]
}

/// READ (10) and WRITE (10).
pub(crate) const fn transfer(is_write: bool, block: u32, nr: u8) -> [u8; 10] {
    let [a, b, c, d] = block.to_be_bytes();
    [if is_write { 0x2a } else { 0x28 }, 0, a, b, c, d, 0, 0, nr, 0]
}
