//! The instruction itself and the basic leaves.

use case::{Needs, Text};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::cpuid::{Leaf, read_leaf},
    instruction, names, user, user_code,
};

/// Garbage in the upper half of a register.
const UPPER: u64 = 0xdead_beef_0000_0000;

/// The largest basic leaf is at least 1, and leaf 1 is not zero.
#[case(feature = CpuidBasicLeaves, spec = sdm2("CPUID—CPU Identification"))]
fn largest_basic_leaf() {
    check!("leaf 0 EAX is at least 1", read_leaf(0, 0).eax >= 1);
    check!("leaf 1 EAX is not zero", read_leaf(1, 0).eax != 0);
}

/// CPUID looks at the lower halves of RAX and RCX only, and clears the upper halves of its four output registers.
#[case(feature = CpuidBasicLeaves, spec = [sdm2("CPUID—CPU Identification"), apm3("CPUID")])]
fn upper_halves() {
    let expected = read_leaf(0, 0);
    let (mut rax, mut rbx, mut rcx, mut rdx) = (0_u64, 0_u64, 0_u64, 0_u64);
    let result = instruction!(
        "xchg {0}, rbx", "cpuid", "xchg {0}, rbx",
        inout(reg) UPPER => rbx, inout("rax") UPPER => rax, inout("rcx") UPPER => rcx, inout("rdx") UPPER => rdx
    );
    check_outcome!("CPUID", result, Outcome::COMPLETED);
    const NAMES: &[Text] = names!["RAX", "RBX", "RCX", "RDX"];
    let table = [(rax, expected.eax), (rbx, expected.ebx), (rcx, expected.ecx), (rdx, expected.edx)];
    for (row, (actual, expected)) in table.into_iter().enumerate() {
        check_eq!("register", [NAMES; row], actual, u64::from(expected));
    }
}

user_code! {
    /// The exclusive or of the outputs (rotated, so that a swap shows), of the leaf in the argument, subleaf 0.
    digest: "mov r8, rbx", "mov rax, rdi", "xor ecx, ecx", "cpuid", "rol ebx, 8", "rol ecx, 16", "rol edx, 24",
    "xor eax, ebx", "xor eax, ecx", "xor eax, edx", "mov rbx, r8", "ret"
}

fn digest_of(leaf: Leaf) -> u32 {
    leaf.eax ^ leaf.ebx.rotate_left(8) ^ leaf.ecx.rotate_left(16) ^ leaf.edx.rotate_left(24)
}

/// CPUID can be executed at every privilege level, and says the same at CPL 3 as at CPL 0.
#[case(feature = CpuidBasicLeaves, spec = [sdm2("CPUID—CPU Identification"), apm3("CPUID")])]
fn same_at_cpl_3() {
    const NAMES: &[Text] =
        names!["0", "1", "7", "80000000", "80000001", "80000002", "80000008", "40000000", "40000001"];
    let leaves = [0, 1, 7, 0x8000_0000, 0x8000_0001, 0x8000_0002, 0x8000_0008, 0x4000_0000, 0x4000_0001];
    for (row, leaf) in leaves.into_iter().enumerate() {
        let result = user::call(digest, u64::from(leaf));
        check_outcome!("at CPL 3, leaf", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("digest of leaf", [NAMES; row], result.unwrap_or(0), digest_of(read_leaf(leaf, 0)));
    }
}

/// The vendor string is made of printable characters.
#[case(
    feature = CpuidBasicLeaves,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Function 0h—Maximum Standard Function Number and Vendor String")],
)]
fn vendor_is_printable() {
    let leaf = read_leaf(0, 0);
    const NAMES: &[Text] = names!["EBX", "EDX", "ECX"];
    for (row, register) in [leaf.ebx, leaf.edx, leaf.ecx].into_iter().enumerate() {
        let printable = register.to_le_bytes().into_iter().all(|byte| (b' '..=b'~').contains(&byte));
        check!("four printable characters", [NAMES; row], printable);
    }
}

/// AMD processors repeat the vendor string in leaf 80000000H.
#[case(
    feature = CpuidExtendedLeaves,
    spec = apm3("Function 8000_0000h—Maximum Extended Function Number and Vendor String"),
    needs = Needs::AMD,
)]
fn vendor_is_repeated() {
    let (basic, extended) = (read_leaf(0, 0), read_leaf(0x8000_0000, 0));
    check_eq!("EBX", extended.ebx, basic.ebx);
    check_eq!("EDX", extended.edx, basic.edx);
    check_eq!("ECX", extended.ecx, basic.ecx);
}

/// Intel processors answer a leaf beyond the largest basic or extended one with the data of the largest basic leaf.
#[case(feature = CpuidBasicLeaves, spec = sdm2("CPUID—CPU Identification"), needs = Needs::INTEL)]
fn leaf_beyond_the_largest() {
    let largest = read_leaf(0, 0).eax;
    let expected = digest_of(read_leaf(largest, 0));
    let largest_extended = read_leaf(0x8000_0000, 0).eax;
    const NAMES: &[Text] = names!["behind the largest basic", "7FFFFFFF", "behind the largest extended", "FFFFFFFF"];
    let leaves = [largest + 1, 0x7fff_ffff, largest_extended + 1, u32::MAX];
    for (row, leaf) in leaves.into_iter().enumerate() {
        check_eq!("digest of leaf", [NAMES; row], digest_of(read_leaf(leaf, 0)), expected);
    }
}

/// Leaf 7 is zero for a subleaf beyond the one that its EAX names.
#[case(feature = CpuidBasicLeaves, spec = sdm2("CPUID—CPU Identification"))]
fn leaf_7_beyond_the_last_subleaf() {
    if read_leaf(0, 0).eax < 7 {
        rt::skip!("leaf 7 does not exist");
        return;
    }
    let last = read_leaf(7, 0).eax;
    check!("a processor has few subleaves", last < 0x100);
    const NAMES: &[Text] = names!["the next", "FFFFFFFF"];
    for (row, subleaf) in [last.wrapping_add(1), u32::MAX].into_iter().enumerate() {
        let leaf = read_leaf(7, subleaf);
        check_eq!("all registers, subleaf", [NAMES; row], leaf.eax | leaf.ebx | leaf.ecx | leaf.edx, 0);
    }
}

/// Leaf 1 describes a processor that can be in long mode: FPU, TSC, MSRs, PAE, CMPXCHG8B, CMOV, FXSR, SSE and SSE2.
#[case(feature = CpuidBasicLeaves, spec = [sdm2("CPUID—CPU Identification"), apm2("Long Mode")])]
fn features_of_every_64_bit_processor() {
    const NAMES: &[Text] =
        names!["FPU", "PSE", "TSC", "MSR", "PAE", "CX8", "PGE", "CMOV", "CLFSH", "MMX", "FXSR", "SSE", "SSE2"];
    let edx = read_leaf(1, 0).edx;
    for (row, bit) in [0, 3, 4, 5, 6, 8, 13, 15, 19, 23, 24, 25, 26].into_iter().enumerate() {
        check_eq!("leaf 1 EDX", [NAMES; row], edx >> bit & 1, 1);
    }
    check!("size of a CLFLUSH line is not 0", read_leaf(1, 0).ebx >> 8 & 0xff != 0);
}
