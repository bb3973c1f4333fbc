//! Capability MSRs: each by itself, against each other, and against what VMWRITE and VMLAUNCH accept.

use super::capability_model::{self as model, Facts};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::msr,
    names,
    vmx::capability::{self, number},
    vocabulary::{Needs, Text},
};

const NUMBERS: [u32; 20] = [
    number::BASIC,
    number::PIN_CONTROLS,
    number::PROCESSOR_CONTROLS,
    number::EXIT_CONTROLS,
    number::ENTRY_CONTROLS,
    number::MISC,
    number::CR0_FIXED0,
    number::CR0_FIXED1,
    number::CR4_FIXED0,
    number::CR4_FIXED1,
    number::VMCS_ENUM,
    number::SECONDARY_CONTROLS,
    number::EPT_VPID,
    number::TRUE_PIN_CONTROLS,
    number::TRUE_PROCESSOR_CONTROLS,
    number::TRUE_EXIT_CONTROLS,
    number::TRUE_ENTRY_CONTROLS,
    number::FUNCTIONS,
    number::TERTIARY_CONTROLS,
    number::EXIT_CONTROLS_2,
];
const NAMES: &[Text] = names![
    "480H", "481H", "482H", "483H", "484H", "485H", "486H", "487H", "488H", "489H", "48AH", "48BH", "48CH", "48DH",
    "48EH", "48FH", "490H", "491H", "492H", "493H"
];

/// Each capability MSR exists if and only if what it tells of does; none can be written.
#[case(feature = VmxCapabilities, spec = [sdm3d("VMX Capability Reporting Facility"), sdm4("Architectural MSRs")],
       needs = Needs::INTEL | Needs::VMX)]
fn msrs_exist_with_what_they_tell_of() {
    for (row, number) in NUMBERS.into_iter().enumerate() {
        let due = model::exists(number, capability::read);
        let expected = if due { Outcome::COMPLETED } else { Outcome::GP };
        let value = msr::read(number);
        check_outcome!("RDMSR", [NAMES; row], value, expected);
        check_outcome!("WRMSR of the same value", [NAMES; row], msr::write(number, value.unwrap_or(0)), Outcome::GP);
        check_eq!("read again", [NAMES; row], capability::read(number), value.unwrap_or(0));
    }
}

/// What the capability MSRs say agrees with itself, rule by rule.
#[case(feature = VmxCapabilities, spec = sdm3d("VMX Capability Reporting Facility"), needs = Needs::INTEL | Needs::VMX)]
fn msrs_agree_with_each_other() {
    let facts = Facts::read(capability::read, rt::paging::read_physical_address_bits());
    for (row, rule) in model::RULES.iter().enumerate() {
        check_eq!("bits that break the rule", [model::NAMES; row], (rule.broken)(&facts), 0);
    }
}

/// CR0_FIXED0 and CR0_FIXED1, as those of CR4, leave each bit fixed to 0, fixed to 1 or free, and what this image runs with is legal.
#[case(feature = VmxCapabilities, spec = [sdm3d("VMX-Fixed Bits in CR0"), sdm3d("VMX-Fixed Bits in CR4")], needs = Needs::INTEL | Needs::VMX)]
fn fixed_bits_of_control_registers() {
    use rt::cpu::control::{cr0, cr4, read_cr0, read_cr4};
    let [zero_0, zero_1] = [number::CR0_FIXED0, number::CR0_FIXED1].map(capability::read);
    let [four_0, four_1] = [number::CR4_FIXED0, number::CR4_FIXED1].map(capability::read);
    check_eq!("CR0 bits that must be 1 and may not", zero_0 & !zero_1, 0);
    check_eq!("CR4 bits that must be 1 and may not", four_0 & !four_1, 0);
    const MUST: u64 = cr0::PE | cr0::NE | cr0::PG;
    check_eq!("CR0: PE, NE and PG must be 1", zero_0 & MUST, MUST);
    check_eq!("CR4: VMXE must be 1", four_0 & rt::vmx::VMXE, rt::vmx::VMXE);
    check_eq!("CR0 of this image", (read_cr0() | zero_0) & !zero_1, 0);
    check_eq!("CR4 of this image", (read_cr4() | four_0) & !four_1, 0);
    check!("CR4.PAE may be 1", four_1 & cr4::PAE != 0);
    check_eq!("CR0 above bit 31 may be 1", zero_1 >> 32, 0);
}

/// Bits of CR4 that VMX operation allows are those whose features CPUID tells of.
#[case(feature = VmxCapabilities, spec = [sdm3d("VMX-Fixed Bits in CR4"), sdm3a("Control Registers")], needs = Needs::INTEL | Needs::VMX)]
fn allowed_bits_of_cr4_follow_cpuid() {
    use rt::cpu::cpuid::read_leaf;
    const ROWS: &[(u32, u32, u32, u32)] = &[
        // Bit of CR4; leaf, register and bit of CPUID.
        (0, 1, 3, 1),
        (2, 1, 3, 4),
        (3, 1, 3, 2),
        (4, 1, 3, 3),
        (5, 1, 3, 6),
        (6, 1, 3, 7),
        (7, 1, 3, 13),
        (9, 1, 3, 24),
        (10, 1, 3, 25),
        (11, 7, 2, 2),
        (12, 7, 2, 16),
        (13, 1, 2, 5),
        (14, 1, 2, 6),
        (16, 7, 1, 0),
        (17, 1, 2, 17),
        (18, 1, 2, 26),
        (20, 7, 1, 7),
        (21, 7, 1, 20),
        (22, 7, 2, 3),
        (23, 7, 2, 7),
        (24, 7, 2, 31),
    ];
    const NAMES: &[Text] = names![
        "VME",
        "TSD",
        "DE",
        "PSE",
        "PAE",
        "MCE",
        "PGE",
        "OSFXSR",
        "OSXMMEXCPT",
        "UMIP",
        "LA57",
        "VMXE",
        "SMXE",
        "FSGSBASE",
        "PCIDE",
        "OSXSAVE",
        "SMEP",
        "SMAP",
        "PKE",
        "CET",
        "PKS"
    ];
    let allowed = capability::read(number::CR4_FIXED1);
    for (row, &(bit, leaf, register, feature)) in ROWS.iter().enumerate() {
        let leaf = read_leaf(leaf, 0);
        let word = [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx][register as usize];
        // CET is told by either of two bits.
        let told = word >> feature & 1 != 0 || bit == 23 && read_leaf(7, 0).edx >> 20 & 1 != 0;
        check_eq!("may be 1", [NAMES; row], allowed >> bit & 1, u64::from(told));
    }
}
