//! The extended leaves.

use case::{Needs, Text};
use rt::{
    case, check, check_eq,
    cpu::{
        cpuid::{Leaf, read_leaf},
        feature_bit::{FeatureBit, Register},
    },
    names, user,
};

/// The largest extended leaf is at least 80000008H, which long mode needs.
#[case(
    feature = CpuidExtendedLeaves,
    spec = [
        sdm2("CPUID—CPU Identification"),
        apm3("Function 8000_0000h—Maximum Extended Function Number and Vendor String"),
    ],
)]
fn largest_extended_leaf() {
    let largest = read_leaf(0x8000_0000, 0).eax;
    check!("at least 80000008H", largest >= 0x8000_0008);
    check!("in the extended range", largest < 0x8001_0000);
}

/// In long mode, leaf 80000001H says that long mode exists.
#[case(
    feature = CpuidExtendedLeaves,
    spec = [
        sdm2("CPUID—CPU Identification"),
        apm3("Function 8000_0001h—Extended Processor and Processor Feature Identifiers"),
    ],
)]
fn long_mode_is_told() {
    check_eq!("EDX bit 29", read_leaf(0x8000_0001, 0).edx >> 29 & 1, 1);
}

/// Linear addresses have 57 bits with five-level paging and 48 without, physical ones between 32 and 52.
#[case(
    feature = CpuidExtendedLeaves,
    spec = [
        sdm2("CPUID—CPU Identification"),
        apm3("Function 8000_0008h—Processor Capacity Parameters and Extended Feature Identification"),
    ],
)]
fn address_sizes() {
    let eax = read_leaf(0x8000_0008, 0).eax;
    let physical = eax & 0xff;
    check!("physical addresses have at least 32 bits", physical >= 32);
    check!("physical addresses have at most 52 bits", physical <= 52);
    let la57 = FeatureBit::new(7, 0, Register::Ecx, 16).read();
    check_eq!("bits of a linear address", eax >> 8 & 0xff, if la57 { 57 } else { 48 });
}

/// The brand string is of printable characters, and all zero behind the first zero byte.
#[case(
    feature = CpuidExtendedLeaves,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Functions 8000_0002h–8000_0004h—Extended Processor Name String")],
)]
fn brand_string() {
    const NAMES: &[Text] = names!["80000002", "80000003", "80000004"];
    for (row, leaf) in [0x8000_0002_u64, 0x8000_0003, 0x8000_0004].into_iter().enumerate() {
        check_eq!(
            "characters that are none, leaf",
            [NAMES; row],
            user::call(bad_characters, leaf).unwrap_or(u64::MAX),
            0
        );
    }
    check_eq!("characters behind the end", user::call(characters_behind_end, 0).unwrap_or(u64::MAX), 0);
}

fn bytes_of(leaf: Leaf) -> [[u8; 4]; 4] {
    [leaf.eax.to_le_bytes(), leaf.ebx.to_le_bytes(), leaf.ecx.to_le_bytes(), leaf.edx.to_le_bytes()]
}

extern "C" fn bad_characters(leaf: u64) -> u64 {
    let mut bad = 0;
    for register in bytes_of(read_leaf(leaf as u32, 0)) {
        for byte in register {
            bad += u64::from(byte != 0 && !(b' '..=b'~').contains(&byte));
        }
    }
    bad
}

extern "C" fn characters_behind_end(_: u64) -> u64 {
    let (mut behind, mut ended) = (0, false);
    for leaf in 0x8000_0002..=0x8000_0004 {
        for register in bytes_of(read_leaf(leaf, 0)) {
            for byte in register {
                ended |= byte == 0;
                behind += u64::from(ended && byte != 0);
            }
        }
    }
    behind
}

/// AMD processors repeat the features of leaf 1 in leaf 80000001H.
#[case(
    feature = CpuidExtendedLeaves,
    spec = apm3("Function 8000_0001h—Extended Processor and Processor Feature Identifiers"),
    needs = Needs::AMD,
)]
fn features_are_repeated() {
    // FPU to APIC, MTRR to PSE36, MMX and FXSR: "same as CPUID Fn0000_0001_EDX".
    const REPEATED: u32 = 0x0183_f3ff;
    check_eq!("EDX", read_leaf(0x8000_0001, 0).edx & REPEATED, read_leaf(1, 0).edx & REPEATED);
}

/// Registers of extended leaves that Intel's manual calls "Reserved = 0" are zero.
#[case(feature = CpuidExtendedLeaves, spec = sdm2("CPUID—CPU Identification"), needs = Needs::INTEL)]
fn reserved_registers_are_zero() {
    const NAMES: &[Text] = names!["80000001", "80000005", "80000006", "80000007"];
    let (five, six, seven) = (read_leaf(0x8000_0005, 0), read_leaf(0x8000_0006, 0), read_leaf(0x8000_0007, 0));
    const INVARIANT_TSC: u32 = 1 << 8;
    // Bits 12 to 19, 21 to 25, 28, 30 and 31.
    const RESERVED_OF_EDX: u32 = 0xff << 12 | 0x1f << 21 | 1 << 28 | 3 << 30;
    let table = [
        read_leaf(0x8000_0001, 0).edx & RESERVED_OF_EDX,
        five.eax | five.ebx | five.ecx | five.edx,
        six.eax | six.ebx | six.edx,
        seven.eax | seven.ebx | seven.ecx | (seven.edx & !INVARIANT_TSC),
    ];
    for (row, bits) in table.into_iter().enumerate() {
        check_eq!("reserved bits of leaf", [NAMES; row], bits, 0);
    }
}
