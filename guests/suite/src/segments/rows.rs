//! Every type, S, DPL, P and RPL: the rows of the tables about selectors.

use super::model::{Descriptor, Selector};

/// Number of descriptors: two of P, 32 of S and type, four of DPL.
pub(crate) const NR_DESCRIPTORS: usize = 256;
/// Number of rows: each descriptor with each RPL.
pub(crate) const NR_ROWS: usize = NR_DESCRIPTORS * 4;

/// A descriptor by its number.
pub(crate) const fn descriptor(number: usize) -> Descriptor {
    Descriptor { kind: (number >> 2 & 0x1f) as u8, dpl: (number & 3) as u8, present: number & 0x80 == 0 }
}

/// Limit in 20 bits, and whether a descriptor of the rows is flat, which means that the limit counts pages: a TSS has too small
/// a limit for any task, so that a switch to it fails, and data that expand down have the smallest, with room for a stack.
pub(crate) const fn extent(d: Descriptor) -> (u32, bool) {
    match d.kind {
        1 | 3 | 9 | 0xb => (0x28, false),
        0x14..=0x17 => (0, true),
        _ => (0xf_ffff, true),
    }
}

/// The limit in bytes, as LSL tells it.
pub(crate) const fn limit(d: Descriptor) -> u32 {
    match extent(d) {
        (pages, true) => pages << 12 | 0xfff,
        (bytes, false) => bytes,
    }
}

/// The descriptor of a row.
pub(crate) const fn row_descriptor(row: usize) -> Descriptor {
    descriptor(row >> 2)
}

/// The selector of a row: the descriptors stand in the LDT, `stride` bytes apart.
pub(crate) const fn row_selector(row: usize, stride: usize) -> Selector {
    Selector { value: ((row >> 2) * stride + 4 + (row & 3)) as u16 }
}

/// Length of a name.
pub(crate) const NAME_LENGTH: usize = 30;

const fn hexadecimal(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

/// The name of a row: "S 1, type b, DPL 3, RPL 0, P 1".
pub(crate) const fn name(row: usize) -> [u8; NAME_LENGTH] {
    let mut name = *b"S 0, type 0, DPL 0, RPL 0, P 1";
    let d = row_descriptor(row);
    name[2] = b'0' + (d.kind >> 4);
    name[10] = hexadecimal(d.kind & 0xf);
    name[17] = b'0' + d.dpl;
    name[24] = b'0' + (row & 3) as u8;
    name[29] = b'0' + d.present as u8;
    name
}
