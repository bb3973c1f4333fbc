//! The table of MSRs holds no contradiction, a contradiction of every kind is seen, and each column of a row decides.

#[path = "../src/cpuid"]
mod cpuid {
    #[expect(dead_code, reason = "the cases use the rest")]
    pub(crate) mod bit;
}
#[expect(dead_code, reason = "the cases use the rest")]
#[path = "../src/msr/table/model.rs"]
mod model;
#[path = "../src/msr/table/rows.rs"]
mod rows;

use cpuid::bit::{Output::Ecx, Output::Edx, Processor, Vendor, bit};
use model::{
    Absence, Access, Condition, Contradiction, Field, Group, Kind, Reset, Row, Rule, Types, canonical, contradiction,
    read_completes, rule, takes_type, write_completes,
};
use rows::ROWS;
use std::collections::HashMap;

/// A processor of a test: leaves, MSRs and a vendor; what is not given is 0.
#[derive(Clone)]
struct Made {
    leaves: HashMap<(u32, u32), [u32; 4]>,
    msrs: HashMap<u32, u64>,
}

impl Made {
    fn new(vendor: Vendor) -> Self {
        let ebx = match vendor {
            Vendor::Intel => 0x756e_6547,
            Vendor::Amd => 0x6874_7541,
            Vendor::Other => 0x746e_6543,
        };
        let leaves = [
            ((0, 0), [0x20, ebx, 0, 0]),
            ((0x8000_0000, 0), [0x8000_0021, 0, 0, 0]),
            ((0x8000_0008, 0), [0x3028, 0, 0, 0]),
        ];
        Self { leaves: leaves.into(), msrs: HashMap::new() }
    }

    fn with(mut self, at: cpuid::bit::Bit) -> Self {
        self.leaves.entry((at.leaf, at.subleaf)).or_default()[at.output as usize] |= 1 << at.number;
        self
    }
}

impl Processor for Made {
    fn leaf(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        self.leaves.get(&(leaf, subleaf)).copied().unwrap_or_default()
    }

    fn msr(&self, number: u32) -> u64 {
        self.msrs.get(&number).copied().unwrap_or(0)
    }
}

const ALL: &[Field] = &[Field { low: 0, high: 63, kind: Kind::Writable }];
const GOOD: Row = Row {
    name: "GOOD",
    number: 0x10,
    group: Group::Processor,
    exists: Condition::Always,
    absence: Absence::Faults,
    access: Access::ReadWrite,
    reset: Reset::Value(0),
    fields: ALL,
};

macro_rules! names {
    ($($name:ident $number:literal, $group:expr, $exists:expr, $absence:expr, $access:expr, $reset:expr, $fields:expr;)*) => {
        [$(stringify!($name)),*]
    };
}

#[test]
fn names_are_those_of_the_list_and_each_stands_once() {
    let mut names = Vec::from(rows::msrs!(names));
    assert!(names.iter().zip(ROWS).all(|(name, row)| *name == row.name));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ROWS.len());
}

#[test]
fn table_has_no_contradiction_and_is_large() {
    assert_eq!(contradiction(ROWS), None);
    assert!(ROWS.len() >= 60, "{}", ROWS.len());
}

