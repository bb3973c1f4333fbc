//! The models of VMX agree with themselves, and catch what is wrong.

#[path = "../src/vmx/capability_model.rs"]
mod capability_model;
#[path = "../src/vmx/exit_model.rs"]
mod exit_model;
#[path = "../../rt/src/vmx/field.rs"]
pub mod field;
#[path = "../src/vmx/field_model.rs"]
mod field_model;
#[path = "../../rt/src/vmx/reason.rs"]
pub mod reason;

use capability_model::{Facts, NAMES, RULES, exists};
use case::{Needs, probe::vmx::number};
use exit_model::{Column, Observed, Row};
use field::{Kind, Width};

/// What a processor of the tenth generation says of VMX.
const LEGAL: Facts = Facts {
    basic: 0x00da_0400_0000_0004,
    pin: 0x0000_007f_0000_0016,
    processor: 0xfff9_fffe_0401_e172,
    exit: 0x007f_ffff_0003_6dff,
    entry: 0x0003_ffff_0000_11ff,
    true_pin: 0x0000_007f_0000_0016,
    true_processor: 0xfff9_fffe_0400_6172,
    true_exit: 0x007f_ffff_0003_6dfb,
    true_entry: 0x0003_ffff_0000_11fb,
    secondary: 0x0013_7cff_0000_0000 & !(0x300 << 32),
    misc: 0x7004_c1e7,
    ept: 0x0000_0f01_0673_4141,
    functions: 1,
    largest_index: 0x17,
    address_bits: 39,
};

fn broken(facts: &Facts) -> Vec<usize> {
    (0..RULES.len()).filter(|&row| (RULES[row].broken)(facts) != 0).collect()
}

fn row(name: &str) -> usize {
    NAMES.iter().position(|text| text.get() == name).unwrap()
}

#[test]
fn a_processor_that_there_is_breaks_no_rule() {
    assert_eq!(broken(&LEGAL), []);
}

#[test]
fn each_rule_is_broken_by_some_wrong_msr() {
    let mut found = vec![false; RULES.len()];
    let change = |facts: &mut Facts, msr: usize, bits: u64| {
        let words: [&mut u64; 14] = [
            &mut facts.basic,
            &mut facts.pin,
            &mut facts.processor,
            &mut facts.exit,
            &mut facts.entry,
            &mut facts.true_pin,
            &mut facts.true_processor,
            &mut facts.true_exit,
            &mut facts.true_entry,
            &mut facts.secondary,
            &mut facts.misc,
            &mut facts.ept,
            &mut facts.functions,
            &mut facts.largest_index,
        ];
        *words.into_iter().nth(msr).unwrap() ^= bits;
    };
    let mut note = |facts: &Facts| broken(facts).into_iter().for_each(|row| found[row] = true);
    for msr in 0..14 {
        for bit in 0..64 {
            for other in 0..64 {
                let mut facts = LEGAL;
                change(&mut facts, msr, 1 << bit | 1 << other);
                note(&facts);
            }
            // What needs another control: both MSRs are changed.
            for (second, bits) in
                [(9, 0xffff_ffff << 32), (9, 1 << 33), (11, 0xf << 40), (1, 1 << 39), (2, 1 << 53), (3, 1 << 54)]
            {
                let mut facts = LEGAL;
                change(&mut facts, msr, 1 << bit);
                change(&mut facts, second, bits);
                note(&facts);
            }
        }
    }
    note(&Facts { address_bits: 53, ..LEGAL });
    note(&Facts { misc: LEGAL.misc | 0x1ff << 16, ..LEGAL });
    note(&Facts { ept: 0, ..LEGAL });
    note(&Facts { secondary: 1 << 41, processor: LEGAL.processor & !(1 << 53), ..LEGAL });
    note(&Facts { secondary: 1 << 40, processor: LEGAL.processor & !(1 << 53), ..LEGAL });
    let never: Vec<_> = NAMES.iter().zip(&found).filter(|(_, found)| !**found).map(|(name, _)| name.get()).collect();
    assert_eq!(never, Vec::<&str>::new());
}

#[test]
fn facts_are_read_from_their_msrs() {
    // Each MSR has its own number, and all controls that others come with.
    let facts = Facts::read(|number| u64::MAX << 32 | u64::from(number), 39);
    let numbers = [facts.basic, facts.pin, facts.true_entry, facts.secondary, facts.misc, facts.ept, facts.functions];
    assert_eq!(numbers.map(|value| value as u32), [0x480, 0x481, 0x490, 0x48b, 0x485, 0x48c, 0x491]);
    assert_eq!((facts.largest_index, facts.address_bits), (0x48a >> 1 & 0x1ff, 39));
    assert_eq!(Facts::read(|_| 0, 39).secondary, 0);
}

#[test]
fn rules_find_what_they_are_named_for() {
    let faults = broken(&Facts { ept: LEGAL.ept & !(1 << 21), secondary: LEGAL.secondary | 1 << 49, ..LEGAL });
    assert_eq!(faults, [row("PML needs EPT with dirty flags")]);
    let faults = broken(&Facts { basic: LEGAL.basic | 1 << 31, ..LEGAL });
    assert_eq!(faults, [row("BASIC: bit 31 is 0")]);
}

