//! What keeps a processor in long mode.

use case::{Needs, Text};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{self, cr0, cr4},
        msr::{self, efer, number::IA32_EFER},
    },
    names,
};

/// In 64-bit mode CR0.PE, CR0.PG, CR4.PAE, IA32_EFER.LME and IA32_EFER.LMA are all set.
#[case(feature = LongModeActivation, spec = [sdm3a("Paging-Mode Enabling"), apm2("Long Mode")])]
fn bits_of_long_mode_are_set() {
    let (cr0, cr4) = (control::read_cr0(), control::read_cr4());
    check!("CR0.PE", cr0 & cr0::PE != 0);
    check!("CR0.PG", cr0 & cr0::PG != 0);
    check!("CR4.PAE", cr4 & cr4::PAE != 0);
    let efer = msr::read(IA32_EFER).unwrap_or(0);
    check!("IA32_EFER.LME", efer & efer::LME != 0);
    check!("IA32_EFER.LMA", efer & efer::LMA != 0);
}

/// Clearing IA32_EFER.LME while paging is enabled raises #GP(0) and changes nothing.
#[case(feature = LongModeActivation, spec = [sdm3a("Paging-Mode Enabling"), apm2("Consistency Checks")])]
fn lme_is_locked_while_paging() {
    let before = msr::read(IA32_EFER).unwrap_or(0);
    const NAMES: &[Text] = names!["LME", "LME and LMA"];
    for (row, clear) in [efer::LME, efer::LME | efer::LMA].into_iter().enumerate() {
        check_outcome!("WRMSR that clears", [NAMES; row], msr::write(IA32_EFER, before & !clear), Outcome::GP);
    }
    check_eq!("IA32_EFER afterwards", msr::read(IA32_EFER).unwrap_or(0), before);
}

/// IA32_EFER.LMA cannot be cleared by WRMSR while long mode is active.
#[case(feature = LongModeActivation, spec = [sdm4("Architectural MSRs"), apm2("Long Mode Active (LMA) Bit")])]
fn lma_is_read_only() {
    let before = msr::read(IA32_EFER).unwrap_or(0);
    // Whether the write is ignored or faults is not told by both manuals.
    let _ = msr::write(IA32_EFER, before & !efer::LMA);
    check_eq!("IA32_EFER afterwards", msr::read(IA32_EFER).unwrap_or(0), before);
}

/// Clearing CR4.PAE while long mode is active raises #GP(0) and changes nothing.
#[case(feature = LongModeActivation, spec = [sdm3a("Paging-Mode Enabling"), apm2("Consistency Checks")])]
fn pae_is_locked_in_long_mode() {
    let before = control::read_cr4();
    check_outcome!("MOV to CR4 that clears PAE", control::write_cr4(before & !cr4::PAE), Outcome::GP);
    check_eq!("CR4 afterwards", control::read_cr4(), before);
}

/// Clearing CR0.PE while CR0.PG is set raises #GP(0) and changes nothing.
#[case(feature = LongModeActivation, spec = [sdm2("MOV—Move to/from Control Registers"), apm3("MOV CRn")])]
fn pe_is_locked_while_paging() {
    let before = control::read_cr0();
    check_outcome!("MOV to CR0 that clears PE", control::write_cr0(before & !cr0::PE), Outcome::GP);
    check_eq!("CR0 afterwards", control::read_cr0(), before);
}

/// Clearing CR0.PG in 64-bit mode raises #GP(0) and changes nothing.
///
/// Intel's manual lists it among the exceptions of 64-bit mode; AMD's only says that compatibility mode comes first.
#[case(
    feature = LongModeActivation,
    spec = sdm2("MOV—Move to/from Control Registers"),
    needs = Needs::INTEL
)]
fn pg_is_locked_in_64_bit_mode() {
    let before = control::read_cr0();
    check_outcome!("MOV to CR0 that clears PG", control::write_cr0(before & !cr0::PG), Outcome::GP);
    check_eq!("CR0 afterwards", control::read_cr0(), before);
}

/// Changing CR4.LA57 in long mode raises #GP(0), whether the processor has five-level paging or not.
///
/// Without it the bit is reserved, with it the bit is locked.
#[case(feature = LongModeActivation, spec = [sdm3a("Paging-Mode Enabling"), apm2("CR4 Register")])]
fn la57_is_locked_in_long_mode() {
    let before = control::read_cr4();
    check_outcome!("MOV to CR4 that changes LA57", control::write_cr4(before ^ cr4::LA57), Outcome::GP);
    check_eq!("CR4 afterwards", control::read_cr4(), before);
}
