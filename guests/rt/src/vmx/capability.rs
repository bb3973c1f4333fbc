//! What the capability MSRs say.
//!
//! Source: SDM vol. 3D, appendix A, "VMX Capability Reporting Facility".

use crate::cpu::msr;
pub use case::probe::vmx::number;

/// Bits of IA32_VMX_BASIC.
pub mod basic {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const REVISION: u64 = 0x7fff_ffff;
    /// Addresses of VMXON region, VMCS and what a VMCS refers to have 32 bits.
    pub const ADDRESSES_32_BITS: u64 = 1 << 48;
    pub const DUAL_MONITOR: u64 = 1 << 49;
    pub const STRING_INFORMATION: u64 = 1 << 54;
    pub const TRUE_CONTROLS: u64 = 1 << 55;
}

/// What a word of controls may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Bits that must be 1.
    pub must: u32,
    /// Bits that may be 1.
    pub may: u32,
}

impl Allowed {
    /// As a capability MSR tells it.
    pub const fn of(msr: u64) -> Self {
        Self { must: msr as u32, may: (msr >> 32) as u32 }
    }

    /// The nearest legal word: with what must be set, without what may not.
    pub const fn adjust(self, wanted: u32) -> u32 {
        (wanted | self.must) & self.may
    }

    /// Whether all these bits may be set.
    pub const fn allows(self, bits: u32) -> bool {
        self.may & bits == bits
    }

    /// Whether a word is legal.
    pub const fn is_legal(self, word: u32) -> bool {
        word & self.must == self.must && word & !self.may == 0
    }
}

/// Reads a capability MSR; 0 for one that the processor does not have.
pub fn read(number: u32) -> u64 {
    msr::read(number).unwrap_or(0)
}

/// The revision identifier of VMXON regions and VMCSs.
pub fn read_revision() -> u32 {
    (read(number::BASIC) & basic::REVISION) as u32
}

/// What all words of controls may be; of the four that have two MSRs, by the one that tells all that may be 0.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "words of the VMCS")]
pub struct Controls {
    pub pin: Allowed,
    pub processor: Allowed,
    pub secondary: Allowed,
    pub exit: Allowed,
    pub entry: Allowed,
}

impl Controls {
    /// Asks the processor.
    pub fn read() -> Self {
        let is_true = read(number::BASIC) & basic::TRUE_CONTROLS != 0;
        let of = |default, true_| Allowed::of(read(if is_true { true_ } else { default }));
        let processor = of(number::PROCESSOR_CONTROLS, number::TRUE_PROCESSOR_CONTROLS);
        let has_secondary = processor.allows(super::control::processor::SECONDARY);
        Self {
            pin: of(number::PIN_CONTROLS, number::TRUE_PIN_CONTROLS),
            processor,
            secondary: if has_secondary { Allowed::of(read(number::SECONDARY_CONTROLS)) } else { Allowed::default() },
            exit: of(number::EXIT_CONTROLS, number::TRUE_EXIT_CONTROLS),
            entry: of(number::ENTRY_CONTROLS, number::TRUE_ENTRY_CONTROLS),
        }
    }
}
