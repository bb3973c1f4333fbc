//! The rules among CPUID's leaves give known answers, and each row and each input of them counts.

#[path = "../src/cpuid"]
mod cpuid {
    #[expect(dead_code, reason = "the cases use the rest")]
    pub(crate) mod bit;
    #[path = "consistency"]
    pub(crate) mod consistency {
        pub(crate) mod dependencies;
        pub(crate) mod model;
        pub(crate) mod zero;
    }
}

use cpuid::{
    bit::{Bit, Processor, Vendor},
    consistency::{
        dependencies::DEPENDENCIES,
        model::{Component, cache_size, compacted_size, holds, is_due, is_legal_xcr0, is_printable, standard_size},
        zero::{LEAVES, REGISTERS, REPEATED},
    },
};

/// A processor of a vendor with these bits alone, and limits that no leaf is beyond unless `largest` says so.
struct Made {
    vendor: Vendor,
    bits: Vec<Bit>,
    largest: u32,
}

impl Processor for Made {
    fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let ebx = match self.vendor {
            Vendor::Intel => 0x756e_6547,
            Vendor::Amd => 0x6874_7541,
            Vendor::Other => 0,
        };
        let mut outputs = if leaf & 0x7fff_ffff == 0 { [leaf | self.largest, ebx, 0, 0] } else { [0; 4] };
        for bit in self.bits.iter().filter(|bit| (bit.leaf, bit.subleaf) == (leaf, subleaf)) {
            outputs[bit.output as usize] |= 1 << bit.number;
        }
        outputs
    }

    fn msr(&self, _number: u32) -> u64 {
        0
    }
}

fn made(bits: Vec<Bit>) -> Made {
    Made { vendor: Vendor::Intel, bits, largest: 0x40 }
}

#[test]
fn each_dependency_is_broken_by_the_feature_without_what_it_takes() {
    for row in DEPENDENCIES {
        assert_ne!(row.feature, row.required, "{}", row.name);
        assert!(!holds(row, &made(vec![row.feature])), "{}", row.name);
        assert!(holds(row, &made(vec![row.feature, row.required])), "{}", row.name);
        assert!(holds(row, &made(vec![])), "{}", row.name);
        assert!(holds(row, &made(vec![row.required])), "{}", row.name);
    }
}

#[test]
fn no_row_stands_twice_and_no_row_is_empty() {
    let mut names: Vec<_> = DEPENDENCIES.iter().map(|row| row.name).collect();
    names.extend(LEAVES.iter().chain(REGISTERS).map(|row| row.name));
    let nr = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), nr);
    assert!(LEAVES.iter().chain(REGISTERS).all(|row| row.mask != 0));
}

#[test]
fn no_bit_is_zero_that_a_feature_or_a_repeated_bit_may_set() {
    for row in LEAVES.iter().chain(REGISTERS).filter(|row| row.vendor.is_none()) {
        for bit in DEPENDENCIES.iter().flat_map(|dependency| [dependency.feature, dependency.required]) {
            let same = (bit.leaf, bit.subleaf, bit.output) == (row.leaf, row.subleaf, row.output);
            assert!(!same || row.mask >> bit.number & 1 == 0, "{} bit {}", row.name, bit.number);
        }
    }
    let amd = REGISTERS.iter().filter(|row| row.name.starts_with("8000") && row.vendor == Some(Vendor::Amd));
    for row in amd {
        assert!(REPEATED.iter().all(|bit| row.mask >> bit & 1 == 0), "{}", row.name);
    }
}

#[test]
fn vendor_and_limit_decide_whether_bits_must_be_zero() {
    let row = REGISTERS.iter().find(|row| row.leaf == 0x8000_0008 && row.vendor.is_some()).unwrap();
    let due = |vendor, largest| is_due(row, &Made { vendor, bits: vec![], largest });
    assert!(due(Vendor::Intel, 8));
    assert!(!due(Vendor::Amd, 8));
    assert!(!due(Vendor::Intel, 7));
    let both = REGISTERS.iter().find(|row| row.vendor.is_none()).unwrap();
    assert!(is_due(both, &Made { vendor: Vendor::Other, bits: vec![], largest: 8 }));
}

#[test]
fn legal_values_of_xcr0_are_known() {
    const ALL: u64 = 0b11 << 17 | 1 << 9 | 0xff;
    for (value, supported, expected) in [
        (1, ALL, true),
        (0, ALL, false),
        (2, ALL, false),
        (3, ALL, true),
        (5, ALL, false),
        (7, ALL, true),
        (7, 3, false),
        (0b0_1001, ALL, false),
        (0b1_0001, ALL, false),
        (0b1_1001, ALL, true),
        (0x27, ALL, false),
        (0xe7, ALL, true),
        (0xe3, ALL, false),
        (0xe1, ALL, false),
        (0xe7, 7, false),
        (0x201, ALL, true),
        (1 << 17 | 7, ALL, false),
        (1 << 18 | 7, ALL, false),
        (0b11 << 17 | 7, ALL, true),
        (1 << 8 | 1, ALL, false),
        (1 << 63 | 1, ALL, false),
    ] {
        assert_eq!(is_legal_xcr0(value, supported), expected, "{value:#x} of {supported:#x}");
    }
}

#[test]
fn sizes_follow_each_component_and_its_place() {
    let mut components = [Component::default(); 10];
    components[2] = Component { size: 256, offset: 576, is_aligned: false };
    components[5] = Component { size: 8, offset: 832, is_aligned: false };
    components[6] = Component { size: 512, offset: 896, is_aligned: true };
    assert_eq!([0, 1, 3].map(|enabled| standard_size(&components, enabled)), [576; 3]);
    assert_eq!([0, 1, 3].map(|enabled| compacted_size(&components, enabled)), [576; 3]);
    assert_eq!([7, 0x27, 0x67, 0x41].map(|enabled| standard_size(&components, enabled)), [832, 840, 1408, 1408]);
    assert_eq!([7, 0x27, 0x67, 0x41].map(|enabled| compacted_size(&components, enabled)), [832, 840, 1408, 1088]);
    components[6].is_aligned = false;
    assert_eq!(compacted_size(&components, 0x67), 1352);
}

#[test]
fn caches_and_strings_are_judged() {
    // 8 ways, 1 partition, lines of 64 bytes, 64 sets.
    let ebx = 7 << 22 | 63;
    assert_eq!(cache_size(ebx, 63), 32 << 10);
    assert_eq!(cache_size(ebx, 127), 64 << 10);
    assert_eq!(cache_size(ebx | 1 << 12, 63), 64 << 10);
    assert_eq!(cache_size(ebx + 64, 63), 64 << 10);
    assert_eq!(cache_size(ebx + (8 << 22), 63), 64 << 10);
    assert!(is_printable(b' ') && is_printable(b'~'));
    assert!(!is_printable(0x1f) && !is_printable(0x7f) && !is_printable(0));
}
