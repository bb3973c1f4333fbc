//! Limits, dependencies, bits that are zero, and what the instruction itself does with its inputs.

use super::{
    dependencies::DEPENDENCIES,
    enumerations::{ENUMERATIONS, judge},
    model::{Zero, holds, is_due},
    zero::{LEAVES, REGISTERS, REPEATED},
};
use crate::cpuid::bit::Processor;
use case::{Needs, Text};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::cpuid::{HYPERVISOR_BASE, Leaf, read_leaf},
    instruction, names,
};

/// The processor that this code runs on.
pub(in crate::cpuid) struct Guest;

impl Processor for Guest {
    fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let outputs = read_leaf(leaf, subleaf);
        [outputs.eax, outputs.ebx, outputs.ecx, outputs.edx]
    }

    fn msr(&self, _number: u32) -> u64 {
        0
    }
}

macro_rules! names_of {
    ($rows:ident) => {
        &{
            let mut names = [Text::EMPTY; $rows.len()];
            let mut index = 0;
            while index < names.len() {
                names[index] = Text::new($rows[index].name);
                index += 1;
            }
            names
        }
    };
}
const DEPENDENCY_NAMES: &[Text] = names_of!(DEPENDENCIES);
const ENUMERATION_NAMES: &[Text] = names_of!(ENUMERATIONS);
const LEAF_NAMES: &[Text] = names_of!(LEAVES);
const REGISTER_NAMES: &[Text] = names_of!(REGISTERS);

/// Whoever is told of a feature is told of those that it takes.
#[case(
    feature = CpuidConsistency,
    spec = [
        sdm1("Detection of Intel AVX Instructions"),
        sdm1("Enumeration of CPU Support for XSAVE Instructions and XSAVE-Supported Features"),
        apm3("Instruction Subsets and CPUID Feature Flags"),
    ],
)]
fn features_come_with_what_they_take() {
    for (row, dependency) in DEPENDENCIES.iter().enumerate() {
        check!("feature", [DEPENDENCY_NAMES; row], holds(dependency, &Guest));
    }
}

fn check_zero(rows: &'static [Zero], report: impl Fn(usize, u32)) {
    for (index, row) in rows.iter().enumerate() {
        if is_due(row, &Guest) {
            report(index, Guest.leaf(row.leaf, row.subleaf)[row.output as usize] & row.mask);
        }
    }
}

/// Leaves that the vendor reserves are zero.
#[case(feature = CpuidConsistency, spec = [sdm2("CPUID—CPU Identification"), apm3("Obtaining Processor Information Via the CPUID Instruction")])]
fn reserved_leaves_are_zero() {
    check_zero(LEAVES, |row, value| check_eq!("register", [LEAF_NAMES; row], value, 0));
}

/// The leaves from 14H on exist with their features, are zero without, have no subleaf beyond their last, and agree with
/// each other: tiles with leaf 0DH, topology with leaf 0BH.
#[case(
    feature = CpuidConsistency,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Obtaining Processor Information Via the CPUID Instruction")],
)]
fn enumerations_of_later_leaves_agree() {
    for (row, rule) in ENUMERATIONS.iter().enumerate() {
        if let Some(holds) = judge(rule, &Guest) {
            check!("rule", [ENUMERATION_NAMES; row], holds);
        }
    }
}

/// Reserved bits, and those of the other vendor's features, are zero.
#[case(feature = CpuidConsistency, spec = [sdm2("CPUID—CPU Identification"), apm3("Obtaining Processor Information Via the CPUID Instruction")])]
fn reserved_bits_are_zero() {
    check_zero(REGISTERS, |row, value| check_eq!("reserved bits", [REGISTER_NAMES; row], value, 0));
}

/// Every subleaf of leaf 0DH that stands for no component is zero, and those that do have no reserved bit.
#[case(
    feature = CpuidConsistency,
    spec = [sdm2("CPUID—CPU Identification"), apm3("Function Dh—Processor Extended State Enumeration")],
    needs = Needs::XSAVE,
)]
fn subleaves_of_absent_components_are_zero() {
    let (user, supervisor) = (read_leaf(0xd, 0), read_leaf(0xd, 1));
    let user = u64::from(user.edx) << 32 | u64::from(user.eax);
    let supervisor = u64::from(supervisor.edx) << 32 | u64::from(supervisor.ecx);
    check_eq!("a component is of XCR0 or of IA32_XSS", user & supervisor, 0);
    for component in 2..64_u32 {
        let leaf = read_leaf(0xd, component);
        if (user | supervisor) >> component & 1 == 0 {
            check_eq!("all registers", [&[]; component], leaf.eax | leaf.ebx | leaf.ecx | leaf.edx, 0);
        } else {
            check_eq!("ECX bit 0: of IA32_XSS", [&[]; component], u64::from(leaf.ecx & 1), supervisor >> component & 1);
            check_eq!("ECX bits 31 to 3", [&[]; component], leaf.ecx >> 3, 0);
            check_eq!("EDX", [&[]; component], leaf.edx, 0);
            check!("has a size", [&[]; component], leaf.eax != 0);
        }
    }
}

/// On AMD processors leaf 80000001H EDX repeats bits of leaf 1 EDX.
#[case(
    feature = CpuidConsistency,
    spec = apm3("Function 8000_0001h—Extended Processor and Processor Feature Identifiers"),
    needs = Needs::AMD,
)]
fn repeated_bits_agree() {
    let (basic, extended) = (read_leaf(1, 0).edx, read_leaf(0x8000_0001, 0).edx);
    for bit in REPEATED {
        check_eq!("bit", [&[]; bit], extended >> bit & 1, basic >> bit & 1);
    }
}

