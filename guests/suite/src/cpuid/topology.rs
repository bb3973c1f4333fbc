//! Identity of the processor and its caches.

use case::Needs;
use rt::{case, check, check_eq, cpu::cpuid::read_leaf, skip};

/// The initial APIC ID of leaf 1 is the low byte of the x2APIC ID of leaf 0BH.
#[case(
    feature = CpuidBasicLeaves,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Function Bh—Extended Topology Enumeration")],
)]
fn apic_ids_agree() {
    if read_leaf(0, 0).eax < 0xb || read_leaf(0xb, 0).ebx == 0 {
        skip!("leaf 0BH does not exist");
        return;
    }
    check_eq!("initial APIC ID", read_leaf(1, 0).ebx >> 24, read_leaf(0xb, 0).edx & 0xff);
}

/// Leaf 0BH repeats the number of the subleaf and the x2APIC ID, and ends with a level of type 0.
#[case(
    feature = CpuidBasicLeaves,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Function Bh—Extended Topology Enumeration")],
)]
fn topology_levels() {
    const MAX_LEVELS: u32 = 8;
    if read_leaf(0, 0).eax < 0xb || read_leaf(0xb, 0).ebx == 0 {
        skip!("leaf 0BH does not exist");
        return;
    }
    let id = read_leaf(0xb, 0).edx;
    let (mut level, mut previous_shift) = (0, 0);
    loop {
        let leaf = read_leaf(0xb, level);
        if leaf.ecx >> 8 & 0xff == 0 || level == MAX_LEVELS {
            break;
        }
        check_eq!("ECX repeats the subleaf", [&[]; level], leaf.ecx & 0xff, level);
        check_eq!("EDX is the x2APIC ID", [&[]; level], leaf.edx, id);
        check!("a level shifts at least as far as the one before", [&[]; level], leaf.eax & 0x1f >= previous_shift);
        check!("a level has a processor", [&[]; level], leaf.ebx & 0xffff != 0);
        previous_shift = leaf.eax & 0x1f;
        level += 1;
    }
    check!("the levels end", level < MAX_LEVELS);
    check!("there is a level", level > 0);
}

/// On Intel processors leaf 0BH repeats the number of the subleaf and the x2APIC ID behind the last level too, and all
/// levels behind it have type 0.
#[case(feature = CpuidBasicLeaves, spec = sdm2("CPUID—CPU Identification"), needs = Needs::INTEL)]
fn topology_behind_the_last_level() {
    if read_leaf(0, 0).eax < 0xb || read_leaf(0xb, 0).ebx == 0 {
        skip!("leaf 0BH does not exist");
        return;
    }
    let id = read_leaf(0xb, 0).edx;
    for level in [8, 0x20, 0xff] {
        let leaf = read_leaf(0xb, level);
        check_eq!("ECX: the subleaf, type 0", [&[]; level], leaf.ecx, level);
        check_eq!("EDX is the x2APIC ID", [&[]; level], leaf.edx, id);
        check_eq!("EAX and EBX", [&[]; level], leaf.eax | leaf.ebx, 0);
    }
}

/// Leaf 4 describes each cache with a type and a level, and ends with type 0.
#[case(feature = CpuidBasicLeaves, spec = sdm2("CPUID—CPU Identification"), needs = Needs::INTEL)]
fn cache_parameters() {
    const MAX_CACHES: u32 = 8;
    if read_leaf(0, 0).eax < 4 {
        skip!("leaf 4 does not exist");
        return;
    }
    let mut index = 0;
    while index < MAX_CACHES {
        let leaf = read_leaf(4, index);
        let kind = leaf.eax & 0x1f;
        if kind == 0 {
            break;
        }
        check!("type is data, instruction or unified", [&[]; index], kind <= 3);
        check!("level is not 0", [&[]; index], leaf.eax >> 5 & 7 != 0);
        index += 1;
    }
    check!("the list ends", index < MAX_CACHES);
}
