//! XSAVE, XSAVEOPT, XSAVEC and XRSTOR, each with every combination of its masks.

use super::{
    component::{Save, bit},
    sweep::Machine,
};
use rt::{case, check, check_eq, cpu::cpuid::read_leaf, skip, vocabulary::Needs};

const ALL: u64 = u64::MAX;

fn save(save: Save, wanted: u64) {
    match Machine::new(wanted) {
        Some(machine) => machine.sweep_save(save),
        None => check!("XCR0 takes the components", false),
    }
}

fn restore(wanted: u64, xcomp_bv: fn(u64, u64) -> u64) {
    match Machine::new(wanted) {
        Some(machine) => machine.sweep_restore(xcomp_bv),
        None => check!("XCR0 takes the components", false),
    }
}

/// Bits of leaf 0DH, subleaf 1, EAX.
const XSAVEOPT: u32 = 1 << 0;
const XSAVEC: u32 = 1 << 1;

fn has(feature: u32) -> bool {
    read_leaf(0xd, 1).eax & feature != 0
}

/// XSAVE with every component that the processor has: every requested-feature bitmap with every XSTATE_BV before.
#[case(feature = StateXsave, spec = [sdm1("Operation of XSAVE"), apm2("XSAVE/XRSTOR Instructions")], needs = Needs::XSAVE)]
fn xsave_all() {
    save(Save::Xsave, ALL);
}

/// XRSTOR of the standard format with every component that the processor has: every requested-feature bitmap with every XSTATE_BV.
#[case(feature = StateXsave, spec = [sdm1("Operation of XRSTOR"), apm2("XSAVE/XRSTOR Instructions")], needs = Needs::XSAVE)]
fn xrstor_all() {
    restore(ALL, |_, _| 0);
}

/// XSAVE with x87, SSE and AVX state in XCR0: every requested-feature bitmap with every XSTATE_BV before.
#[case(feature = StateXsave, spec = [sdm1("Operation of XSAVE"), apm2("XSAVE/XRSTOR Instructions")], needs = Needs::XSAVE | Needs::AVX)]
fn xsave_x87_sse_avx() {
    save(Save::Xsave, 7);
}

/// XRSTOR of the standard format with x87, SSE and AVX state in XCR0: every requested-feature bitmap with every XSTATE_BV.
#[case(feature = StateXsave, spec = [sdm1("Operation of XRSTOR"), apm2("XSAVE/XRSTOR Instructions")], needs = Needs::XSAVE | Needs::AVX)]
fn xrstor_x87_sse_avx() {
    restore(7, |_, _| 0);
}

/// XSAVE with x87 and SSE state in XCR0: every requested-feature bitmap with every XSTATE_BV before.
#[case(feature = StateXsave, spec = [sdm1("Operation of XSAVE"), apm2("XSAVE/XRSTOR Instructions")], needs = Needs::XSAVE)]
fn xsave_x87_sse() {
    save(Save::Xsave, 3);
}

/// XRSTOR of the standard format with x87 and SSE state in XCR0: every requested-feature bitmap with every XSTATE_BV.
#[case(feature = StateXsave, spec = [sdm1("Operation of XRSTOR"), apm2("XSAVE/XRSTOR Instructions")], needs = Needs::XSAVE)]
fn xrstor_x87_sse() {
    restore(3, |_, _| 0);
}

/// XSAVE with x87 state alone in XCR0: every requested-feature bitmap with every XSTATE_BV before.
#[case(feature = StateXsave, spec = [sdm1("Operation of XSAVE"), apm2("XSAVE/XRSTOR Instructions")], needs = Needs::XSAVE)]
fn xsave_x87() {
    save(Save::Xsave, 1);
}

/// XRSTOR of the standard format with x87 state alone in XCR0: every requested-feature bitmap with every XSTATE_BV.
#[case(feature = StateXsave, spec = [sdm1("Operation of XRSTOR"), apm2("XSAVE/XRSTOR Instructions")], needs = Needs::XSAVE)]
fn xrstor_x87() {
    restore(1, |_, _| 0);
}

/// XSAVEOPT with every component that the processor has: every requested-feature bitmap with every set of components in use.
#[case(feature = StateXsave, spec = sdm1("Operation of XSAVEOPT"), needs = Needs::XSAVE)]
fn xsaveopt_all() {
    if !has(XSAVEOPT) {
        skip!("no XSAVEOPT");
        return;
    }
    save(Save::Xsaveopt, ALL);
}

