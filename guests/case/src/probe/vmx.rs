//! What of VMX a processor offers, by its capability MSRs.
//!
//! Source: SDM vol. 3D, appendix A, "VMX Capability Reporting Facility".

use crate::Needs;

/// Numbers of the capability MSRs.
pub mod number {
    #![expect(missing_docs, reason = "the manual's own names")]
    pub const BASIC: u32 = 0x480;
    pub const PIN_CONTROLS: u32 = 0x481;
    pub const PROCESSOR_CONTROLS: u32 = 0x482;
    pub const EXIT_CONTROLS: u32 = 0x483;
    pub const ENTRY_CONTROLS: u32 = 0x484;
    pub const MISC: u32 = 0x485;
    pub const CR0_FIXED0: u32 = 0x486;
    pub const CR0_FIXED1: u32 = 0x487;
    pub const CR4_FIXED0: u32 = 0x488;
    pub const CR4_FIXED1: u32 = 0x489;
    pub const VMCS_ENUM: u32 = 0x48a;
    pub const SECONDARY_CONTROLS: u32 = 0x48b;
    pub const EPT_VPID: u32 = 0x48c;
    pub const TRUE_PIN_CONTROLS: u32 = 0x48d;
    pub const TRUE_PROCESSOR_CONTROLS: u32 = 0x48e;
    pub const TRUE_EXIT_CONTROLS: u32 = 0x48f;
    pub const TRUE_ENTRY_CONTROLS: u32 = 0x490;
    pub const FUNCTIONS: u32 = 0x491;
    pub const TERTIARY_CONTROLS: u32 = 0x492;
    pub const EXIT_CONTROLS_2: u32 = 0x493;
}

/// Where the allowed-1 settings of controls begin in their MSR.
const ALLOWED_1: u32 = 32;
/// The bit of the secondary controls that there is only if the MSR exists.
const SECONDARY_BIT: u32 = ALLOWED_1 + 31;

/// Needs that bits of one MSR decide: all of the bits must be set. An MSR that the processor does not have offers nothing.
const BITS: &[(u32, &[(u32, Needs)])] = &[
    (number::BASIC, &[(54, Needs::VMX_STRING_INFORMATION), (55, Needs::VMX_TRUE_CONTROLS)]),
    (
        number::PIN_CONTROLS,
        &[
            (ALLOWED_1 + 5, Needs::VMX_VIRTUAL_NMI),
            (ALLOWED_1 + 6, Needs::VMX_PREEMPTION_TIMER),
            (ALLOWED_1 + 7, Needs::VMX_POSTED),
        ],
    ),
    (
        number::PROCESSOR_CONTROLS,
        &[
            (ALLOWED_1 + 21, Needs::VMX_TPR_SHADOW),
            (ALLOWED_1 + 27, Needs::VMX_MONITOR_TRAP),
            (ALLOWED_1 + 28, Needs::VMX_MSR_MAPS),
            (SECONDARY_BIT, Needs::VMX_SECONDARY),
        ],
    ),
    (number::EXIT_CONTROLS, &[(ALLOWED_1 + 22, Needs::VMX_SAVES_TIMER)]),
    (
        number::ENTRY_CONTROLS,
        &[
            (ALLOWED_1 + 13, Needs::VMX_PERFORMANCE),
            (ALLOWED_1 + 14, Needs::VMX_PAT),
            (ALLOWED_1 + 15, Needs::VMX_EFER),
            (ALLOWED_1 + 16, Needs::VMX_BOUNDS),
            (ALLOWED_1 + 20, Needs::VMX_CET),
            (ALLOWED_1 + 22, Needs::VMX_PKRS),
        ],
    ),
    (
        number::MISC,
        &[
            (6, Needs::VMX_ACTIVITY_HLT),
            (7, Needs::VMX_ACTIVITY_SHUTDOWN),
            (8, Needs::VMX_ACTIVITY_WAIT),
            (29, Needs::VMX_WRITES_ALL_FIELDS),
            (30, Needs::VMX_ZERO_LENGTH),
        ],
    ),
    (
        number::SECONDARY_CONTROLS,
        &[
            (ALLOWED_1, Needs::VMX_APIC_ACCESS),
            (ALLOWED_1 + 1, Needs::VMX_EPT),
            (ALLOWED_1 + 2, Needs::VMX_DESCRIPTOR_TABLE),
            (ALLOWED_1 + 4, Needs::VMX_X2APIC),
            (ALLOWED_1 + 5, Needs::VMX_VPID),
            (ALLOWED_1 + 7, Needs::VMX_UNRESTRICTED),
            (ALLOWED_1 + 8, Needs::VMX_APIC_REGISTERS),
            (ALLOWED_1 + 9, Needs::VMX_VIRTUAL_INTERRUPTS),
            (ALLOWED_1 + 10, Needs::VMX_PAUSE_LOOP),
            (ALLOWED_1 + 13, Needs::VMX_FUNCTIONS),
            (ALLOWED_1 + 14, Needs::VMX_SHADOWING),
            (ALLOWED_1 + 17, Needs::VMX_PML),
            (ALLOWED_1 + 18, Needs::VMX_VIRTUALIZATION_EXCEPTION),
            (ALLOWED_1 + 20, Needs::VMX_XSAVES),
            (ALLOWED_1 + 22, Needs::VMX_MODE_BASED_EXECUTE),
            (ALLOWED_1 + 23, Needs::VMX_SUB_PAGE),
            (ALLOWED_1 + 25, Needs::VMX_TSC_SCALING),
        ],
    ),
    (
        number::EPT_VPID,
        &[
            (0, Needs::VMX_EPT_EXECUTE_ONLY),
            (16, Needs::VMX_EPT_2M),
            (17, Needs::VMX_EPT_1G),
            (20, Needs::VMX_INVEPT),
            (21, Needs::VMX_EPT_DIRTY),
            (32, Needs::VMX_INVVPID),
        ],
    ),
    (number::FUNCTIONS, &[(0, Needs::VMX_EPTP_SWITCHING)]),
];