#[test]
fn a_msr_exists_with_its_control() {
    let without_secondary = |number| if number == number::PROCESSOR_CONTROLS { !(1 << 63) } else { u64::MAX };
    assert!(!exists(number::SECONDARY_CONTROLS, without_secondary) && !exists(number::EPT_VPID, without_secondary));
    assert!(exists(number::EPT_VPID, |_| u64::MAX) && exists(number::BASIC, |_| 0));
    assert!(!exists(number::TRUE_EXIT_CONTROLS, |_| 0) && exists(number::TRUE_EXIT_CONTROLS, |_| 1 << 55));
}

#[test]
fn fields_stand_in_the_order_of_their_encodings_once_each() {
    for pair in field::ALL.windows(2) {
        assert!(pair[0].encoding < pair[1].encoding, "{:#x} and {:#x}", pair[0].encoding, pair[1].encoding);
    }
    for field in field::ALL {
        assert_eq!(field.encoding & !0x6ffe, 0, "{:#x} has reserved bits or is a high half", field.encoding);
    }
    assert_eq!(field::NAMES.len(), field::ALL.len());
}

#[test]
fn encodings_tell_width_and_kind() {
    let of = |encoding| (field::width(encoding), field::kind(encoding), field::index(encoding));
    assert_eq!(of(field::VPID), (Width::Bits16, Kind::Control, 0));
    assert_eq!(of(field::GUEST_PHYSICAL_ADDRESS), (Width::Bits64, Kind::ReadOnly, 0));
    assert_eq!(of(field::PREEMPTION_TIMER), (Width::Bits32, Kind::Guest, 0x17));
    assert_eq!(of(field::HOST_RIP), (Width::Natural, Kind::Host, 0xb));
    assert_eq!((field::mask(field::VPID), field::mask(field::EXIT_REASON)), (0xffff, 0xffff_ffff));
}

const ROW: Row = Row { rip: 1, ..Row::instruction(30, 2).with_qualification(5) };
const RIGHT: Observed =
    Observed { reason: 30, qualification: 5, rip: 1, length: 2, interruption: 0x77, vectoring: 0x77, rax: 9 };

#[test]
fn a_wrong_exit_is_caught_in_its_column() {
    let faults = |seen: Observed| -> Vec<Column> {
        let columns = ROW.columns(seen, 9).into_iter().flatten();
        columns.filter(|(_, actual, expected)| actual != expected).map(|(column, ..)| column).collect()
    };
    assert_eq!(faults(RIGHT), []);
    assert_eq!(ROW.columns(RIGHT, 9).into_iter().flatten().count(), 7);
    for (seen, column) in [
        (Observed { reason: 31, ..RIGHT }, Column::Reason),
        (Observed { qualification: 4, ..RIGHT }, Column::Qualification),
        (Observed { rip: 3, ..RIGHT }, Column::Rip),
        (Observed { length: 3, ..RIGHT }, Column::Length),
        (Observed { interruption: 1 << 31, ..RIGHT }, Column::Interruption),
        (Observed { vectoring: 1 << 31, ..RIGHT }, Column::Vectoring),
        (Observed { rax: 1, ..RIGHT }, Column::Rax),
    ] {
        assert_eq!(faults(seen), [column]);
    }
}

#[test]
fn vmwrite_follows_kind_and_presence() {
    let of = |encoding| field::ALL.iter().find(|field| field.encoding == encoding).unwrap();
    let none = Needs::empty();
    assert_eq!(field_model::write_outcome(of(field::EXIT_REASON), true, none), Some(reason::error::VMWRITE_READ_ONLY));
    assert_eq!(field_model::write_outcome(of(field::EXIT_REASON), true, Needs::VMX_WRITES_ALL_FIELDS), None);
    assert_eq!(field_model::write_outcome(of(field::VPID), false, none), Some(reason::error::UNSUPPORTED_FIELD));
    assert_eq!(field_model::write_outcome(of(field::GUEST_RIP), true, none), None);
    assert_eq!(field_model::is_present(of(field::VPID), none), Some(false));
    assert_eq!(field_model::is_present(of(field::VPID), Needs::VMX_VPID), Some(true));
    assert_eq!(field_model::is_present(of(field::GUEST_RIP), none), Some(true));
    assert_eq!(field_model::is_present(of(field::GUEST_UINV), Needs::all()), None);
    assert!(field_model::keeps_all_bits(of(field::GUEST_CS_LIMIT)));
    assert!(!field_model::keeps_all_bits(of(field::GUEST_CS_RIGHTS)));
}

#[test]
fn marks_of_fields_differ() {
    let marks: std::collections::BTreeSet<_> =
        field::ALL.iter().map(|field| field_model::mark(field.encoding) & 0xffff).collect();
    assert_eq!(marks.len(), field::ALL.len());
}
