//! At CPL 0, an instruction a case: a hypervisor that interprets CPL 0 may give up at any of them.

use super::{
    drive::{Guest, NAMES, execute_supervisor},
    model::{completes, is_told},
    rows::ROWS,
};
use crate::cpuid::bit::Processor;
use rt::{
    Outcome, case, check_outcome,
    cpu::control::{With, read_cr4},
};

/// The row with this name.
const fn row(name: &str) -> usize {
    let mut index = 0;
    while index < ROWS.len() {
        if are_equal(ROWS[index].name.as_bytes(), name.as_bytes()) {
            return index;
        }
        index += 1;
    }
    panic!("no row has this name")
}

const fn are_equal(left: &[u8], right: &[u8]) -> bool {
    let mut index = 0;
    while index < left.len() && index < right.len() && left[index] == right[index] {
        index += 1;
    }
    index == left.len() && index == right.len()
}

fn check_row(index: usize) {
    let row = &ROWS[index];
    let guest = Guest::read();
    let Some(completes) = completes(row, is_told(row, &guest), true, guest.vendor()) else {
        rt::skip!("CPUID does not tell of the feature, and only Intel's manual says what its bytes are then");
        return;
    };
    let expected = if completes { Outcome::COMPLETED } else { Outcome::UD };
    check_outcome!("at CPL 0", [NAMES; index], execute_supervisor(row), expected);
}

macro_rules! supervisor {
    ($($(#[$doc:meta])* $name:ident $row:literal;)*) => {
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
                const ROW: usize = row($row);
                check_row(ROW);
            }
        )*
    };
}