/// XSAVEC with every component that the processor has: every requested-feature bitmap with every set of components in use.
#[case(feature = StateXsaves, spec = [sdm1("Operation of XSAVEC"), sdm1("Extended Region of an XSAVE Area")],
       needs = Needs::XSAVE)]
fn xsavec_all() {
    if !has(XSAVEC) {
        skip!("no XSAVEC");
        return;
    }
    save(Save::Xsavec, ALL);
}

/// XRSTOR of the compacted format with every component that the processor has, which has room for all of them.
#[case(feature = StateXsaves, spec = [sdm1("Operation of XRSTOR"), sdm1("Extended Region of an XSAVE Area")],
       needs = Needs::XSAVE)]
fn xrstor_compacted_all() {
    if !has(XSAVEC) {
        skip!("no XSAVEC");
        return;
    }
    restore(ALL, |_, xcr0| xcr0 | bit::COMPACTED);
}

/// XRSTOR of the compacted format with every component that the processor has, where XCOMP_BV has no more than XSTATE_BV has.
#[case(feature = StateXsaves, spec = [sdm1("Operation of XRSTOR"), sdm1("Extended Region of an XSAVE Area")],
       needs = Needs::XSAVE)]
fn xrstor_compacted_tight_all() {
    if !has(XSAVEC) {
        skip!("no XSAVEC");
        return;
    }
    restore(ALL, |xstate_bv, _| xstate_bv | bit::COMPACTED);
}

/// XSAVEOPT with x87, SSE and AVX state in XCR0: every requested-feature bitmap with every set of components in use.
#[case(feature = StateXsave, spec = sdm1("Operation of XSAVEOPT"), needs = Needs::XSAVE | Needs::AVX)]
fn xsaveopt_x87_sse_avx() {
    if !has(XSAVEOPT) {
        skip!("no XSAVEOPT");
        return;
    }
    save(Save::Xsaveopt, 7);
}

/// XSAVEC with x87, SSE and AVX state in XCR0: every requested-feature bitmap with every set of components in use.
#[case(feature = StateXsaves, spec = [sdm1("Operation of XSAVEC"), sdm1("Extended Region of an XSAVE Area")],
       needs = Needs::XSAVE | Needs::AVX)]
fn xsavec_x87_sse_avx() {
    if !has(XSAVEC) {
        skip!("no XSAVEC");
        return;
    }
    save(Save::Xsavec, 7);
}

/// XRSTOR of the compacted format with x87, SSE and AVX state in XCR0, which has room for all of them.
#[case(feature = StateXsaves, spec = [sdm1("Operation of XRSTOR"), sdm1("Extended Region of an XSAVE Area")],
       needs = Needs::XSAVE | Needs::AVX)]
fn xrstor_compacted_x87_sse_avx() {
    if !has(XSAVEC) {
        skip!("no XSAVEC");
        return;
    }
    restore(7, |_, xcr0| xcr0 | bit::COMPACTED);
}

/// XRSTOR of the compacted format with x87, SSE and AVX state in XCR0, where XCOMP_BV has no more than XSTATE_BV has.
#[case(feature = StateXsaves, spec = [sdm1("Operation of XRSTOR"), sdm1("Extended Region of an XSAVE Area")],
       needs = Needs::XSAVE | Needs::AVX)]
fn xrstor_compacted_tight_x87_sse_avx() {
    if !has(XSAVEC) {
        skip!("no XSAVEC");
        return;
    }
    restore(7, |xstate_bv, _| xstate_bv | bit::COMPACTED);
}

/// Leaf 0DH, subleaf 1 tells the size of the compacted format with the components of XCR0, as offsets and alignment of
/// each component give it.
#[case(feature = StateXsaves, spec = [sdm1("Enumeration of CPU Support for XSAVE Instructions and XSAVE-Supported Features"),
       sdm1("Extended Region of an XSAVE Area")], needs = Needs::XSAVE)]
fn size_of_the_compacted_format() {
    if !has(XSAVEC) {
        skip!("no XSAVEC");
        return;
    }
    for (row, wanted) in [1, 3, 7, 0xe7, ALL].into_iter().enumerate() {
        if let Some(machine) = Machine::new(wanted) {
            let size = machine.compacted_size(machine.xcr0() | bit::COMPACTED);
            check_eq!("size", [&[]; row], read_leaf(0xd, 1).ebx, size);
        }
    }
}
