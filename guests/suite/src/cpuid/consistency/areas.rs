//! XCR0 and the sizes of the XSAVE area: every combination of the first eight components.

use super::model::{Component, compacted_size, is_legal_xcr0, standard_size};
use case::Needs;
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
    },
    instruction,
};

/// Components that have a size here: those of XCR0 that the manuals define.
const NR_COMPONENTS: usize = 20;

fn write_xcr0(value: u64) -> Outcome {
    instruction!("xsetbv", in("ecx") 0, in("eax") value as u32, in("edx") (value >> 32) as u32).into()
}

fn outcome(completes: bool) -> Outcome {
    if completes { Outcome::COMPLETED } else { Outcome::GP }
}

fn read_supported() -> u64 {
    let leaf = read_leaf(0xd, 0);
    u64::from(leaf.edx) << 32 | u64::from(leaf.eax)
}

/// XSETBV with every combination of the first eight components in this range, alone and with PKRU and AMX.
fn check_combinations(others: u64) {
    let supported = read_supported();
    let Ok(_osxsave) = With::cr4(cr4::OSXSAVE, 0) else {
        check_outcome!("setting CR4.OSXSAVE", Outcome::GP, Outcome::COMPLETED);
        return;
    };
    let mut components = [Component::default(); NR_COMPONENTS];
    for (index, component) in components.iter_mut().enumerate().skip(2) {
        if supported >> index & 1 != 0 {
            let leaf = read_leaf(0xd, index as u32);
            *component = Component { size: leaf.eax, offset: leaf.ebx, is_aligned: leaf.ecx & 2 != 0 };
        }
    }
    let features = read_leaf(0xd, 1).eax;
    let has_compaction = features & 0b1010 != 0;
    for low in 0..0x100_u64 {
        let value = low | others;
        let legal = is_legal_xcr0(value, supported);
        check_outcome!("XSETBV", [&[]; value], write_xcr0(value), outcome(legal));
        if legal {
            check_eq!("size", [&[]; value], read_leaf(0xd, 0).ebx, standard_size(&components, value));
            check_eq!("largest size", [&[]; value], read_leaf(0xd, 0).ecx, standard_size(&components, supported));
            if has_compaction {
                // IA32_XSS is 0 after RESET.
                check_eq!("compacted size", [&[]; value], read_leaf(0xd, 1).ebx, compacted_size(&components, value));
            }
        }
    }
    check_outcome!("XCR0 as after RESET", write_xcr0(1), Outcome::COMPLETED);
}

macro_rules! combinations {
    ($($(#[$doc:meta])* $name:ident $others:expr;)*) => {
        $(
            $(#[$doc])*
            #[case(
                feature = CpuidConsistency,
                spec = [
                    sdm1("Enabling the XSAVE Feature Set and XSAVE-Enabled Features"),
                    sdm2("XSETBV—Set Extended Control Register"),
                    apm2("XFEATURE_ENABLED_MASK Register (XCR0)"),
                    apm3("Function Dh—Processor Extended State Enumeration"),
                ],
                needs = Needs::XSAVE,
            )]
            fn $name() {
                check_combinations($others);
            }
        )*
    };
}

combinations! {
    /// XSETBV takes every legal combination of the components x87 to Hi16_ZMM and raises #GP(0) for every other, and leaf
    /// 0DH tells the sizes of what is enabled.
    xcr0_combinations 0;
    /// The same with PKRU.
    xcr0_combinations_with_pkru 1 << 9;
    /// The same with both components of AMX.
    xcr0_combinations_with_amx 0b11 << 17;
    /// The same with one component of AMX, which is never legal.
    xcr0_combinations_with_half_of_amx 1 << 17;
}

/// XSETBV of a single component that leaf 0DH does not name raises #GP(0), and so does an XCR other than XCR0.
#[case(
    feature = CpuidConsistency,
    spec = [sdm2("XSETBV—Set Extended Control Register"), apm2("XFEATURE_ENABLED_MASK Register (XCR0)")],
    needs = Needs::XSAVE,
)]
fn unsupported_components_and_registers() {
    let supported = read_supported();
    let Ok(_osxsave) = With::cr4(cr4::OSXSAVE, 0) else {
        check_outcome!("setting CR4.OSXSAVE", Outcome::GP, Outcome::COMPLETED);
        return;
    };
    for component in 8..64_u32 {
        if supported >> component & 1 == 0 {
            check_outcome!("component", [&[]; component], write_xcr0(1 << component | 3), Outcome::GP);
        }
    }
    for register in [1_u32, 2, 3, 0x7f, 0x100, 0x8000_0000, u32::MAX] {
        let result = instruction!("xsetbv", in("ecx") register, in("eax") 1, in("edx") 0);
        check_outcome!("XCR", [&[]; register], result, Outcome::GP);
    }
}
