//! Bits of CR4 and the features that they exist with.
//!
//! Sources: SDM vol. 3A, "Control Registers"; SDM vol. 2, "CPUID—CPU Identification"; APM vol. 2, "CR4 Register".

use super::bit::{
    Bit,
    Output::{Eax, Ebx, Ecx, Edx},
    Processor, bit,
};
use case::message::outcome;

/// A bit of CR4.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ControlBit {
    pub(crate) name: &'static str,
    pub(crate) number: u32,
    /// It exists with any of these.
    pub(crate) features: &'static [Bit],
    /// Why it is not set even where it exists; empty if it is.
    pub(crate) obstacle: &'static str,
}

/// What a write that sets the bit must lead to; `None` if it is not tried.
pub(crate) fn expected_outcome(control: &ControlBit, processor: &impl Processor) -> Option<u64> {
    match control.features.iter().any(|feature| processor.has(*feature)) {
        false => Some(outcome::exception(13, 0)),
        true if control.obstacle.is_empty() => Some(outcome::COMPLETED),
        true => None,
    }
}

const fn control(name: &'static str, number: u32, features: &'static [Bit]) -> ControlBit {
    ControlBit { name, number, features, obstacle: "" }
}

/// The table. Those that exist on every processor with long mode, and LA57, which no such write can change, are left out.
pub(crate) const CR4_BITS: &[ControlBit] = &[
    control("VME", 0, &[bit(1, 0, Edx, 1)]),
    control("PVI", 1, &[bit(1, 0, Edx, 1)]),
    control("TSD", 2, &[bit(1, 0, Edx, 4)]),
    control("DE", 3, &[bit(1, 0, Edx, 2)]),
    control("PSE", 4, &[bit(1, 0, Edx, 3)]),
    control("MCE", 6, &[bit(1, 0, Edx, 7)]),
    control("PGE", 7, &[bit(1, 0, Edx, 13)]),
    control("UMIP", 11, &[bit(7, 0, Ecx, 2)]),
    control("VMXE", 13, &[bit(1, 0, Ecx, 5)]),
    control("SMXE", 14, &[bit(1, 0, Ecx, 6)]),
    control("FSGSBASE", 16, &[bit(7, 0, Ebx, 0)]),
    control("PCIDE", 17, &[bit(1, 0, Ecx, 17)]),
    control("OSXSAVE", 18, &[bit(1, 0, Ecx, 26)]),
    control("KL", 19, &[bit(7, 0, Ecx, 23)]),
    ControlBit { obstacle: "the runtime is user memory", ..control("SMEP", 20, &[bit(7, 0, Ebx, 7)]) },
    ControlBit { obstacle: "the runtime is user memory", ..control("SMAP", 21, &[bit(7, 0, Ebx, 20)]) },
    control("PKE", 22, &[bit(7, 0, Ecx, 3)]),
    control("CET", 23, &[bit(7, 0, Ecx, 7), bit(7, 0, Edx, 20)]),
    control("PKS", 24, &[bit(7, 0, Ecx, 31)]),
    control("UINTR", 25, &[bit(7, 0, Edx, 5)]),
    ControlBit { obstacle: "the runtime is in the lower half", ..control("LASS", 27, &[bit(7, 1, Eax, 6)]) },
    control("LAM_SUP", 28, &[bit(7, 1, Eax, 26)]),
    control("FRED", 32, &[bit(7, 1, Eax, 17)]),
];
