//! Leaf 0DH: the layout of the XSAVE area.

use case::Needs;
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
    },
    instruction,
};

/// Bytes of the legacy area and the header, which every XSAVE area has.
const SMALLEST_AREA: u32 = 576;

/// Leaf 0DH tells of x87 and SSE state, and of an area that holds every component.
#[case(
    feature = CpuidBasicLeaves,
    spec = [
        sdm1("Enumeration of CPU Support for XSAVE Instructions and XSAVE-Supported Features"),
        apm3("Function Dh—Processor Extended State Enumeration"),
    ],
    needs = Needs::XSAVE,
)]
fn layout_of_the_area() {
    let main = read_leaf(0xd, 0);
    check_eq!("x87 and SSE state", main.eax & 3, 3);
    check!("size for XCR0 is that of an area", main.ebx >= SMALLEST_AREA);
    check!("size for XCR0 is not beyond the largest", main.ebx <= main.ecx);
    for component in 2..32 {
        if main.eax >> component & 1 != 0 {
            let leaf = read_leaf(0xd, component);
            check!("component has a size", [&[]; component], leaf.eax != 0);
            check!("component is behind the header", [&[]; component], leaf.ebx >= SMALLEST_AREA);
            check!("component ends in the area", [&[]; component], leaf.eax.saturating_add(leaf.ebx) <= main.ecx);
        }
    }
}

fn xsetbv(value: u64) -> Outcome {
    instruction!("xsetbv", in("ecx") 0, in("eax") value as u32, in("edx") (value >> 32) as u32).into()
}

/// The size in leaf 0DH EBX follows XCR0: with x87 state alone it is that of the smallest area.
#[case(
    feature = CpuidDynamicBits,
    spec = [
        sdm1("Enumeration of CPU Support for XSAVE Instructions and XSAVE-Supported Features"),
        apm3("Function Dh—Processor Extended State Enumeration"),
    ],
    needs = Needs::XSAVE,
)]
fn size_follows_xcr0() {
    let Ok(_osxsave) = With::cr4(cr4::OSXSAVE, 0) else {
        check!("CR4.OSXSAVE can be set", false);
        return;
    };
    check_outcome!("XCR0 with x87 state", xsetbv(1), Outcome::COMPLETED);
    check_eq!("size with x87 state", read_leaf(0xd, 0).ebx, SMALLEST_AREA);
    check_outcome!("XCR0 with x87 and SSE state", xsetbv(3), Outcome::COMPLETED);
    check_eq!("size with x87 and SSE state", read_leaf(0xd, 0).ebx, SMALLEST_AREA);
    if read_leaf(0xd, 0).eax & 4 != 0 {
        let avx = read_leaf(0xd, 2);
        check_outcome!("XCR0 with AVX state", xsetbv(7), Outcome::COMPLETED);
        check_eq!("size with AVX state", read_leaf(0xd, 0).ebx, avx.eax + avx.ebx);
        check_outcome!("XCR0 as it was", xsetbv(1), Outcome::COMPLETED);
    }
}

/// XSETBV of a component that leaf 0DH does not name raises #GP(0).
#[case(
    feature = CpuidFeatureBehaviour,
    spec = sdm2("XSETBV—Set Extended Control Register"),
    needs = Needs::XSAVE,
)]
fn xcr0_takes_named_components_only() {
    let Ok(_osxsave) = With::cr4(cr4::OSXSAVE, 0) else {
        check!("CR4.OSXSAVE can be set", false);
        return;
    };
    let main = read_leaf(0xd, 0);
    let named = u64::from(main.edx) << 32 | u64::from(main.eax);
    for component in [2_u32, 9, 17, 18, 19, 20, 40, 62, 63] {
        if named >> component & 1 == 0 {
            check_outcome!("component is not named", [&[]; component], xsetbv(1 << component | 3), Outcome::GP);
        }
    }
    check_outcome!("without x87 state", xsetbv(2), Outcome::GP);
}
