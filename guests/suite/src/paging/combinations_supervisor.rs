//! What CPL 0 may do, by every combination of bits of two entries; see [`super::combinations`].

use super::{
    combinations::{Shape, sweep},
    decision::Mode,
};
use rt::{case, vocabulary::Needs};

/// CPL 0 with execute-disable.
const NXE: Mode = Mode { execute_disable: true, ..Mode::SUPERVISOR };
/// The same without CR0.WP.
const NO_WP: Mode = Mode { write_protect: false, ..NXE };
/// With CR4.SMEP.
const SMEP: Mode = Mode { smep: true, ..NXE };
/// With CR4.SMAP.
const SMAP: Mode = Mode { smap: true, ..NXE };
/// With CR4.SMAP and without CR0.WP.
const SMAP_NO_WP: Mode = Mode { smap: true, ..NO_WP };
/// With CR4.SMAP, suspended by EFLAGS.AC.
const SMAP_AC: Mode = Mode { alignment_check: true, ..SMAP };
/// With both.
const SMEP_SMAP: Mode = Mode { smep: true, ..SMAP };

/// CPL 0 with EFER.NXE set: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn supervisor_pde_over_pte() {
    sweep(Shape::PdeOverPte, NXE);
}

/// CPL 0 with EFER.NXE set: every combination of P, R/W, U/S and XD of PDPTE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn supervisor_pdpte_over_pte() {
    sweep(Shape::PdpteOverPte, NXE);
}

/// CPL 0 with EFER.NXE set: every combination of P, R/W, U/S and XD of PML4E and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn supervisor_pml4e_over_pte() {
    sweep(Shape::Pml4eOverPte, NXE);
}

/// CPL 0 with EFER.NXE set: every combination of P, R/W, U/S and XD of PDPTE and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn supervisor_pdpte_over_large_pde() {
    sweep(Shape::PdpteOverLargePde, NXE);
}

/// CPL 0 with EFER.NXE set: every combination of P, R/W, U/S and XD of PML4E and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn supervisor_pml4e_over_large_pde() {
    sweep(Shape::Pml4eOverLargePde, NXE);
}

/// CPL 0 with EFER.NXE set: every combination of P, R/W, U/S and XD of PML4E and a PDPTE that maps 1 GiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX | Needs::PAGE_1G)]
fn supervisor_pml4e_over_large_pdpte() {
    sweep(Shape::Pml4eOverLargePdpte, NXE);
}

/// CPL 0 with EFER.NXE set: every combination of R/W and U/S of all four levels.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn supervisor_all_four() {
    sweep(Shape::AllFour, NXE);
}

/// CPL 0 with CR0.WP clear: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn supervisor_without_wp_pde_over_pte() {
    sweep(Shape::PdeOverPte, NO_WP);
}

/// CPL 0 with CR0.WP clear: every combination of P, R/W, U/S and XD of PDPTE and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn supervisor_without_wp_pdpte_over_large_pde() {
    sweep(Shape::PdpteOverLargePde, NO_WP);
}

/// CPL 0 with CR0.WP clear: every combination of R/W and U/S of all four levels.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn supervisor_without_wp_all_four() {
    sweep(Shape::AllFour, NO_WP);
}

/// CPL 0 with EFER.NXE clear, so that XD is reserved: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")])]
fn supervisor_without_nxe_pde_over_pte() {
    sweep(Shape::PdeOverPte, Mode::SUPERVISOR);
}

/// CPL 0 with CR4.SMEP: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX | Needs::SMEP)]
fn supervisor_smep_pde_over_pte() {
    sweep(Shape::PdeOverPte, SMEP);
}

/// CPL 0 with CR4.SMAP: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX | Needs::SMAP)]
fn supervisor_smap_pde_over_pte() {
    sweep(Shape::PdeOverPte, SMAP);
}

/// CPL 0 with EFER.NXE clear, so that XD is reserved: every combination of P, R/W, U/S and XD of PDPTE and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")])]
fn supervisor_without_nxe_pdpte_over_large_pde() {
    sweep(Shape::PdpteOverLargePde, Mode::SUPERVISOR);
}

/// CPL 0 with CR4.SMEP: every combination of P, R/W, U/S and XD of PDPTE and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX | Needs::SMEP)]
fn supervisor_smep_pdpte_over_large_pde() {
    sweep(Shape::PdpteOverLargePde, SMEP);
}

/// CPL 0 with CR4.SMAP: every combination of P, R/W, U/S and XD of PDPTE and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX | Needs::SMAP)]
fn supervisor_smap_pdpte_over_large_pde() {
    sweep(Shape::PdpteOverLargePde, SMAP);
}

/// CPL 0 with CR4.SMAP, suspended by EFLAGS.AC: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX | Needs::SMAP)]
fn supervisor_smap_ac_pde_over_pte() {
    sweep(Shape::PdeOverPte, SMAP_AC);
}

/// CPL 0 with CR4.SMAP and CR0.WP clear: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX | Needs::SMAP)]
fn supervisor_smap_without_wp_pde_over_pte() {
    sweep(Shape::PdeOverPte, SMAP_NO_WP);
}

/// CPL 0 with CR4.SMEP and CR4.SMAP: every combination of R/W and U/S of all four levels.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX | Needs::SMEP | Needs::SMAP)]
fn supervisor_smep_smap_all_four() {
    sweep(Shape::AllFour, SMEP_SMAP);
}
