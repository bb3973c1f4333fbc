//! The MSRs of SYSCALL and SYSENTER.

use super::NON_CANONICAL;
use case::{Needs, Text};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::msr::{
        self,
        number::{
            IA32_CSTAR, IA32_FMASK, IA32_LSTAR, IA32_STAR, IA32_SYSENTER_CS, IA32_SYSENTER_EIP, IA32_SYSENTER_ESP,
        },
    },
    names,
};

/// STAR, LSTAR, CSTAR and the lower half of FMASK read back as they were written, each its own.
#[case(
    feature = MsrSyscall,
    spec = [sdm4("Architectural MSRs"), apm2("SYSCALL and SYSRET MSRs")],
    needs = Needs::SYSCALL,
)]
fn syscall_msrs_read_back() {
    const NAMES: &[Text] = names!["STAR", "LSTAR", "CSTAR", "FMASK"];
    let table = [
        (IA32_STAR, [0x0123_4567_89ab_cdef, 0xffff_ffff_0000_0000]),
        (IA32_LSTAR, [0x7fff_ffff_ffff, 0xffff_8000_0000_0000]),
        (IA32_CSTAR, [0x7fff_ffff_fffe, 0xffff_8000_0000_0001]),
        (IA32_FMASK, [0x0000_0000_ffff_ffff, 0x0000_0000_0004_7700]),
    ];
    for (row, (number, [first, second])) in table.into_iter().enumerate() {
        check_eq!("first value", [NAMES; row], msr::try_write(number, first).unwrap_or(!first), first);
        check_outcome!("second value is written", [NAMES; row], msr::write(number, second), Outcome::COMPLETED);
    }
    for (row, (number, [_, second])) in table.into_iter().enumerate() {
        check_eq!("second value", [NAMES; row], msr::read(number).unwrap_or(!second), second);
    }
}

/// Writing a non-canonical address into LSTAR or CSTAR raises #GP(0) and changes nothing.
#[case(
    feature = MsrSyscall,
    spec = [sdm2("WRMSR—Write to Model Specific Register"), apm2("SYSCALL and SYSRET MSRs")],
    needs = Needs::SYSCALL,
)]
fn non_canonical_targets() {
    const ADDRESSES: &[Text] = names![
        "LSTAR: bit 56 only",
        "LSTAR: bit 63 only",
        "LSTAR: all but bit 56",
        "LSTAR: all but bit 63",
        "CSTAR: bit 56 only",
        "CSTAR: bit 63 only",
        "CSTAR: all but bit 56",
        "CSTAR: all but bit 63"
    ];
    const NAMES: &[Text] = names!["LSTAR", "CSTAR"];
    for (row, number) in [IA32_LSTAR, IA32_CSTAR].into_iter().enumerate() {
        check_outcome!("WRMSR of a good address", [NAMES; row], msr::write(number, 0x1000), Outcome::COMPLETED);
        for (column, address) in NON_CANONICAL.into_iter().enumerate() {
            let row = row * NON_CANONICAL.len() + column;
            check_outcome!("WRMSR", [ADDRESSES; row], msr::write(number, address), Outcome::GP);
        }
        check_eq!("the MSR afterwards", [NAMES; row], msr::read(number).unwrap_or(0), 0x1000);
    }
}

/// The SYSENTER MSRs read back as they were written, each its own.
#[case(
    feature = MsrSyscall,
    spec = [sdm4("Architectural MSRs"), apm2("SYSENTER and SYSEXIT (Legacy Mode Only)")],
    needs = Needs::SYSENTER,
)]
fn sysenter_msrs_read_back() {
    // AMD processors keep 32 bits of ESP and EIP.
    const NAMES: &[Text] = names!["CS", "ESP", "EIP"];
    let table = [(IA32_SYSENTER_CS, 0x1234), (IA32_SYSENTER_ESP, 0x89ab_cdef), (IA32_SYSENTER_EIP, 0xfedc_ba98)];
    for (row, (number, value)) in table.into_iter().enumerate() {
        check_outcome!("WRMSR", [NAMES; row], msr::write(number, value), Outcome::COMPLETED);
    }
    for (row, (number, value)) in table.into_iter().enumerate() {
        check_eq!("RDMSR", [NAMES; row], msr::read(number).unwrap_or(!value), value);
    }
}

/// On Intel processors SYSENTER_ESP and SYSENTER_EIP hold 64 bits, and raise #GP(0) for a non-canonical address.
#[case(
    feature = MsrSyscall,
    spec = [sdm2("SYSENTER—Fast System Call"), sdm2("WRMSR—Write to Model Specific Register")],
    needs = Needs::INTEL | Needs::SYSENTER,
)]
fn sysenter_targets_on_intel() {
    const ADDRESSES: &[Text] = names![
        "ESP: bit 56 only",
        "ESP: bit 63 only",
        "ESP: all but bit 56",
        "ESP: all but bit 63",
        "EIP: bit 56 only",
        "EIP: bit 63 only",
        "EIP: all but bit 56",
        "EIP: all but bit 63"
    ];
    const NAMES: &[Text] = names!["ESP", "EIP"];
    const HIGH: u64 = 0xffff_8000_1234_5678;
    for (row, number) in [IA32_SYSENTER_ESP, IA32_SYSENTER_EIP].into_iter().enumerate() {
        check_eq!("64 bits", [NAMES; row], msr::try_write(number, HIGH).unwrap_or(0), HIGH);
        for (column, address) in NON_CANONICAL.into_iter().enumerate() {
            let row = row * NON_CANONICAL.len() + column;
            check_outcome!("non-canonical", [ADDRESSES; row], msr::write(number, address), Outcome::GP);
        }
    }
}
