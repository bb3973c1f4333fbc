//! 32-bit paging; see [`super::legacy`].

use super::{
    decision::{Format, Mode, Operation},
    legacy::{Machine, Varied, sweep, sweep_bits},
};
use rt::{
    Outcome, attempts, case, check, check_eq, check_outcome, cpu::cpuid, paging::read_physical_address_bits,
    vocabulary::Needs,
};

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

/// Bits 20 to 13 of a PDE that maps 4 MiB are bits 39 to 32 of the address (PSE-36): as far as MAXPHYADDR goes they lead
/// away from the page 4 GiB below, and beyond it, or without the feature, they are reserved.
#[case(feature = Paging32Bit, spec = [sdm3a("32-Bit Paging"), apm2("Legacy-Mode Page Translation")])]
fn bits_32_upper_address_bits_of_a_large_page() {
    const ENTRY: u64 = 7;
    let Some(machine) = Machine::new(SUPERVISOR) else { return };
    let attempt = |bits| machine.attempt(machine.large_entry(ENTRY | bits), 0, Operation::Read);
    let plain = attempt(0);
    check_outcome!("no bit", plain.actual, Outcome::COMPLETED);
    check_eq!("what is read with no bit", plain.read, attempts::RETURN);
    let has_pse_36 = cpuid::read_leaf(1, 0).edx >> 17 & 1 != 0;
    let width = if has_pse_36 { read_physical_address_bits().min(40) } else { 32 };
    for bit in 13..=20 {
        let attempt = attempt(1 << bit);
        if is_address_bit(bit, width) {
            check_outcome!("read beyond 4 GiB", [&[]; bit], attempt.actual, Outcome::COMPLETED);
            check!("it is not the page below", [&[]; bit], attempt.read != attempts::RETURN);
        } else {
            // P and RSVD, at CPL 0.
            check_outcome!("reserved", [&[]; bit], attempt.actual, Outcome::pf(9));
        }
    }
}

/// Whether a bit from 13 to 20 of a PDE that maps 4 MiB belongs to an address of this many bits.
const fn is_address_bit(bit: u32, width: u32) -> bool {
    bit - 13 + 32 < width
}

const _: () = assert!(is_address_bit(20, 40) && !is_address_bit(20, 39) && !is_address_bit(13, 32));