/// On AMD processors leaves beyond the largest of their range are zero.
#[case(
    feature = CpuidConsistency,
    spec = apm3("Obtaining Processor Information Via the CPUID Instruction"),
    needs = Needs::AMD,
)]
fn leaves_beyond_the_largest_are_zero_on_amd() {
    const NAMES: &[Text] = names![
        "largest basic + 1",
        "largest basic + 2",
        "00000100",
        "0000FFFF",
        "3FFFFFFF",
        "7FFFFFFF",
        "largest extended + 1",
        "largest extended + 2",
        "80000100",
        "8FFFFFFF",
        "C0000000",
        "FFFFFFFF",
    ];
    let (basic, extended) = (read_leaf(0, 0).eax, read_leaf(0x8000_0000, 0).eax);
    let leaves = [
        basic + 1,
        basic + 2,
        0x100,
        0xffff,
        0x3fff_ffff,
        0x7fff_ffff,
        extended + 1,
        extended + 2,
        0x8000_0100,
        0x8fff_ffff,
        0xc000_0000,
        u32::MAX,
    ];
    for (row, number) in leaves.into_iter().enumerate() {
        let Leaf { eax, ebx, ecx, edx } = read_leaf(number, 0);
        for output in [eax, ebx, ecx, edx] {
            check_eq!("a register of leaf", [NAMES; row], output, 0);
        }
    }
}

/// The leaves that are tried by every case below: those that have one meaning whatever ECX is.
const WITHOUT_SUBLEAVES: [u32; 12] = [
    0,
    1,
    5,
    6,
    0x8000_0000,
    0x8000_0001,
    0x8000_0002,
    0x8000_0003,
    0x8000_0004,
    0x8000_0006,
    0x8000_0007,
    0x8000_0008,
];
const WITHOUT_SUBLEAVES_NAMES: &[Text] = names![
    "00000000", "00000001", "00000005", "00000006", "80000000", "80000001", "80000002", "80000003", "80000004",
    "80000006", "80000007", "80000008",
];

/// A leaf without subleaves does not look at ECX.
#[case(feature = CpuidConsistency, spec = [sdm2("CPUID—CPU Identification"), apm3("CPUID")])]
fn leaves_without_subleaves_ignore_ecx() {
    for (row, number) in WITHOUT_SUBLEAVES.into_iter().enumerate() {
        let expected = read_leaf(number, 0);
        for subleaf in [1, 2, 0x8000_0000, u32::MAX] {
            let actual = read_leaf(number, subleaf);
            check_eq!("EAX", [WITHOUT_SUBLEAVES_NAMES; row], actual.eax, expected.eax);
            check_eq!("EBX", [WITHOUT_SUBLEAVES_NAMES; row], actual.ebx, expected.ebx);
            check_eq!("ECX", [WITHOUT_SUBLEAVES_NAMES; row], actual.ecx, expected.ecx);
            check_eq!("EDX", [WITHOUT_SUBLEAVES_NAMES; row], actual.edx, expected.edx);
        }
    }
}

/// CPUID of every leaf looks at the lower halves of RAX and RCX only, and clears the upper halves of its outputs.
#[case(feature = CpuidConsistency, spec = [sdm2("CPUID—CPU Identification"), apm3("CPUID")])]
fn upper_halves_of_every_leaf() {
    const UPPER: u64 = 0xdead_beef_0000_0000;
    for first in [0, 0x8000_0000_u32] {
        let last = read_leaf(first, 0).eax.min(first + 0x40);
        for number in first..=last {
            let expected = read_leaf(number, 0);
            let (mut rax, mut rbx, mut rcx, mut rdx) = (0_u64, 0_u64, 0_u64, 0_u64);
            let result = instruction!(
                "xchg {0}, rbx", "cpuid", "xchg {0}, rbx", inout(reg) UPPER => rbx,
                inout("rax") UPPER | u64::from(number) => rax, inout("rcx") UPPER => rcx, inout("rdx") UPPER => rdx
            );
            check_outcome!("CPUID of leaf", [&[]; number], result, Outcome::COMPLETED);
            check_eq!("upper halves of the outputs of leaf", [&[]; number], (rax | rbx | rcx | rdx) >> 32, 0);
            check_eq!("EAX of leaf", [&[]; number], rax, u64::from(expected.eax));
            check_eq!("EDX of leaf", [&[]; number], rdx, u64::from(expected.edx));
        }
    }
}

/// The hypervisor's range: its largest leaf is in it, its signature is printable, and leaf 1 ECX bit 31 is set.
#[case(
    feature = CpuidConsistency,
    spec = [kvm("KVM CPUID bits"), apm3("Function 1h—Processor and Processor Feature Identifiers")],
    needs = Needs::HYPERVISOR,
)]
fn hypervisor_range() {
    const LAST: u32 = HYPERVISOR_BASE + 0xff;
    let leaf = read_leaf(HYPERVISOR_BASE, 0);
    // Old versions of KVM tell 0 and mean 40000001H.
    check!("largest leaf is in the range", leaf.eax == 0 || (HYPERVISOR_BASE..=LAST).contains(&leaf.eax));
    for (row, byte) in [leaf.ebx, leaf.ecx, leaf.edx].into_iter().flat_map(u32::to_le_bytes).enumerate() {
        check!("signature: printable or NUL", [&[]; row], byte == 0 || super::model::is_printable(byte));
    }
    check!("signature is not empty", leaf.ebx != 0);
    for subleaf in [1, u32::MAX] {
        check!("ignores ECX", [&[]; subleaf], read_leaf(HYPERVISOR_BASE, subleaf) == leaf);
    }
}
