//! IA32_EFER.

use case::{Needs, Text};
use rt::{
    Outcome, case, catch, check_eq, check_outcome,
    cpu::msr::{
        self,
        efer::{NXE, SCE},
        number::IA32_EFER,
    },
    mmio, names, paging,
    tables::page_bit,
    user, user_code,
};

/// Setting a reserved bit of IA32_EFER raises #GP(0) and changes nothing.
#[case(feature = MsrEfer, spec = [sdm4("Architectural MSRs"), apm2("Extended Feature Enable Register (EFER)")])]
fn reserved_bits() {
    const NAMES: &[Text] = names!["9", "16", "19", "32", "63"];
    let before = msr::read(IA32_EFER).unwrap_or(0);
    for (row, bit) in [9, 16, 19, 32, 63].into_iter().enumerate() {
        check_outcome!("setting bit", [NAMES; row], msr::write(IA32_EFER, before | 1 << bit), Outcome::GP);
    }
    check_eq!("IA32_EFER afterwards", msr::read(IA32_EFER).unwrap_or(0), before);
}

/// On Intel processors every bit of IA32_EFER but SCE, LME, LMA and NXE is reserved.
#[case(feature = MsrEfer, spec = sdm4("Architectural MSRs"), needs = Needs::INTEL)]
fn reserved_bits_on_intel() {
    const NAMES: &[Text] = names!["1", "7", "12", "13", "14", "15", "17", "20", "21"];
    let before = msr::read(IA32_EFER).unwrap_or(0);
    for (row, bit) in [1, 7, 12, 13, 14, 15, 17, 20, 21].into_iter().enumerate() {
        check_outcome!("setting bit", [NAMES; row], msr::write(IA32_EFER, before | 1 << bit), Outcome::GP);
    }
    check_eq!("IA32_EFER afterwards", msr::read(IA32_EFER).unwrap_or(0), before);
}

/// SCE and NXE read back as they were written, and nothing else changes.
#[case(
    feature = MsrEfer,
    spec = [sdm4("Architectural MSRs"), apm2("Extended Feature Enable Register (EFER)")],
    needs = Needs::NX | Needs::SYSCALL,
)]
fn sce_and_nxe_read_back() {
    const NAMES: &[Text] = names!["SCE", "NXE", "both", "none"];
    let base = msr::read(IA32_EFER).unwrap_or(0) & !(SCE | NXE);
    for (row, bits) in [SCE, NXE, SCE | NXE, 0].into_iter().enumerate() {
        check_eq!("IA32_EFER with", [NAMES; row], msr::try_write(IA32_EFER, base | bits).unwrap_or(0), base | bits);
    }
}

/// With IA32_EFER.NXE clear, bit 63 of a paging-structure entry is reserved: using the page raises #PF with the flags
/// P and RSVD.
#[case(
    feature = MsrEfer,
    spec = [sdm3a("Interrupt 14—Page-Fault Exception (#PF)"), apm2("No Execute (NX) Bit")],
    needs = Needs::NX,
)]
fn xd_is_reserved_without_nxe() {
    const P_AND_RSVD: u32 = 1 | 1 << 3;
    let value = msr::read(IA32_EFER).unwrap_or(0);
    check_outcome!("clearing NXE", msr::write(IA32_EFER, value & !NXE), Outcome::COMPLETED);
    let address = paging::map(0, paging::frame(0), paging::ALL_RIGHTS | page_bit::XD);
    check_outcome!("read without NXE", catch(|| mmio::read_u8(address)), Outcome::pf(P_AND_RSVD));
    check_outcome!("setting NXE", msr::write(IA32_EFER, value | NXE), Outcome::COMPLETED);
    paging::invalidate(address);
    check_outcome!("read with NXE", catch(|| mmio::read_u8(address)), Outcome::COMPLETED);
}

user_code!(jump: "jmp rdi");

/// With IA32_EFER.NXE set, fetching an instruction from a page with bit 63 set raises #PF with the flags P, U/S and
/// I/D; with NXE clear again the flag I/D is not set.
#[case(feature = MsrEfer, spec = sdm3a("Interrupt 14—Page-Fault Exception (#PF)"), needs = Needs::NX)]
fn nxe_forbids_execution() {
    const P_US_ID: u32 = 1 | 1 << 2 | 1 << 4;
    const P_US_RSVD: u32 = 1 | 1 << 2 | 1 << 3;
    let value = msr::read(IA32_EFER).unwrap_or(0);
    let address = paging::map(0, paging::frame(0), paging::ALL_RIGHTS | page_bit::XD);
    check_outcome!("setting NXE", msr::write(IA32_EFER, value | NXE), Outcome::COMPLETED);
    check_outcome!("fetch with NXE", user::call(jump, address), Outcome::pf(P_US_ID));
    check_outcome!("clearing NXE", msr::write(IA32_EFER, value & !NXE), Outcome::COMPLETED);
    paging::invalidate(address);
    check_outcome!("fetch without NXE", user::call(jump, address), Outcome::pf(P_US_RSVD));
}
