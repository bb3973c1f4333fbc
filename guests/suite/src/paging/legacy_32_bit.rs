//! 32-bit paging; see [`super::legacy`].

use super::{
    decision::{Format, Mode},
    legacy::{Varied, sweep, sweep_bits},
};
use rt::{case, vocabulary::Needs};

/// CPL 3 with CR4.PSE.
const USER: Mode = Mode { format: Format::Bits32 { page_size_extensions: true }, ..Mode::USER };
/// CPL 0 with CR4.PSE.
const SUPERVISOR: Mode = Mode { user: false, ..USER };
/// CPL 3 without CR4.PSE.
const NO_PSE: Mode = Mode { format: Format::Bits32 { page_size_extensions: false }, ..Mode::USER };

/// CPL 3 in 32-bit paging: every combination of P, R/W and U/S of PDE and PTE.
#[case(feature = Paging32Bit, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")])]
fn bits_32_user() {
    sweep(Varied::Both, USER);
}

/// CPL 0 in 32-bit paging: every combination of P, R/W and U/S of PDE and PTE.
#[case(feature = Paging32Bit, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")])]
fn bits_32_supervisor() {
    sweep(Varied::Both, SUPERVISOR);
}

/// CPL 0 with CR0.WP clear in 32-bit paging: every combination of P, R/W and U/S of PDE and PTE.
#[case(feature = Paging32Bit, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")])]
fn bits_32_supervisor_without_wp() {
    sweep(Varied::Both, Mode { write_protect: false, ..SUPERVISOR });
}

/// CPL 0 with CR4.SMEP in 32-bit paging: every combination of P, R/W and U/S of PDE and PTE.
#[case(feature = Paging32Bit, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::SMEP)]
fn bits_32_supervisor_smep() {
    sweep(Varied::Both, Mode { smep: true, ..SUPERVISOR });
}

/// CPL 0 with CR4.SMAP in 32-bit paging: every combination of P, R/W and U/S of PDE and PTE.
#[case(feature = Paging32Bit, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::SMAP)]
fn bits_32_supervisor_smap() {
    sweep(Varied::Both, Mode { smap: true, ..SUPERVISOR });
}

/// CPL 0 with CR4.SMAP, suspended by EFLAGS.AC in 32-bit paging: every combination of P, R/W and U/S of PDE and PTE.
#[case(feature = Paging32Bit, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")],
       needs = Needs::SMAP)]
fn bits_32_supervisor_smap_ac() {
    sweep(Varied::Both, Mode { smap: true, alignment_check: true, ..SUPERVISOR });
}

/// CPL 3 in 32-bit paging: every combination of P, R/W and U/S of a PDE that maps 4 MiB.
#[case(feature = Paging32Bit, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")])]
fn bits_32_user_large_pde() {
    sweep(Varied::LargePde, USER);
}

/// CPL 0 in 32-bit paging: every combination of P, R/W and U/S of a PDE that maps 4 MiB.
#[case(feature = Paging32Bit, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")])]
fn bits_32_supervisor_large_pde() {
    sweep(Varied::LargePde, SUPERVISOR);
}

/// CPL 3 in 32-bit paging without CR4.PSE: bit 7 of a PDE is ignored.
#[case(feature = Paging32Bit, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")])]
fn bits_32_user_without_pse() {
    sweep(Varied::IgnoredSize, NO_PSE);
}

/// CPL 0 in 32-bit paging without CR4.PSE: bit 7 of a PDE is ignored.
#[case(feature = Paging32Bit, spec = [sdm3a("Determination of Access Rights"),
       sdm3a("Accessed and Dirty Flags")])]
fn bits_32_supervisor_without_pse() {
    sweep(Varied::IgnoredSize, Mode { user: false, ..NO_PSE });
}

/// In 32-bit paging no bit of a PDE that refers to a table, nor of a PTE, is reserved.
#[case(feature = Paging32Bit, spec = [sdm3a("32-Bit Paging"), apm2("Legacy-Mode Page Translation")])]
fn bits_32_ignored_bits() {
    sweep_bits(USER, false, 0xf18);
}

/// In 32-bit paging bit 21 of a PDE that maps 4 MiB is reserved, and bit 12 (PAT) is not.
#[case(feature = Paging32Bit, spec = [sdm3a("32-Bit Paging"), apm2("Legacy-Mode Page Translation")],
       needs = Needs::PAT)]
fn bits_32_reserved_bits_of_a_large_page() {
    sweep_bits(USER, true, 1 << 21 | 0x1f18);
}