supervisor! {
    /// FNOP at CPL 0 works if and only if CPUID tells of its feature.
    fnop_at_cpl_0 "FNOP";
    /// RDTSC at CPL 0 works if and only if CPUID tells of its feature.
    rdtsc_at_cpl_0 "RDTSC";
    /// CMPXCHG8B at CPL 0 works if and only if CPUID tells of its feature.
    cmpxchg8b_at_cpl_0 "CMPXCHG8B [RDI]";
    /// CMOVE at CPL 0 works if and only if CPUID tells of its feature.
    cmove_at_cpl_0 "CMOVE EAX, ECX";
    /// CLFLUSH at CPL 0 works if and only if CPUID tells of its feature.
    clflush_at_cpl_0 "CLFLUSH [RDI]";
    /// CMPXCHG16B at CPL 0 works if and only if CPUID tells of its feature.
    cmpxchg16b_at_cpl_0 "CMPXCHG16B [RDI]";
    /// MOVBE at CPL 0 works if and only if CPUID tells of its feature.
    movbe_at_cpl_0 "MOVBE EAX, [RDI]";
    /// POPCNT at CPL 0 works if and only if CPUID tells of its feature.
    popcnt_at_cpl_0 "POPCNT EAX, ECX";
    /// RDRAND at CPL 0 works if and only if CPUID tells of its feature.
    rdrand_at_cpl_0 "RDRAND EAX";
    /// RDSEED at CPL 0 works if and only if CPUID tells of its feature.
    rdseed_at_cpl_0 "RDSEED EAX";
    /// ANDN at CPL 0 works if and only if CPUID tells of its feature.
    andn_at_cpl_0 "ANDN EAX, ECX, EDX";
    /// LZCNT at CPL 0 works if and only if CPUID tells of its feature, and does what it is without it otherwise.
    lzcnt_at_cpl_0 "LZCNT EAX, ECX";
    /// BZHI at CPL 0 works if and only if CPUID tells of its feature.
    bzhi_at_cpl_0 "BZHI EAX, ECX, EDX";
    /// ADCX at CPL 0 works if and only if CPUID tells of its feature.
    adcx_at_cpl_0 "ADCX EAX, ECX";
    /// CLFLUSHOPT at CPL 0 works if and only if CPUID tells of its feature.
    clflushopt_at_cpl_0 "CLFLUSHOPT [RDI]";
    /// CLWB at CPL 0 works if and only if CPUID tells of its feature.
    clwb_at_cpl_0 "CLWB [RDI]";
    /// CLDEMOTE at CPL 0 works if and only if CPUID tells of its feature, and does what it is without it otherwise.
    cldemote_at_cpl_0 "CLDEMOTE [RDI]";
    /// PREFETCHW at CPL 0 works if and only if CPUID tells of its feature, and does what it is without it otherwise.
    prefetchw_at_cpl_0 "PREFETCHW [RDI]";
    /// PREFETCHWT1 at CPL 0 works if and only if CPUID tells of its feature, and does what it is without it otherwise.
    prefetchwt1_at_cpl_0 "PREFETCHWT1 [RDI]";
    /// MOVDIRI at CPL 0 works if and only if CPUID tells of its feature.
    movdiri_at_cpl_0 "MOVDIRI [RDI], EAX";
    /// MOVDIR64B at CPL 0 works if and only if CPUID tells of its feature.
    movdir64b_at_cpl_0 "MOVDIR64B RDI, [RSI]";
    /// SERIALIZE at CPL 0 works if and only if CPUID tells of its feature.
    serialize_at_cpl_0 "SERIALIZE";
    /// RDPID at CPL 0 works if and only if CPUID tells of its feature.
    rdpid_at_cpl_0 "RDPID RAX";
    /// RDTSCP at CPL 0 works if and only if CPUID tells of its feature.
    rdtscp_at_cpl_0 "RDTSCP";
    /// CLZERO at CPL 0 works if and only if CPUID tells of its feature.
    clzero_at_cpl_0 "CLZERO RAX";
    /// RDPRU at CPL 0 works if and only if CPUID tells of its feature.
    rdpru_at_cpl_0 "RDPRU";
    /// TPAUSE at CPL 0 works if and only if CPUID tells of its feature.
    tpause_at_cpl_0 "TPAUSE ECX";
    /// MONITORX at CPL 0 works if and only if CPUID tells of its feature.
    monitorx_at_cpl_0 "MONITORX RAX, ECX, EDX";
    /// XTEST at CPL 0 works if and only if CPUID tells of its feature.
    xtest_at_cpl_0 "XTEST";
    /// XSUSLDTRK at CPL 0 works if and only if CPUID tells of its feature.
    xsusldtrk_at_cpl_0 "XSUSLDTRK";
    /// PTWRITE at CPL 0 works if and only if CPUID tells of its feature.
    ptwrite_at_cpl_0 "PTWRITE EAX";
    /// LAHF at CPL 0 works if and only if CPUID tells of its feature.
    lahf_at_cpl_0 "LAHF";
    /// ENDBR64 at CPL 0 works if and only if CPUID tells of its feature, and does what it is without it otherwise.
    endbr64_at_cpl_0 "ENDBR64";
    /// RDSSPQ at CPL 0 works if and only if CPUID tells of its feature, and does what it is without it otherwise.
    rdsspq_at_cpl_0 "RDSSPQ RAX";
    /// PAUSE at CPL 0 works if and only if CPUID tells of its feature, and does what it is without it otherwise.
    pause_at_cpl_0 "PAUSE";
    /// PADDB at CPL 0 works if and only if CPUID tells of its feature.
    paddb_at_cpl_0 "PADDB MM0, MM1";
    /// PMADDUBSW at CPL 0 works if and only if CPUID tells of its feature.
    pmaddubsw_at_cpl_0 "PMADDUBSW MM0, MM1";
    /// PFADD at CPL 0 works if and only if CPUID tells of its feature.
    pfadd_at_cpl_0 "PFADD MM0, MM1";
    /// PSWAPD at CPL 0 works if and only if CPUID tells of its feature.
    pswapd_at_cpl_0 "PSWAPD MM0, MM1";
    /// FXSAVE at CPL 0 works if and only if CPUID tells of its feature.
    fxsave_at_cpl_0 "FXSAVE [RDI]";
    /// CRC32 at CPL 0 works if and only if CPUID tells of its feature.
    crc32_at_cpl_0 "CRC32 EAX, ECX";
    /// INVPCID at CPL 0 works if and only if CPUID tells of its feature.
    invpcid_at_cpl_0 "INVPCID RCX, [RSI]";
    /// CLAC at CPL 0 works if and only if CPUID tells of its feature.
    clac_at_cpl_0 "CLAC";
    /// STAC at CPL 0 works if and only if CPUID tells of its feature.
    stac_at_cpl_0 "STAC";
    /// WBNOINVD at CPL 0 works if and only if CPUID tells of its feature, and does what it is without it otherwise.
    wbnoinvd_at_cpl_0 "WBNOINVD";
    /// MONITOR at CPL 0 works if and only if CPUID tells of its feature.
    monitor_at_cpl_0 "MONITOR";
}

/// Bits of CR4 that no manual defines; bits 12, 17 and 25 to 32 belong to features.
const UNDEFINED: [u32; 36] = {
    let mut bits = [0; 36];
    (bits[0], bits[1], bits[2], bits[3]) = (15, 26, 29, 30);
    bits[4] = 31;
    let mut index = 5;
    while index < bits.len() {
        bits[index] = 28 + index as u32;
        index += 1;
    }
    bits
};

/// Setting any bit of CR4 that no manual defines raises #GP(0).
#[case(feature = CpuidFeatureTable, spec = [sdm3a("Control Registers"), apm2("CR4 Register")])]
fn every_undefined_bit_of_cr4() {
    let before = read_cr4();
    for bit in UNDEFINED {
        let result = With::cr4(1 << bit, 0);
        let outcome = result.as_ref().map(|_| ()).map_err(|exception| *exception);
        check_outcome!("setting bit", [&[]; bit], outcome, Outcome::GP);
        drop(result);
    }
    rt::check_eq!("CR4 afterwards", read_cr4(), before);
}
