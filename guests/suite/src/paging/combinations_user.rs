//! What CPL 3 may do, by every combination of bits of two entries; see [`super::combinations`].

use super::{
    combinations::{Shape, sweep},
    decision::Mode,
};
use rt::{case, vocabulary::Needs};

/// CPL 3 with execute-disable.
const NXE: Mode = Mode { execute_disable: true, ..Mode::USER };
/// CPL 3 with execute-disable and without CR0.WP, which does not concern it.
const NO_WP: Mode = Mode { write_protect: false, ..NXE };

/// CPL 3 with EFER.NXE set: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn user_pde_over_pte() {
    sweep(Shape::PdeOverPte, NXE);
}

/// CPL 3 with EFER.NXE set: every combination of P, R/W, U/S and XD of PDPTE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn user_pdpte_over_pte() {
    sweep(Shape::PdpteOverPte, NXE);
}

/// CPL 3 with EFER.NXE set: every combination of P, R/W, U/S and XD of PML4E and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn user_pml4e_over_pte() {
    sweep(Shape::Pml4eOverPte, NXE);
}

/// CPL 3 with EFER.NXE set: every combination of P, R/W, U/S and XD of PDPTE and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn user_pdpte_over_large_pde() {
    sweep(Shape::PdpteOverLargePde, NXE);
}

/// CPL 3 with EFER.NXE set: every combination of P, R/W, U/S and XD of PML4E and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn user_pml4e_over_large_pde() {
    sweep(Shape::Pml4eOverLargePde, NXE);
}

/// CPL 3 with EFER.NXE set: every combination of P, R/W, U/S and XD of PML4E and a PDPTE that maps 1 GiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX | Needs::PAGE_1G)]
fn user_pml4e_over_large_pdpte() {
    sweep(Shape::Pml4eOverLargePdpte, NXE);
}

/// CPL 3 with EFER.NXE set: every combination of R/W and U/S of all four levels.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn user_all_four() {
    sweep(Shape::AllFour, NXE);
}

/// CPL 3 with EFER.NXE clear, so that XD is reserved: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")])]
fn user_without_nxe_pde_over_pte() {
    sweep(Shape::PdeOverPte, Mode::USER);
}

/// CPL 3 with CR0.WP clear, which does not concern it: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn user_without_wp_pde_over_pte() {
    sweep(Shape::PdeOverPte, NO_WP);
}

/// CPL 3 with EFER.NXE clear, so that XD is reserved: every combination of P, R/W, U/S and XD of PDPTE and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")])]
fn user_without_nxe_pdpte_over_large_pde() {
    sweep(Shape::PdpteOverLargePde, Mode::USER);
}

/// CPL 3 with CR0.WP clear, which does not concern it: every combination of P, R/W, U/S and XD of PDPTE and a PDE that maps 2 MiB.
#[case(feature = PagingEveryCombination, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Page-Fault Exceptions")],
       needs = Needs::NX)]
fn user_without_wp_pdpte_over_large_pde() {
    sweep(Shape::PdpteOverLargePde, NO_WP);
}
