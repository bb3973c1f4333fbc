//! Single CPUID bits, for cases that compare what CPUID says with what the processor does.

use super::cpuid::read_leaf;

/// An output register of CPUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "registers")]
pub enum Register {
    Eax,
    Ebx,
    Ecx,
    Edx,
}

/// One bit of one output register of one leaf.
#[derive(Clone, Copy, Debug)]
pub struct FeatureBit {
    leaf: u32,
    subleaf: u32,
    register: Register,
    bit: u32,
}

/// The bit of the extended range in the number of a leaf.
const EXTENDED: u32 = 0x8000_0000;

impl FeatureBit {
    /// Names a bit.
    pub const fn new(leaf: u32, subleaf: u32, register: Register, bit: u32) -> Self {
        Self { leaf, subleaf, register, bit }
    }

    /// Reads it; a leaf beyond the largest of its range has no bit set. Two CPUIDs.
    pub fn read(self) -> bool {
        if self.leaf > read_leaf(self.leaf & EXTENDED, 0).eax {
            return false;
        }
        let leaf = read_leaf(self.leaf, self.subleaf);
        let register = match self.register {
            Register::Eax => leaf.eax,
            Register::Ebx => leaf.ebx,
            Register::Ecx => leaf.ecx,
            Register::Edx => leaf.edx,
        };
        register >> self.bit & 1 != 0
    }
}
