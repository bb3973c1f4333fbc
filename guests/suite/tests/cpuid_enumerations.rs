//! The rules of the leaves from 14H on hold for a processor that has all of them, and each is broken by one wrong number.

#[path = "../src/cpuid"]
mod cpuid {
    #[expect(dead_code, reason = "the cases use the rest")]
    pub(crate) mod bit;
    #[path = "consistency"]
    pub(crate) mod consistency {
        pub(crate) mod enumerations;
    }
}

use cpuid::{
    bit::{Processor, Vendor},
    consistency::enumerations::{ENUMERATIONS, judge},
};
use std::collections::BTreeMap;

/// Leaves by number and subleaf; the others are zero.
#[derive(Clone)]
struct Made(BTreeMap<(u32, u32), [u32; 4]>);

impl Processor for Made {
    fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        self.0.get(&(leaf, subleaf)).copied().unwrap_or_default()
    }

    fn msr(&self, _number: u32) -> u64 {
        0
    }
}

/// A processor of Intel's that has everything.
fn full() -> Made {
    Made(BTreeMap::from([
        ((0, 0), [0x24, 0x756e_6547, 0, 0]),
        ((7, 0), [2, 1 << 5 | 1 << 25, 1 << 23, 1 << 15 | 1 << 18 | 1 << 24]),
        ((7, 1), [1 << 22, 0, 0, 1 << 19]),
        ((7, 2), [0, 0, 0, 1]),
        ((0xb, 0), [1, 2, 1 << 8, 5]),
        ((0xb, 1), [7, 32, 2 << 8 | 1, 5]),
        ((0xd, 0), [0xe7, 0, 0, 0]),
        ((0xd, 17), [64, 0, 0, 0]),
        ((0xd, 18), [8192, 0, 0, 0]),
        ((0x14, 0), [1, 0xf, 0b111, 0]),
        ((0x17, 0), [3, 1, 1, 1]),
        ((0x18, 0), [1, 0, 0, 0]),
        ((0x18, 1), [0, 1, 1, 1]),
        ((0x19, 0), [1, 1, 1, 0]),
        ((0x1a, 0), [0x4000_0001, 0, 0, 0]),
        ((0x1b, 0), [1, 1, 0, 0]),
        ((0x1d, 0), [1, 0, 0, 0]),
        ((0x1d, 1), [1024 << 16 | 8192, 8 << 16 | 64, 16, 0]),
        ((0x1e, 0), [0, 64 << 8 | 16, 0, 0]),
        ((0x1f, 0), [1, 2, 1 << 8, 5]),
        ((0x1f, 1), [4, 16, 2 << 8 | 1, 5]),
        ((0x1f, 2), [7, 32, 5 << 8 | 2, 5]),
        ((0x20, 0), [0, 1, 0, 0]),
        ((0x24, 0), [0, 7 << 16 | 1, 0, 0]),
    ]))
}

/// A register of a leaf with another value: leaf, subleaf, number of the register, value.
type Wrong = (u32, u32, usize, u32);

