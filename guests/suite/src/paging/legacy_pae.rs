//! PAE paging; see [`super::legacy`].

use super::{
    decision::{Format, Mode},
    legacy::{Varied, sweep, sweep_bits},
};
use rt::{case, paging::read_physical_address_bits, vocabulary::Needs};

/// CPL 3 with execute-disable.
const USER: Mode = Mode { format: Format::Pae, execute_disable: true, ..Mode::USER };
/// CPL 0 with execute-disable.
const SUPERVISOR: Mode = Mode { user: false, ..USER };

/// The bits that say nothing about translation or are reserved: G, available ones, PWT and PCD, and from 32 up.
const BITS: u64 = 0xffff_ffff_0000_0e18 | 1 << 8;

/// All bits but those of the physical address from bit 12 up.
fn above(physical_bits: u32) -> u64 {
    !((1 << physical_bits) - (1 << 12))
}

/// CPL 3 in PAE paging: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingPae, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::NX)]
fn pae_user() {
    sweep(Varied::Both, USER);
}

/// CPL 0 in PAE paging: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingPae, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::NX)]
fn pae_supervisor() {
    sweep(Varied::Both, SUPERVISOR);
}

/// CPL 0 with CR0.WP clear in PAE paging: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingPae, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::NX)]
fn pae_supervisor_without_wp() {
    sweep(Varied::Both, Mode { write_protect: false, ..SUPERVISOR });
}

/// CPL 0 with CR4.SMEP in PAE paging: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingPae, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::NX | Needs::SMEP)]
fn pae_supervisor_smep() {
    sweep(Varied::Both, Mode { smep: true, ..SUPERVISOR });
}

/// CPL 0 with CR4.SMAP in PAE paging: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingPae, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::NX | Needs::SMAP)]
fn pae_supervisor_smap() {
    sweep(Varied::Both, Mode { smap: true, ..SUPERVISOR });
}

/// CPL 0 with CR4.SMAP, suspended by EFLAGS.AC in PAE paging: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingPae, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::NX | Needs::SMAP)]
fn pae_supervisor_smap_ac() {
    sweep(Varied::Both, Mode { smap: true, alignment_check: true, ..SUPERVISOR });
}

/// CPL 3 with EFER.NXE clear, so that XD is reserved in PAE paging: every combination of P, R/W, U/S and XD of PDE and PTE.
#[case(feature = PagingPae, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")])]
fn pae_user_without_nxe() {
    sweep(Varied::Both, Mode { execute_disable: false, ..USER });
}

/// CPL 3 in PAE paging: every combination of P, R/W, U/S and XD of a PDE that maps 2 MiB.
#[case(feature = PagingPae, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::NX)]
fn pae_user_large_pde() {
    sweep(Varied::LargePde, USER);
}

/// CPL 0 in PAE paging: every combination of P, R/W, U/S and XD of a PDE that maps 2 MiB.
#[case(feature = PagingPae, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::NX)]
fn pae_supervisor_large_pde() {
    sweep(Varied::LargePde, SUPERVISOR);
}

/// In PAE paging bits 62 to MAXPHYADDR are reserved in PDE and PTE, and bits 11 to 9 and those of the memory type ignored.
#[case(feature = PagingPae, spec = [sdm3a("PAE Paging"), apm2("Legacy-Mode Page Translation")],
       needs = Needs::NX)]
fn pae_reserved_bits() {
    sweep_bits(
        Mode { physical_bits: read_physical_address_bits(), ..USER },
        false,
        BITS & above(read_physical_address_bits()),
    );
}

/// In PAE paging bits 20 to 13 of a PDE that maps 2 MiB are reserved, and bit 12 (PAT) is not.
#[case(feature = PagingPae, spec = [sdm3a("PAE Paging"), apm2("Legacy-Mode Page Translation")],
       needs = Needs::NX)]
fn pae_reserved_bits_of_a_large_page() {
    sweep_bits(
        Mode { physical_bits: read_physical_address_bits(), ..USER },
        true,
        BITS & above(read_physical_address_bits()) | 0xff << 13 | 1 << 12,
    );
}