#[test]
fn every_kind_of_contradiction_is_found() {
    const OVERLAP: &[Field] =
        &[Field { low: 0, high: 9, kind: Kind::Writable }, Field { low: 9, high: 63, kind: Kind::Reserved }];
    const GAP: &[Field] =
        &[Field { low: 0, high: 8, kind: Kind::Writable }, Field { low: 10, high: 63, kind: Kind::Reserved }];
    const BACKWARDS: &[Field] = &[Field { low: 63, high: 0, kind: Kind::Writable }];
    const NOWHERE: &[Field] = &[Field { low: 0, high: 63, kind: Kind::WritableIf(Condition::Any(&[])) }];
    const UNKNOWN: Condition = Condition::Any(&[bit(0x1234, 0, Ecx, 0)]);
    const RESERVED: &[Field] = &[Field { low: 0, high: 63, kind: Kind::Reserved }];
    const SILENT: &[Field] = &[Field { low: 0, high: 63, kind: Kind::Excluded("") }];
    let at = GOOD.number;
    assert_eq!(contradiction(&[GOOD]), None);
    for (rows, expected) in [
        (vec![GOOD, Row { name: "AGAIN", ..GOOD }], Contradiction::Number(at)),
        (vec![Row { number: 0x2000, ..GOOD }], Contradiction::Unknown(0x2000)),
        (vec![Row { number: 0xbfff_ffff, ..GOOD }], Contradiction::Unknown(0xbfff_ffff)),
        (vec![Row { number: 0xc000_2000, ..GOOD }], Contradiction::Unknown(0xc000_2000)),
        (vec![Row { number: 0xc001_2000, ..GOOD }], Contradiction::Unknown(0xc001_2000)),
        (vec![Row { fields: OVERLAP, ..GOOD }], Contradiction::Overlap(at)),
        (vec![Row { fields: BACKWARDS, ..GOOD }], Contradiction::Overlap(at)),
        (vec![Row { fields: GAP, ..GOOD }], Contradiction::Gap(at)),
        (vec![Row { fields: NOWHERE, ..GOOD }], Contradiction::Condition(at)),
        (vec![Row { exists: UNKNOWN, ..GOOD }], Contradiction::Condition(at)),
        (vec![Row { access: Access::ReadOnly, ..GOOD }], Contradiction::ReadOnly(at)),
        (vec![Row { fields: SILENT, ..GOOD }], Contradiction::Reason(at)),
        (vec![Row { fields: RESERVED, reset: Reset::Value(1), ..GOOD }], Contradiction::Reset(at)),
        (vec![GOOD, Row { number: 0x11, fields: GAP, ..GOOD }], Contradiction::Gap(0x11)),
    ] {
        assert_eq!(contradiction(&rows), Some(expected));
    }
}

#[test]
fn existence_decides_what_an_access_leads_to() {
    let read_only = Row { access: Access::ReadOnly, ..GOOD };
    let write_only = Row { access: Access::WriteOnly, ..GOOD };
    let open = Row { absence: Absence::Open, ..GOOD };
    assert_eq!([true, false].map(|exists| read_completes(&GOOD, exists)), [Some(true), Some(false)]);
    assert_eq!([true, false].map(|exists| write_completes(&GOOD, exists)), [Some(true), Some(false)]);
    assert_eq!(read_completes(&read_only, true), Some(true));
    assert_eq!(write_completes(&read_only, true), Some(false));
    assert_eq!([read_completes(&write_only, true), write_completes(&write_only, true)], [None, None]);
    assert_eq!([read_completes(&open, false), write_completes(&open, false)], [None, None]);
}

#[test]
fn each_condition_holds_on_its_own_processor_alone() {
    let flag = bit(7, 0, Ecx, 5);
    let bits: &'static [cpuid::bit::Bit] = Box::leak(Box::new([flag]));
    let msr = Condition::Msr { bit: flag, number: 0xfe, mask: 0xff, least: 3 };
    let plain = Made::new(Vendor::Intel);
    let told = plain.clone().with(flag);
    assert!(Condition::Always.holds(&plain));
    assert_eq!([&plain, &told].map(|made| Condition::Any(bits).holds(made)), [false, true]);
    assert!(!Condition::VendorAny(Vendor::Amd, bits).holds(&told));
    assert!(Condition::VendorAny(Vendor::Intel, bits).holds(&told));
    assert!(!Condition::Vendor(Vendor::Amd).holds(&plain));
    let mut counted = told.clone();
    counted.msrs.insert(0xfe, 0x102);
    assert!(!msr.holds(&counted), "two are too few, whatever stands outside of the mask");
    counted.msrs.insert(0xfe, 3);
    assert!(msr.holds(&counted));
    counted.leaves.remove(&(7, 0));
    assert!(!msr.holds(&counted), "the MSR does not exist without its bit");
    let mut monitored = plain.clone();
    monitored.leaves.insert((0xa, 0), [0x0000_0402, 0, 0, 3]);
    for (condition, expected) in [
        (Condition::GeneralCounter(3), true),
        (Condition::GeneralCounter(4), false),
        (Condition::FixedCounter(2), true),
        (Condition::FixedCounter(3), false),
    ] {
        assert_eq!(condition.holds(&monitored), expected, "{condition:?}");
    }
    monitored.leaves.insert((0, 0), [9, 0, 0, 0]);
    assert!(!Condition::GeneralCounter(0).holds(&monitored), "leaf 0AH is beyond the limit");
}

#[test]
fn a_leaf_beyond_the_limit_has_no_bits() {
    let flag = bit(0x8000_0021, 0, Edx, 1);
    let mut made = Made::new(Vendor::Amd).with(flag);
    assert!(made.has(flag));
    made.leaves.insert((0x8000_0000, 0), [0x8000_0008, 0, 0, 0]);
    assert!(!made.has(flag));
}

