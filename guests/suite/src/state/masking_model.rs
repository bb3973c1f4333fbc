//! What EVEX opmasks make of a result.
//!
//! Source: SDM vol. 1, "Eight Opmask Register Support", "OPMASK Register to Predicate Vector Data Processing"; SDM vol. 2,
//! "Exceptions of EVEX-Encoded Instructions". The tests of the suite compile this for the host.

/// A register of 512 bits, the lowest quadword first.
pub(crate) type Vector = [u64; 8];

/// What an instruction does with each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Adds two registers.
    Add,
    /// Loads, moves or stores the first operand.
    Move,
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) operation: Operation,
    /// Bits of an element: 8, 16, 32 or 64.
    pub(crate) bits: u32,
    /// Whether elements that the mask leaves out become zero; else they stay.
    pub(crate) zeroing: bool,
}

const fn row(operation: Operation, bits: u32, zeroing: bool) -> Row {
    Row { operation, bits, zeroing }
}

/// What AVX-512F has.
pub(crate) const FOUNDATION: [Row; 10] = [
    // VPADDQ.
    row(Operation::Add, 64, false),
    // VPADDQ {z}.
    row(Operation::Add, 64, true),
    // VPADDD.
    row(Operation::Add, 32, false),
    // VPADDD {z}.
    row(Operation::Add, 32, true),
    // VMOVDQU64 load.
    row(Operation::Move, 64, false),
    // VMOVDQU64 load {z}.
    row(Operation::Move, 64, true),
    // VMOVDQU32 load.
    row(Operation::Move, 32, false),
    // VMOVDQU32 load {z}.
    row(Operation::Move, 32, true),
    // VMOVDQU64 store.
    row(Operation::Move, 64, false),
    // VMOVDQU32 store.
    row(Operation::Move, 32, false),
];

/// What AVX-512BW adds.
pub(crate) const BYTES_AND_WORDS: [Row; 10] = [
    // VPADDB.
    row(Operation::Add, 8, false),
    // VPADDB {z}.
    row(Operation::Add, 8, true),
    // VPADDW.
    row(Operation::Add, 16, false),
    // VPADDW {z}.
    row(Operation::Add, 16, true),
    // VMOVDQU8 load.
    row(Operation::Move, 8, false),
    // VMOVDQU8 load {z}.
    row(Operation::Move, 8, true),
    // VMOVDQU16 load.
    row(Operation::Move, 16, false),
    // VMOVDQU16 load {z}.
    row(Operation::Move, 16, true),
    // VMOVDQU8 store.
    row(Operation::Move, 8, false),
    // VMOVDQU16 store.
    row(Operation::Move, 16, false),
];

/// Number of masks that each instruction is tried with.
pub(crate) const NR_MASKS: u64 = 256;

/// Mask number `index` for this many elements: every one of eight elements; else none, all, some alone, then mixtures.
pub(crate) const fn mask(index: u64, nr_elements: u32) -> u64 {
    let all = if nr_elements == 64 { u64::MAX } else { (1 << nr_elements) - 1 };
    let value = match index {
        _ if nr_elements == 8 => index,
        0 => 0,
        1 => u64::MAX,
        2..18 => 1_u64.rotate_left(((index - 2) * nr_elements as u64 / 16) as u32),
        _ => 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(index).rotate_left(index as u32 % 64),
    };
    value & all
}

/// The destination behind the instruction.
pub(crate) const fn result(row: &Row, mask: u64, before: &Vector, first: &Vector, second: &Vector) -> Vector {
    let mut after = [0; 8];
    let elements_of_quadword = 64 / row.bits;
    let element = if row.bits == 64 { u64::MAX } else { (1 << row.bits) - 1 };
    let mut index = 0;
    while index < elements_of_quadword * 8 {
        let (quadword, shift) = ((index / elements_of_quadword) as usize, index % elements_of_quadword * row.bits);
        let (old, one, two) = (
            before[quadword] >> shift & element,
            first[quadword] >> shift & element,
            second[quadword] >> shift & element,
        );
        let new = match row.operation {
            Operation::Add => one.wrapping_add(two) & element,
            Operation::Move => one,
        };
        let left = if row.zeroing { 0 } else { old };
        after[quadword] |= (if mask >> index & 1 != 0 { new } else { left }) << shift;
        index += 1;
    }
    after
}

/// Actual and expected: bit n is set where quadword n is not what it must be.
pub(crate) const fn column(expected: &Vector, seen: &Vector) -> (u64, u64) {
    let mut wrong = 0;
    let mut index = 0;
    while index < 8 {
        if expected[index] != seen[index] {
            wrong |= 1 << index;
        }
        index += 1;
    }
    (wrong, 0)
}

/// Whether an access of eight quadwords under a mask faults, if those from number `mapped` on cannot be accessed: those
/// that the mask leaves out are not accessed.
pub(crate) const fn faults(mask: u64, mapped: u32) -> bool {
    mask >> mapped & (0xff >> mapped) != 0
}
