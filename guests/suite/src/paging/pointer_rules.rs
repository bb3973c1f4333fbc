//! The bits of a PDPTE in PAE paging, and which writes of control registers load PDPTEs.
//!
//! Sources: SDM vol. 3A, "PDPTE Registers"; APM vol. 2, "PAE Paging".

use case::message::outcome::{COMPLETED, exception};

/// Whether this bit of a present PDPTE must be clear. Those of an absent one some processors look at, and others do not.
pub(crate) const fn is_reserved(bit: u32, physical_bits: u32) -> bool {
    matches!(bit, 1 | 2 | 5..=8) || bit >= physical_bits
}

/// Whether this bit may be anything: PWT, PCD, and those for software.
pub(crate) const fn is_ignored(bit: u32) -> bool {
    matches!(bit, 3 | 4 | 9..=11)
}

/// Whether an access through a present PDPTE with a reserved bit was refused: #GP(0) when it was loaded, or #PF at CPL 0
/// with the bits P and RSVD when it was used. With nested paging AMD's processors load PDPTEs when they are used.
pub(crate) const fn is_refusal(outcome: u64) -> bool {
    const RSVD_AND_P: u32 = 9;
    outcome == exception(13, 0) || outcome == exception(14, RSVD_AND_P)
}

/// The register that a write of [`Write`] goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Register {
    Cr0,
    Cr4,
}

/// A write of CR0 or CR4 in PAE paging that changes one bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) name: &'static str,
    pub(crate) register: Register,
    /// The bit that changes.
    pub(crate) bit: u32,
    /// Bits of the register that are set before the write.
    pub(crate) before: u32,
}

const fn write(name: &'static str, register: Register, bit: u32, before: u32) -> Write {
    Write { name, register, bit, before }
}

const CD: u32 = 1 << 30;
const NW: u32 = 1 << 29;

/// Writes that change one bit and leave PAE paging as it is.
pub(crate) const WRITES: [Write; 20] = [
    write("CR0.CD from 0 to 1", Register::Cr0, 30, 0),
    write("CR0.CD from 1 to 0", Register::Cr0, 30, CD),
    write("CR0.NW from 0 to 1", Register::Cr0, 29, CD),
    write("CR0.NW from 1 to 0", Register::Cr0, 29, CD | NW),
    write("CR4.PGE from 0 to 1", Register::Cr4, 7, 0),
    write("CR4.PGE from 1 to 0", Register::Cr4, 7, 1 << 7),
    write("CR4.PSE from 0 to 1", Register::Cr4, 4, 0),
    write("CR4.PSE from 1 to 0", Register::Cr4, 4, 1 << 4),
    write("CR4.SMEP from 0 to 1", Register::Cr4, SMEP, 0),
    write("CR4.SMEP from 1 to 0", Register::Cr4, SMEP, 1 << SMEP),
    write("CR0.WP from 0 to 1", Register::Cr0, 16, 0),
    write("CR0.WP from 1 to 0", Register::Cr0, 16, 1 << 16),
    write("CR0.MP from 0 to 1", Register::Cr0, 1, 0),
    write("CR0.TS from 0 to 1", Register::Cr0, 3, 0),
    write("CR0.TS from 1 to 0", Register::Cr0, 3, 1 << 3),
    write("CR0.AM from 0 to 1", Register::Cr0, 18, 0),
    write("CR4.TSD from 0 to 1", Register::Cr4, 2, 0),
    write("CR4.DE from 0 to 1", Register::Cr4, 3, 0),
    write("CR4.DE from 1 to 0", Register::Cr4, 3, 1 << 3),
    write("CR4.PCE from 0 to 1", Register::Cr4, 8, 0),
];
/// The bit of CR4 that a processor may lack.
pub(crate) const SMEP: u32 = 20;

/// Whether a write that changes this bit, and after which PAE paging is in use, loads the PDPTEs from memory.
pub(crate) const fn loads_pointers(register: Register, bit: u32) -> bool {
    match register {
        // NW, CD, PG.
        Register::Cr0 => matches!(bit, 29..=31),
        // PSE, PAE, PGE, SMEP.
        Register::Cr4 => matches!(bit, 4 | 5 | 7 | SMEP),
    }
}

/// Whether what was read behind the write is right, where `old` is what the PDPTEs of before lead to and `new` what those
/// in memory lead to.
pub(crate) const fn expected_number(write: &Write, old: u32, new: u32) -> u32 {
    if loads_pointers(write.register, write.bit) { new } else { old }
}

/// What the write must lead to if a present PDPTE in memory has a reserved bit: it faults if it loads them.
pub(crate) const fn expected_outcome(write: &Write) -> u64 {
    if loads_pointers(write.register, write.bit) { exception(13, 0) } else { COMPLETED }
}