#[test]
fn every_kind_of_field_has_its_rule() {
    const FLAG: Condition = Condition::Any(&[bit(7, 0, Ecx, 5)]);
    let without = Made::new(Vendor::Amd);
    let mut with = without.clone().with(bit(7, 0, Ecx, 5));
    with.leaves.insert((0xd, 1), [0, 0, 1 << 11, 1]);
    with.leaves.insert((0xd, 18), [0, 0, 1 << 2, 0]);
    for (kind, number, expected) in [
        (Kind::Writable, 5, [Rule::Writable; 2]),
        (Kind::WritableIf(FLAG), 5, [Rule::Writable, Rule::Faults]),
        (Kind::OpenUnless(FLAG), 5, [Rule::Writable, Rule::Open]),
        (Kind::Reserved, 5, [Rule::Faults; 2]),
        (Kind::Fixed, 5, [Rule::Faults; 2]),
        (Kind::ReservedIf(FLAG), 5, [Rule::Faults, Rule::Open]),
        (Kind::CommandIf(FLAG), 5, [Rule::Completes, Rule::Faults]),
        (Kind::CanonicalIf(FLAG), 5, [Rule::Whole, Rule::Open]),
        (Kind::Physical, 39, [Rule::Writable; 2]),
        (Kind::Physical, 40, [Rule::Faults; 2]),
        (Kind::Types(Types::Pat), 5, [Rule::Whole; 2]),
        (Kind::SupervisorStates, 11, [Rule::Writable, Rule::Faults]),
        (Kind::SupervisorStates, 32, [Rule::Writable, Rule::Faults]),
        (Kind::SupervisorStates, 12, [Rule::Faults; 2]),
        (Kind::DisableStates, 18, [Rule::Writable, Rule::Faults]),
        (Kind::DisableStates, 17, [Rule::Faults; 2]),
        (Kind::Excluded("a reason"), 5, [Rule::Open; 2]),
    ] {
        let field = Field { low: 0, high: 63, kind };
        let rules = [&with, &without].map(|made| rule(&field, number, made));
        assert_eq!(rules, expected, "{kind:?} bit {number}");
    }
}

#[test]
fn canonical_addresses_and_memory_types_are_judged() {
    for (address, bits, expected) in [
        (0, 48, true),
        (1 << 46, 48, true),
        (1 << 47, 48, false),
        (1 << 47, 57, true),
        (1 << 56, 57, false),
        (u64::MAX << 47, 48, true),
        (u64::MAX << 48, 48, false),
        (u64::MAX, 57, true),
    ] {
        assert_eq!(canonical(address, bits), expected, "{address:#x} with {bits} bits");
    }
    let all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0x20, 0x80]
        .map(|value| [Types::Range, Types::Pat, Types::FixedRange].map(|types| takes_type(types, value, Vendor::Amd)));
    let (yes, no) = (Some(true), Some(false));
    let expected = [
        [yes; 3],
        [yes; 3],
        [no; 3],
        [no; 3],
        [yes; 3],
        [yes; 3],
        [yes; 3],
        [no, yes, no],
        [no, no, None],
        [no, no, None],
        [no; 3],
        [no; 3],
    ];
    assert_eq!(all, expected);
    assert_eq!(takes_type(Types::FixedRange, 8, Vendor::Intel), no);
}

/// What a subject shows for a bit, judged as the guest does: by the rule's own expectation.
#[test]
fn a_wrong_observation_of_any_bit_is_seen() {
    let made = Made::new(Vendor::Intel).with(bit(1, 0, Edx, 12));
    for row in ROWS {
        for field in row.fields {
            for number in field.low..=field.high {
                let now = rule(field, number, &made);
                // The opposite of what a rule asks is never what it asks: a fault for a bit that is writable, and a
                // completed write for one that is reserved.
                let asks_completion = match now {
                    Rule::Writable | Rule::Completes => Some(true),
                    Rule::Faults => Some(false),
                    Rule::Whole | Rule::Open => None,
                };
                let opposite = Field {
                    kind: if asks_completion == Some(true) { Kind::Reserved } else { Kind::Writable },
                    ..*field
                };
                if asks_completion.is_some() {
                    assert_ne!(rule(&opposite, number, &made), now, "{} bit {number}", row.name);
                }
            }
        }
    }
}
