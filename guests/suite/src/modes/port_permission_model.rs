//! Where INS and OUTS of each width are allowed at CPL 3, and which of their operands lie within a segment.
//!
//! Sources: SDM vol. 1, "I/O Permission Bit Map"; SDM vol. 3A, "Limit Checking"; SDM vol. 2, "INS/INSB/INSW/INSD—Input from
//! Port to String", "OUTS/OUTSB/OUTSW/OUTSD—Output String to Port".

use super::{columns::columns, runtime::Outcome};

columns! {
    /// What one INS or OUTS leaves.
    Moved { outcome, eip, esi, edi }
}

/// One of the instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// INS, not OUTS.
    pub(crate) is_input: bool,
    /// Size of the element in bytes.
    pub(crate) size: u32,
    /// OUTS reads through SS, not DS.
    pub(crate) is_stack: bool,
    /// Its index has the size that is not the mode's.
    pub(crate) has_other_address_size: bool,
}

const fn instruction(is_input: bool, size: u32) -> Instruction {
    Instruction { is_input, size, is_stack: false, has_other_address_size: false }
}

const fn other(is_input: bool, size: u32) -> Instruction {
    Instruction { has_other_address_size: true, ..instruction(is_input, size) }
}

const fn stack(size: u32) -> Instruction {
    Instruction { is_stack: true, ..instruction(false, size) }
}

/// The rows: INS and OUTS of each width, the same with the other address size, and OUTS through SS.
pub(crate) const ROWS: [Instruction; 15] = [
    instruction(true, 1),
    instruction(true, 2),
    instruction(true, 4),
    instruction(false, 1),
    instruction(false, 2),
    instruction(false, 4),
    other(true, 1),
    other(true, 2),
    other(true, 4),
    other(false, 1),
    other(false, 2),
    other(false, 4),
    stack(1),
    stack(2),
    stack(4),
];

/// Bits of the I/O permission bitmap that are clear, from the bit of the port on: those of an access of each size, and all
/// of a doubleword but one.
pub(crate) const CLEAR: [u32; 8] = [0, 1, 3, 7, 0xf, 0xe, 0xd, 0xb];

/// Whether the bitmap, of which these bits are clear, allows an access of `size` bytes.
pub(crate) const fn is_clear(clear: u32, size: u32) -> bool {
    let needed = (1 << size) - 1;
    clear & needed == needed
}

/// What is left: an element has moved, and its index register with it; or nothing has.
pub(crate) const fn moved(row: Instruction, outcome: Outcome, eip: u32, index: u32) -> Moved {
    let step = if matches!(outcome, Outcome::COMPLETED) { row.size } else { 0 };
    Moved {
        outcome: outcome.0,
        eip: eip as u64,
        esi: (index + if row.is_input { 0 } else { step }) as u64,
        edi: (index + if row.is_input { step } else { 0 }) as u64,
    }
}

/// Offsets at the end of a segment of 64 KiB.
pub(crate) const OFFSETS: [u32; 4] = [0xffff, 0xfffe, 0xfffd, 0xfffc];

/// An element at an offset of a segment of 64 KiB.
pub(crate) const fn by_limit(row: Instruction, offset: u32) -> Outcome {
    if offset + row.size <= 0x1_0000 {
        Outcome::COMPLETED
    } else if row.is_stack {
        Outcome::SS
    } else {
        Outcome::GP
    }
}

/// Completes or raises #GP(0).
pub(crate) const fn by_permission(is_allowed: bool) -> Outcome {
    if is_allowed { Outcome::COMPLETED } else { Outcome::GP }
}
