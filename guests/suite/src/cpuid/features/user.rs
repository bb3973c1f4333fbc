//! At CPL 3, feature by feature.

use super::{
    drive::{Enabled, Guest, NAMES, execute_user},
    model::{Levels, Row, State, completes, is_told},
    rows::ROWS,
};
use crate::cpuid::bit::{Processor, Vendor};
use case::Needs;
use rt::{Outcome, case, check_outcome, cpu::control::With, cpu::control::cr4};

fn outcome(completes: bool) -> Outcome {
    if completes { Outcome::COMPLETED } else { Outcome::UD }
}

fn rows(state: State) -> impl Iterator<Item = (usize, &'static Row)> {
    ROWS.iter().enumerate().filter(move |(_, row)| row.state == state && row.levels == Levels::Both)
}

/// Every instruction of the rows: it completes if and only if CPUID tells of its features.
fn check_enabled(state: State) {
    let guest = Guest::read();
    let _enabled = Enabled::new(state);
    for (index, row) in rows(state) {
        if let Some(expected) = completes(row, is_told(row, &guest), true, guest.vendor()) {
            check_outcome!("at CPL 3", [NAMES; index], execute_user(row), outcome(expected));
        }
    }
}

/// Every instruction of the rows raises #UD while what it takes is not enabled, told or not.
fn check_disabled(state: State) {
    for (index, row) in rows(state) {
        if let Some(expected) = completes(row, true, false, Vendor::Intel) {
            check_outcome!("at CPL 3, not enabled", [NAMES; index], execute_user(row), outcome(expected));
        }
    }
}

macro_rules! instructions {
    ($($(#[$doc:meta])* $name:ident $state:ident;)*) => {
        $(
            $(#[$doc])*
            #[case(
                feature = CpuidFeatureTable,
                spec = [
                    sdm1("Processor Identification and Feature Determination"),
                    sdm2("CPUID—CPU Identification"),
                    apm3("Instruction Subsets and CPUID Feature Flags"),
                ],
            )]
            fn $name() {
                check_enabled(State::$state);
            }
        )*
    };
}

instructions! {
    /// Instructions on general-purpose, x87 and MMX registers work at CPL 3 if and only if CPUID tells of their feature.
    instructions_without_state None;
    /// SSE instructions work at CPL 3 if and only if CPUID tells of their feature.
    sse_instructions Sse;
    /// The XSAVE family works at CPL 3 with CR4.OSXSAVE set if and only if CPUID tells of its members.
    xsave_instructions Xsave;
    /// AVX instructions work at CPL 3 with AVX state enabled if and only if CPUID tells of their features.
    avx_instructions Avx;
    /// AVX-512 instructions work at CPL 3 with their state enabled if and only if CPUID tells of their features.
    avx512_instructions Avx512;
}

/// SSE instructions raise #UD at CPL 3 while CR4.OSFXSR is clear.
#[case(
    feature = CpuidFeatureTable,
    spec = [sdm3a("Control Registers"), apm2("FXSAVE/FXRSTOR Support (OSFXSR) Bit")],
)]
fn sse_instructions_without_osfxsr() {
    let _clear = With::cr4(0, cr4::OSFXSR);
    check_disabled(State::Sse);
}

/// The XSAVE family and AVX and AVX-512 instructions raise #UD at CPL 3 while CR4.OSXSAVE is clear.
#[case(
    feature = CpuidFeatureTable,
    spec = [sdm1("Enabling the XSAVE Feature Set and XSAVE-Enabled Features"), apm2("XSAVE and Extended States (OSXSAVE) Bit")],
)]
fn avx_instructions_without_osxsave() {
    check_disabled(State::Xsave);
    check_disabled(State::Avx);
    check_disabled(State::Avx512);
}

/// AVX and AVX-512 instructions raise #UD at CPL 3 while XCR0 enables SSE state and no AVX state.
#[case(
    feature = CpuidFeatureTable,
    spec = [sdm1("Enabling the XSAVE Feature Set and XSAVE-Enabled Features"), apm2("XFEATURE_ENABLED_MASK Register (XCR0)")],
    needs = Needs::XSAVE,
)]
fn avx_instructions_without_avx_state() {
    let _enabled = Enabled::components(0b11);
    check_disabled(State::Avx);
    check_disabled(State::Avx512);
}

/// AVX-512 instructions raise #UD at CPL 3 while XCR0 enables AVX state and no AVX-512 state.
#[case(
    feature = CpuidFeatureTable,
    spec = sdm1("Enabling the XSAVE Feature Set and XSAVE-Enabled Features"),
    needs = Needs::AVX,
)]
fn avx512_instructions_without_avx512_state() {
    let _enabled = Enabled::components(0b111);
    check_disabled(State::Avx512);
}
