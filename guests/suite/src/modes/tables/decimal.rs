//! Decimal adjustment: instructions that 64-bit mode does not have.

use super::super::model::{AF, CF, Input};

const fn input(ax: u32, flags: u32) -> Input {
    Input { general: [0xabcd_0000 | ax, 1, 2, 3, 0xe000, 5, 6, 7], flags }
}

/// What is adjusted: each way to have or not have a digit above 9, in both halves, with each of AF and CF.
pub(crate) const INPUTS: [Input; 16] = [
    input(0x0000, 0),
    input(0x0009, 0),
    input(0x000a, 0),
    input(0x0090, 0),
    input(0x0099, 0),
    input(0x009a, 0),
    input(0x02a0, 0),
    input(0x03fa, 0),
    input(0x04ff, 0),
    input(0xff0f, AF),
    input(0x0015, AF),
    input(0x0099, AF),
    input(0x0005, CF),
    input(0x00f9, CF),
    input(0x0000, AF | CF),
    input(0x0107, AF | CF),
];

table! { PACKED:
    "daa" => |m| m.decimal_adjust(false),
    "das" => |m| m.decimal_adjust(true),
}

table! { UNPACKED:
    "aaa" => |m| m.ascii_adjust(false),
    "aas" => |m| m.ascii_adjust(true),
}

table! { DIGITS:
    "aam" => |m| m.aam(10),
    "aam 7" => |m| m.aam(7),
    "aam 0xff" => |m| m.aam(0xff),
    "aad" => |m| m.aad(10),
    "aad 16" => |m| m.aad(16),
    "aad 0" => |m| m.aad(0),
}

table! { ZERO_BASE:
    "aam 0" => |m| m.aam(0),
}
