//! What a logical unit says of itself: INQUIRY (SPC-4 § 6.4) with its pages of vital product data.

use super::{
    command::{Buffers, Command, Failure},
    sense::Sense,
};

/// T10's name of who made it, and what it is.
const VENDOR: &[u8; 8] = b"VMPROOF ";
const PRODUCT: &[u8; 16] = b"DISK            ";
const REVISION: &[u8; 4] = b"1   ";

/// Kinds of units, with whether there is one (SPC-4 § 6.4.2 "Standard INQUIRY data").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// A direct-access block device.
    Disk,
    /// The well-known unit that reports others.
    ReportLuns,
    /// There is none.
    Absent,
}

impl Unit {
    /// Peripheral qualifier and device type.
    const fn byte(self) -> u8 {
        match self {
            Self::Disk => 0,
            Self::ReportLuns => 0x1e,
            Self::Absent => 0x7f,
        }
    }
}

/// Answers INQUIRY. `serial` names the unit, `sectors_max` is the most that one command may move.
pub(super) fn inquiry(
    unit: Unit,
    serial: &str,
    sectors_max: u32,
    command: &Command,
    buffers: &Buffers<'_>,
) -> Result<u64, Failure> {
    let (has_page, page) = (command.bit(1, 0), command.byte(2));
    let data = match (has_page, page) {
        (false, 0) => standard(unit),
        (true, page) if unit == Unit::Disk => {
            let body = match page {
                0x00 => vec![0x00, 0x80, 0x83, 0xb0, 0xb1],
                0x80 => serial.into(),
                0x83 => identification(serial),
                0xb0 => block_limits(sectors_max),
                0xb1 => characteristics(),
                _ => return Err(Sense::INVALID_FIELD.into()),
            };
            [&[unit.byte(), page][..], &(body.len() as u16).to_be_bytes(), &body].concat()
        }
        _ => return Err(Sense::INVALID_FIELD.into()),
    };
    buffers.answer(&data, command.number(3, 2))
}

fn standard(unit: Unit) -> Vec<u8> {
    // Version SPC-3, hierarchical numbers of units, this format, 31 bytes that follow, queues of commands.
    let head = [unit.byte(), 0, 5, 0x12, 31, 0, 0, 2];
    [&head[..], VENDOR, PRODUCT, REVISION].concat()
}

/// A designator with the vendor's name in front (§ 7.8.5 "Device Identification VPD page").
fn identification(serial: &str) -> Vec<u8> {
    let name = [VENDOR, serial.as_bytes()].concat();
    // ASCII, of the logical unit, of the kind that begins with T10's name of the vendor.
    [&[2, 1, 0, name.len() as u8][..], &name].concat()
}

/// SBC-3 § 6.6.3 "Block Limits VPD page".
fn block_limits(sectors_max: u32) -> Vec<u8> {
    let mut body = vec![0; 0x3c];
    // Optimal transfer length granularity: a page. Maximum and optimal transfer length.
    body[2..4].copy_from_slice(&8_u16.to_be_bytes());
    body[4..8].copy_from_slice(&sectors_max.to_be_bytes());
    body[8..12].copy_from_slice(&128_u32.to_be_bytes());
    body
}

/// SBC-3 § 6.6.2 "Block Device Characteristics VPD page": nothing rotates.
fn characteristics() -> Vec<u8> {
    let mut body = vec![0; 0x3c];
    body[1] = 1;
    body
}
