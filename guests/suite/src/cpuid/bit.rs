//! Single bits of CPUID, and the processor that a model asks for them.
//!
//! The models of this area and of the MSRs decide by what stands here alone, so that they run on the host too, against a
//! processor that a test makes up.

/// An output register of CPUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Eax,
    Ebx,
    Ecx,
    Edx,
}

/// One bit of one output register of one leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bit {
    pub(crate) leaf: u32,
    pub(crate) subleaf: u32,
    pub(crate) output: Output,
    pub(crate) number: u32,
}

/// Names a bit.
pub(crate) const fn bit(leaf: u32, subleaf: u32, output: Output, number: u32) -> Bit {
    assert!(number < 32, "an output register has 32 bits");
    Bit { leaf, subleaf, output, number }
}

/// Whose manual holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    Intel,
    Amd,
    Other,
}

/// What a model asks.
pub(crate) trait Processor {
    /// EAX, EBX, ECX and EDX of a leaf, whatever the limits are.
    fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4];

    /// The value of an MSR, 0 if it cannot be read.
    fn msr(&self, number: u32) -> u64;

    /// The vendor, by leaf 0.
    fn vendor(&self) -> Vendor {
        match self.leaf(0, 0)[1] {
            0x756e_6547 => Vendor::Intel,
            // "Auth" of AuthenticAMD and "Hygo" of HygonGenuine.
            0x6874_7541 | 0x6f67_7948 => Vendor::Amd,
            _ => Vendor::Other,
        }
    }

    /// Whether a bit is set; a leaf beyond the largest of its range has none.
    fn has(&self, bit: Bit) -> bool {
        if bit.leaf > self.leaf(bit.leaf & 0x8000_0000, 0)[0] {
            return false;
        }
        self.leaf(bit.leaf, bit.subleaf)[bit.output as usize] >> bit.number & 1 != 0
    }

    /// Number of bits of a physical address.
    fn physical_bits(&self) -> u32 {
        self.leaf(0x8000_0008, 0)[0] & 0xff
    }

    /// Number of bits of a linear address: what RDMSR and WRMSR check canonical addresses by, whatever the paging mode
    /// is.
    fn linear_bits(&self) -> u32 {
        self.leaf(0x8000_0008, 0)[0] >> 8 & 0xff
    }
}
