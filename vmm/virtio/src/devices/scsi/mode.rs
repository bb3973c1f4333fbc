//! MODE SENSE (SPC-4 § 6.11 and § 6.12): how the disk is set up; nothing of it can be changed.

use super::{
    command::{Buffers, Command, Failure},
    sense::Sense,
};
use crate::disk::SECTOR_BYTES;

/// All pages.
const ALL: u8 = 0x3f;

/// Answers MODE SENSE (6), or with `long` MODE SENSE (10).
pub(super) fn mode_sense(
    long: bool,
    size_bytes: u64,
    is_read_only: bool,
    command: &Command,
    buffers: &Buffers<'_>,
) -> Result<u64, Failure> {
    let (control, page, subpage) = (command.byte(2) >> 6, command.byte(2) & 0x3f, command.byte(3));
    // Saved values: there is nowhere to save any.
    if control == 3 {
        return Err(Sense::NO_SAVING.into());
    }
    let mut pages = Vec::new();
    for (code, body) in [(0x08, caching()), (0x0a, [0; 10].to_vec())] {
        if page == code && subpage == 0 || page == ALL && matches!(subpage, 0 | 0xff) {
            pages.extend([code, body.len() as u8]);
            // As masks of what can be changed, all are zero.
            pages.extend(if control == 1 { vec![0; body.len()] } else { body });
        }
    }
    if pages.is_empty() {
        return Err(Sense::INVALID_FIELD.into());
    }
    let descriptor = if command.bit(1, 3) { Vec::new() } else { descriptor(size_bytes) };
    // Write protection, and that FUA is obeyed (SBC-3 § 6.5.1).
    let parameter = u8::from(is_read_only) << 7 | 0x10;
    let (header, allocated) = if long {
        let following = (6 + descriptor.len() + pages.len()) as u16;
        let [high, low] = following.to_be_bytes();
        (vec![high, low, 0, parameter, 0, 0, 0, descriptor.len() as u8], command.number(7, 2))
    } else {
        let following = (3 + descriptor.len() + pages.len()) as u8;
        (vec![following, 0, parameter, descriptor.len() as u8], command.number(4, 1))
    };
    buffers.answer(&[header, descriptor, pages].concat(), allocated)
}

/// The caching page (SBC-3 § 6.5.5) with WCE: writes may wait for SYNCHRONIZE CACHE.
fn caching() -> Vec<u8> {
    let mut body = vec![0; 18];
    body[0] = 1 << 2;
    body
}

/// The short descriptor of blocks: their number, as far as it can be told, and their size.
fn descriptor(size_bytes: u64) -> Vec<u8> {
    let nr = u32::try_from(size_bytes / SECTOR_BYTES).unwrap_or(u32::MAX);
    [nr.to_be_bytes(), (SECTOR_BYTES as u32).to_be_bytes()].concat()
}
