//! APIC ids, caches, address sizes and strings.

use super::model::{cache_size, is_printable};
use case::{Needs, Text};
use rt::{case, check, check_eq, cpu::cpuid::read_leaf, names, paging, skip};

/// Whether AMD's topology leaves exist (leaf 80000001H ECX bit 22).
fn has_topology_extensions() -> bool {
    read_leaf(0x8000_0000, 0).eax >= 0x8000_001e && read_leaf(0x8000_0001, 0).ecx >> 22 & 1 != 0
}

/// Leaves 1, 0BH, 1FH and 8000001EH tell one APIC id.
#[case(
    feature = CpuidConsistency,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Function 8000_001Eh—Processor Topology Information")],
)]
fn every_leaf_tells_one_apic_id() {
    let (initial, largest) = (read_leaf(1, 0).ebx >> 24, read_leaf(0, 0).eax);
    if largest >= 0xb && read_leaf(0xb, 0).ebx != 0 {
        check_eq!("leaf 0BH", read_leaf(0xb, 0).edx & 0xff, initial);
    }
    if largest >= 0x1f && read_leaf(0x1f, 0).ebx != 0 {
        check_eq!("leaf 1FH", read_leaf(0x1f, 0).edx & 0xff, initial);
        check_eq!("leaf 1FH against leaf 0BH", read_leaf(0x1f, 0).edx, read_leaf(0xb, 0).edx);
    }
    if has_topology_extensions() {
        check_eq!("leaf 8000001EH", read_leaf(0x8000_001e, 0).eax & 0xff, initial);
    }
    let nr_logical = read_leaf(1, 0).ebx >> 16 & 0xff;
    if read_leaf(1, 0).edx >> 28 & 1 != 0 {
        check!("with HTT there is a logical processor", nr_logical >= 1);
    }
    let is_vendor_known = read_leaf(0, 0).ebx != 0;
    check!("leaf 0 names a vendor", is_vendor_known);
}

/// On AMD processors the number of threads of leaf 80000008H fits in the bits of the APIC id that it tells.
#[case(
    feature = CpuidConsistency,
    spec = apm3("Function 8000_0008h—Processor Capacity Parameters and Extended Feature Identification"),
    needs = Needs::AMD,
)]
fn number_of_threads_fits() {
    let leaf = read_leaf(0x8000_0008, 0);
    let (nr_threads, bits) = ((leaf.ecx & 0xff) + 1, leaf.ecx >> 12 & 0xf);
    check!("ECX bits 15 to 12: 0, or enough for ECX bits 7 to 0", bits == 0 || nr_threads <= 1 << bits);
    check_eq!("ECX bits 11 to 8", leaf.ecx >> 8 & 0xf, 0);
}

/// The caches of leaf 4 (Intel) or 8000001DH (AMD) have a type, a level, a line of a power of two, and are listed to an
/// end; the instruction and data caches of AMD are as large as leaf 80000005H says.
#[case(
    feature = CpuidConsistency,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Function 8000_001Dh—Cache Topology Information")],
)]
fn caches_are_described() {
    const MAX_CACHES: u32 = 8;
    let leaf_number = if has_topology_extensions() {
        0x8000_001d
    } else if read_leaf(0, 0).eax >= 4 && read_leaf(4, 0).eax & 0x1f != 0 {
        4
    } else {
        skip!("no leaf describes caches");
        return;
    };
    let (mut index, mut previous_level) = (0, 0);
    while index < MAX_CACHES {
        let leaf = read_leaf(leaf_number, index);
        let (kind, level) = (leaf.eax & 0x1f, leaf.eax >> 5 & 7);
        if kind == 0 {
            break;
        }
        check!("type is data, instruction or unified", [&[]; index], kind <= 3);
        check!("level is 1 to 4, in order", [&[]; index], (1..=4).contains(&level) && level >= previous_level);
        check!("line is a power of two", [&[]; index], ((leaf.ebx & 0xfff) + 1).is_power_of_two());
        check!("cache is larger than its line", [&[]; index], cache_size(leaf.ebx, leaf.ecx) > 64);
        if leaf_number == 0x8000_001d && level == 1 && kind <= 2 {
            let legacy = read_leaf(0x8000_0005, 0);
            let size_kib = if kind == 1 { legacy.ecx >> 24 } else { legacy.edx >> 24 };
            check_eq!("size in KiB", [&[]; index], cache_size(leaf.ebx, leaf.ecx) >> 10, u64::from(size_kib));
        }
        previous_level = level;
        index += 1;
    }
    check!("the list ends", index < MAX_CACHES);
}

/// The brand string is printable up to a NUL.
#[case(
    feature = CpuidConsistency,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Functions 8000_0002h–8000_0004h—Extended Processor Name String")],
)]
fn brand_string_is_printable() {
    check!("its leaves exist", read_leaf(0x8000_0000, 0).eax >= 0x8000_0004);
    let mut ended = false;
    for leaf in 0x8000_0002..=0x8000_0004_u32 {
        let outputs = read_leaf(leaf, 0);
        let registers = [outputs.eax, outputs.ebx, outputs.ecx, outputs.edx];
        for (index, byte) in registers.into_iter().flat_map(u32::to_le_bytes).enumerate() {
            if !ended && byte != 0 {
                check!("character", [&[]; (leaf - 0x8000_0002) as usize * 16 + index], is_printable(byte));
            }
            ended |= byte == 0;
        }
    }
}

/// Address sizes: 36 to 52 physical bits, 48 or 57 linear bits, and 57 with five-level paging alone.
#[case(
    feature = CpuidConsistency,
    spec = [
        sdm2("CPUID—CPU Identification"),
        apm3("Function 8000_0008h—Processor Capacity Parameters and Extended Feature Identification"),
    ],
)]
fn address_sizes_and_features_agree() {
    const NAMES: &[Text] = names!["48 without LA57", "57 with LA57"];
    let (physical, linear) = (paging::read_physical_address_bits(), read_leaf(0x8000_0008, 0).eax >> 8 & 0xff);
    check!("36 physical bits or more", physical >= 36);
    check!("52 physical bits or fewer", physical <= 52);
    let has_la57 = read_leaf(0, 0).eax >= 7 && read_leaf(7, 0).ecx >> 16 & 1 != 0;
    check_eq!("linear bits", [NAMES; usize::from(has_la57)], linear, if has_la57 { 57 } else { 48 });
    let guest = read_leaf(0x8000_0008, 0).eax >> 16 & 0xff;
    check!("guest physical bits: 0, or no more than the processor's and 52", guest <= 52);
}