/// What of VMX these capability MSRs offer; `read` is `None` for one that the processor does not have.
pub fn offers(read: impl Fn(u32) -> Option<u64>) -> Needs {
    let mut offers = Needs::empty();
    for &(number, bits) in BITS {
        // An MSR exists only with the control that it tells of, and need not be asked for.
        let exists = match number {
            number::SECONDARY_CONTROLS => offers.contains(Needs::VMX_SECONDARY),
            number::EPT_VPID => offers.intersects(Needs::VMX_EPT.union(Needs::VMX_VPID)),
            number::FUNCTIONS => offers.contains(Needs::VMX_FUNCTIONS),
            _ => true,
        };
        let Some(value) = exists.then(|| read(number)).flatten() else { continue };
        for &(_, need) in bits.iter().filter(|&&(bit, _)| value >> bit & 1 != 0) {
            offers |= need;
        }
    }
    offers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_that_is_missing_has_no_msr() {
        let without = |number, bit: u32| offers(|asked| Some(if asked == number { !(1 << bit) } else { u64::MAX }));
        let all = offers(|_| Some(u64::MAX));
        let lost = all.difference(without(number::PROCESSOR_CONTROLS, SECONDARY_BIT));
        assert!(lost.contains(Needs::VMX_EPT | Needs::VMX_INVEPT | Needs::VMX_EPTP_SWITCHING | Needs::VMX_SECONDARY));
        let lost = all.difference(without(number::SECONDARY_CONTROLS, ALLOWED_1 + 13));
        assert_eq!(lost, Needs::VMX_FUNCTIONS | Needs::VMX_EPTP_SWITCHING);
    }

    #[test]
    fn no_msrs_offer_nothing() {
        assert_eq!(offers(|_| None), Needs::empty());
        assert_eq!(offers(|_| Some(0)), Needs::empty());
    }

    #[test]
    fn each_line_is_of_another_bit_and_need() {
        let lines = || BITS.iter().flat_map(|&(number, bits)| bits.iter().map(move |&(bit, need)| (number, bit, need)));
        for (index, line) in lines().enumerate() {
            for other in lines().skip(index + 1) {
                assert!(
                    (line.0, line.1) != (other.0, other.1) && line.2 != other.2,
                    "{line:?} and {other:?} contradict"
                );
            }
        }
    }
}
