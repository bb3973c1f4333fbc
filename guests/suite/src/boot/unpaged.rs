//! Leaving long mode for 32-bit protected mode without paging, and entering it again.

use case::Text;
use rt::{
    boot, case, check_eq,
    cpu::{
        control::{cr0, cr4},
        msr::efer,
    },
    names, unpaged,
};

const CR0: u32 = boot::CR0 as u32;
const CR4: u32 = boot::CR4 as u32;
const LME: u32 = efer::LME as u32;
const LMA: u32 = efer::LMA as u32;
const PG: u32 = cr0::PG as u32;

/// Disabling paging clears IA32_EFER.LMA and keeps LME; enabling it again sets LMA.
#[case(feature = LongModeActivation, spec = [sdm3a("Initializing IA-32e Mode"), apm2("Long Mode Active (LMA) Bit")])]
fn lma_follows_paging() {
    let attempt = unpaged::attempt(CR4, LME, CR0);
    check_eq!("LME and LMA without paging", attempt.efer_unpaged & (LME | LMA), LME);
    check_eq!("enabling paging faults", attempt.faulted, 0);
    check_eq!("LME and LMA with paging", attempt.efer_after & (LME | LMA), LME | LMA);
    check_eq!("CR0 with paging", attempt.cr0_after, CR0);
}

/// Enabling paging with IA32_EFER.LME set and CR4.PAE clear raises #GP(0), and long mode stays inactive.
#[case(feature = LongModeActivation, spec = [sdm3a("Paging-Mode Enabling"), apm2("Consistency Checks")])]
fn long_mode_needs_pae() {
    let attempt = unpaged::attempt(CR4 & !(cr4::PAE as u32), LME, CR0);
    check_eq!("enabling paging faults", attempt.faulted, 1);
    check_eq!("error code", attempt.error_code, 0);
    check_eq!("LMA afterwards", attempt.efer_after & LMA, 0);
    check_eq!("CR0.PG afterwards", attempt.cr0_after & PG, 0);
}

/// Combinations of bits that CR0 never takes raise #GP(0) outside of long mode too.
#[case(feature = LongModeActivation, spec = [sdm2("MOV—Move to/from Control Registers"), apm3("MOV CRn")])]
fn impossible_cr0_raises_gp() {
    const NAMES: &[Text] = names!["PG without PE", "NW without CD", "PG with NW and without CD"];
    let (pe, nw) = (cr0::PE as u32, cr0::NW as u32);
    let table = [CR0 & !pe, (CR0 & !PG) | nw, CR0 | nw];
    for (row, value) in table.into_iter().enumerate() {
        let attempt = unpaged::attempt(CR4, LME, value);
        check_eq!("MOV to CR0 faults", [NAMES; row], attempt.faulted, 1);
        check_eq!("error code", [NAMES; row], attempt.error_code, 0);
        check_eq!("CR0.PG and CR0.NW afterwards", [NAMES; row], attempt.cr0_after & (PG | nw), 0);
    }
}

/// IA32_EFER.LME can be written while paging is disabled.
#[case(feature = LongModeActivation, spec = [sdm3a("Paging-Mode Enabling"), apm2("Long Mode Enable (LME) Bit")])]
fn lme_is_writable_without_paging() {
    const NAMES: &[Text] = names!["LME clear", "LME set"];
    for (row, lme) in [0, LME].into_iter().enumerate() {
        let attempt = unpaged::attempt(CR4, lme, CR0 & !PG);
        check_eq!("write to CR0 without PG faults", [NAMES; row], attempt.faulted, 0);
        check_eq!("LME and LMA", [NAMES; row], attempt.efer_after & (LME | LMA), lme);
    }
}