/// What breaks each rule: leaf, subleaf, output register, bits that change.
const WRONG: &[(&str, &[Wrong])] = &[
    ("tracing has leaf 14H", &[(0, 0, 0, 0x24 ^ 0x13)]),
    ("key locker has leaf 19H", &[(0, 0, 0, 0x24 ^ 0x18)]),
    ("a hybrid processor has leaf 1AH", &[(0x1a, 0, 0, 0x4000_0001)]),
    ("PCONFIG has leaf 1BH", &[(0, 0, 0, 0x24 ^ 0x1a)]),
    ("tiles have leaf 1DH", &[(0, 0, 0, 0x24 ^ 0x1c)]),
    ("tiles have leaf 1EH", &[(0, 0, 0, 0x24 ^ 0x1d)]),
    ("HRESET has leaf 20H", &[(0, 0, 0, 0x24 ^ 0x1f)]),
    ("AVX10 has leaf 24H", &[(0, 0, 0, 0x24 ^ 0x23)]),
    ("AVX10 takes AVX2", &[(7, 0, 1, 1 << 5)]),
    ("AVX10 takes opmask state", &[(0xd, 0, 0, 1 << 5)]),
    ("14H is zero without tracing", &[(7, 0, 1, 1 << 25)]),
    ("19H is zero without key locker", &[(7, 0, 2, 1 << 23)]),
    ("1BH is zero without PCONFIG", &[(7, 0, 3, 1 << 18)]),
    ("1DH is zero without tiles", &[(7, 0, 3, 1 << 24)]),
    ("1DH.1 is zero without tiles", &[(7, 0, 3, 1 << 24), (0x1d, 0, 0, 1)]),
    ("1EH is zero without tiles", &[(7, 0, 3, 1 << 24), (0x1d, 0, 0, 1)]),
    ("20H is zero without HRESET", &[(7, 1, 0, 1 << 22)]),
    ("24H is zero without AVX10", &[(7, 1, 3, 1 << 19)]),
    ("07H is zero beyond its last subleaf", &[(7, 3, 1, 1)]),
    ("17H is zero beyond its last subleaf", &[(0x17, 4, 3, 1)]),
    ("18H is zero beyond its last subleaf", &[(0x18, 2, 2, 1)]),
    ("14H: tables of any number of entries are tables", &[(0x14, 0, 2, 1)]),
    ("14H: EDX is reserved", &[(0x14, 0, 3, 1 << 31)]),
    ("19H: EDX is reserved", &[(0x19, 0, 3, 1)]),
    ("1AH: EBX, ECX and EDX are reserved", &[(0x1a, 0, 2, 1)]),
    ("1BH: a type is 0 or 1", &[(0x1b, 0, 0, 2)]),
    ("1BH: no type follows an invalid one", &[(0x1b, 2, 0, 1)]),
    ("1DH: there is a palette", &[(0x1d, 0, 0, 1)]),
    ("1DH: EBX, ECX and EDX are reserved", &[(0x1d, 0, 1, 1)]),
    ("1DH.1: ECX bits 31 to 16 and EDX are reserved", &[(0x1d, 1, 2, 1 << 16)]),
    ("1DH.1: a tile is of rows", &[(0x1d, 1, 2, 1)]),
    ("1DH.1: the whole is of tiles", &[(0x1d, 1, 1, 1 << 16)]),
    ("1DH.1: it is not empty", &[(0x1d, 1, 0, 1024 << 16 | 8192)]),
    ("0DH.17 is the size of a configuration", &[(0xd, 17, 0, 1)]),
    ("0DH.18 is the size of the whole", &[(0xd, 18, 0, 1)]),
    ("1EH: as many rows as a tile", &[(0x1e, 0, 1, 1)]),
    ("1EH: as many bytes as a row", &[(0x1e, 0, 1, 1 << 8)]),
    ("1EH: EBX bits 31 to 24, ECX and EDX are reserved", &[(0x1e, 0, 1, 1 << 24)]),
    ("1FH comes with 0BH", &[(0xb, 0, 1, 2)]),
    ("1FH: ECX repeats the subleaf", &[(0x1f, 1, 2, 2)]),
    ("1FH tells the APIC id of 0BH", &[(0x1f, 0, 3, 1)]),
    ("1FH: the first level is of logical processors", &[(0x1f, 0, 2, 2 << 8)]),
    ("1FH: no type stands twice", &[(0x1f, 2, 2, (5 ^ 2) << 8)]),
    ("1FH: no shift is less than the one before", &[(0x1f, 1, 0, 8)]),
    ("1FH: the first shift is that of 0BH", &[(0x1f, 0, 0, 2)]),
    ("1FH: the last shift is that of 0BH", &[(0x1f, 2, 0, 8)]),
    ("1FH: the first number of processors is that of 0BH", &[(0x1f, 0, 1, 1)]),
    ("1FH: EAX bits 31 to 5 are reserved", &[(0x1f, 0, 0, 1 << 5)]),
    ("20H: ECX and EDX are reserved", &[(0x20, 0, 2, 1)]),
    ("24H: the version is not 0", &[(0x24, 0, 1, 1)]),
    ("24H: 512 bits come with 256", &[(0x24, 0, 1, 1 << 17)]),
];

#[test]
fn every_rule_holds_for_a_processor_that_has_all_and_for_one_that_has_none() {
    let none = Made(BTreeMap::from([((0, 0), [0x24, 0x756e_6547, 0, 0])]));
    for rule in ENUMERATIONS {
        assert_eq!(judge(rule, &full()), Some(true), "{}", rule.name);
        assert_eq!(judge(rule, &none), Some(true), "{}", rule.name);
    }
}

#[test]
fn every_rule_is_broken_by_a_wrong_number() {
    assert_eq!(
        ENUMERATIONS.iter().map(|rule| rule.name).collect::<Vec<_>>(),
        WRONG.iter().map(|w| w.0).collect::<Vec<_>>()
    );
    for (rule, (name, changes)) in ENUMERATIONS.iter().zip(WRONG) {
        let mut wrong = full();
        for &(leaf, subleaf, output, bits) in *changes {
            wrong.0.entry((leaf, subleaf)).or_default()[output] ^= bits;
        }
        assert_eq!(judge(rule, &wrong), Some(false), "{name}");
    }
}

#[test]
fn a_rule_says_nothing_of_a_leaf_that_is_not_there_or_of_another_vendor() {
    for rule in ENUMERATIONS {
        let with = |largest, ebx| {
            let mut made = full();
            made.0.insert((0, 0), [largest, ebx, 0, 0]);
            made
        };
        if rule.leaf > 0 {
            assert_eq!(judge(rule, &with(rule.leaf - 1, 0x756e_6547)), None, "{}", rule.name);
        }
        let elsewhere = judge(rule, &with(0x24, 0x6874_7541));
        assert_eq!(elsewhere.is_none(), rule.vendor == Some(Vendor::Intel), "{}", rule.name);
    }
}
