//! The models and tables of SVM's cases agree with themselves.

// Each test uses a part of what stands there.
#![expect(dead_code, reason = "compiled for the cases of the guest")]

#[path = "../src/cover.rs"]
mod cover;
#[path = "../src/svm/ending.rs"]
mod ending;
#[path = "../src/svm/exit_codes.rs"]
mod exit_codes;
#[path = "../src/svm/injection_model.rs"]
mod injection_model;
#[path = "../src/svm/legality_model.rs"]
mod legality_model;
#[path = "../src/svm/legality_random.rs"]
mod legality_random;
#[path = "../src/svm/legality_rules.rs"]
mod legality_rules;
#[path = "../src/svm/nested_model.rs"]
mod nested_model;
#[path = "../src/svm/port_information.rs"]
mod port_information;
#[path = "../src/random.rs"]
mod random;
#[path = "../src/svm/virtual_interrupt_model.rs"]
mod virtual_interrupt_model;

use cover::Cover;
use exit_codes::EXIT_CODES;
use injection_model::{Defect, EXCEPTION, EXCEPTIONS, INTERRUPT, SOFTWARE, is_legal};
use legality_rules::{COMBINATIONS, RESERVED, last_map};
use port_information::Access;
use virtual_interrupt_model::Waiting;

#[test]
fn a_delivered_vector_is_no_exit_code() {
    assert_eq!(ending::ending(ending::COMPLETED, Some(0x80)), ending::delivered(0x80));
    assert_eq!(ending::ending(ending::COMPLETED, None), ending::COMPLETED);
    assert_eq!(ending::ending(0x60, Some(0x80)), 0x60);
    assert_eq!(ending::ending(u64::MAX, None), ending::REFUSED);
    assert!((0..=255).all(|vector| ending::delivered(vector) > 0x403));
}

#[test]
fn every_exception_of_the_table_is_legal_and_nmis_are_none() {
    assert!(EXCEPTIONS.iter().all(|exception| is_legal(EXCEPTION, exception.vector) == Some(true)));
    assert_eq!(is_legal(EXCEPTION, 2), Some(false));
    assert_eq!(is_legal(EXCEPTION, 32), Some(false));
    assert_eq!(is_legal(EXCEPTION, 15), None);
    assert!((0..=255).all(|vector| is_legal(1, vector) == Some(false) && is_legal(INTERRUPT, vector) == Some(true)));
}

#[test]
fn defects_tell_the_gate() {
    assert_eq!(Defect::GateNotPresent.exception(INTERRUPT, 0x40), (11, 0x203));
    assert_eq!(Defect::GateNotPresent.exception(SOFTWARE, 0x40), (11, 0x202));
    assert_eq!(Defect::BeyondLimit.exception(INTERRUPT, 0), (13, 3));
    assert_eq!(Defect::StackUnmapped.exception(INTERRUPT, 0x40), (14, 2));
}

#[test]
fn reserved_bits_lie_in_their_registers_and_are_told_once() {
    let mut seen = std::collections::BTreeSet::new();
    for reserved in RESERVED {
        assert!(reserved.first <= reserved.last && reserved.last < 64);
        for bit in reserved.first..=reserved.last {
            assert!(!reserved.rule(bit).is_legal);
            assert!(seen.insert((reserved.field, bit)), "{reserved:?} {bit}");
        }
    }
}

#[test]
fn only_the_last_change_of_a_combination_may_be_illegal() {
    for combination in COMBINATIONS {
        let (last, others) = combination.rules.split_last().expect("a rule");
        assert!(others.iter().all(|rule| rule.is_legal), "{combination:?}");
        assert!(matches!(last.width, 2 | 4 | 8));
    }
}

#[test]
fn the_last_map_ends_with_the_physical_addresses() {
    assert_eq!(last_map(40, 3) + 3 * 4096, 1 << 40);
}

#[test]
fn a_virtual_interrupt_needs_all_that_lets_it_in() {
    let taken = Waiting {
        requested: true,
        priority: 5,
        task_priority: 4,
        ignores_task_priority: false,
        interrupt_flag: true,
        virtual_gif: None,
    };
    assert!(taken.is_taken() && Waiting { virtual_gif: Some(true), ..taken }.is_taken());
    for held in [
        Waiting { requested: false, ..taken },
        Waiting { interrupt_flag: false, ..taken },
        Waiting { task_priority: 5, ..taken },
        Waiting { virtual_gif: Some(false), ..taken },
    ] {
        assert!(!held.is_taken(), "{held:?}");
    }
    assert!(Waiting { task_priority: 15, ignores_task_priority: true, ..taken }.is_taken());
    assert_eq!(taken.field(0x51), 0x51_0005_0104);
    assert_eq!(Waiting { virtual_gif: Some(true), ..taken }.field(0x51), 0x51_0205_0304);
}

#[test]
fn entries_change_at_their_levels() {
    assert_eq!(nested_model::entries([7; 4], 0b1001, 8, 2), [13, 7, 7, 13]);
}

#[test]
fn exit_codes_are_told_once_and_in_order() {
    assert!(EXIT_CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let covered = EXIT_CODES.iter().filter(|(.., cover)| matches!(cover, Cover::Covered(_))).count();
    assert!(covered >= 60, "{covered}");
}

#[test]
fn information_of_a_port_has_each_part() {
    let access = Access { port: 0x3f8, size: 2, is_in: true, is_string: true, repeats: true, address_bits: 32 };
    assert_eq!(access.information(), 0x03f8_012d);
    assert_eq!(
        Access { is_in: false, is_string: false, repeats: false, address_bits: 64, ..access }.information(),
        0x03f8_0220
    );
}

#[test]
fn every_covered_exit_code_names_a_case() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/svm");
    let sources: String = std::fs::read_dir(folder)
        .expect("the folder of the area")
        .map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).expect("a source"))
        .collect();
    for (code, name, cover) in EXIT_CODES {
        if let Cover::Covered(case) = cover {
            assert!(sources.contains(&format!("fn {case}()")), "{code:#x} {name}: no case {case}");
        }
    }
}

#[test]
fn random_states_change_each_field_once_and_are_legal_unless_a_step_is_not() {
    use legality_model::{Change, Rule, illegal, legal};
    use legality_random::{Class, Facts, Plan};
    static SINGLES: [Rule; 2] = [illegal(0x58, 4, Change::To(0)), legal(0xa8, 8, Change::To(0))];
    let facts = Facts { physical_bits: 40, nr_asids: 16, singles: &SINGLES };
    let (mut nr_legal, mut touched) = (0, std::collections::BTreeSet::new());
    for number in 0..4_000 {
        let mut plan = Plan::new(&facts, 3, number);
        assert_eq!(plan, Plan::new(&facts, 3, number));
        let mut fields = Vec::new();
        for step in plan.steps() {
            let before = fields.len();
            let mut is_legal = true;
            step.each(&facts, |rule| {
                is_legal = rule.is_legal;
                fields.push(rule.field);
                assert!(matches!(rule.width, 1 | 2 | 4 | 8));
            });
            assert_eq!(is_legal, step.is_legal, "{number}: {step:?}");
            fields[before..].sort_unstable();
            touched.insert(format!("{:?} {is_legal}", step.class));
        }
        // A combination may change its own field twice.
        let distinct: std::collections::BTreeSet<_> = fields.iter().collect();
        assert!(fields.len() - distinct.len() <= 2, "{number}: {fields:x?}");
        nr_legal += u32::from(plan.is_legal());
        let illegal: Vec<_> = plan.steps().enumerate().filter(|(_, step)| !step.is_legal).map(|(at, _)| at).collect();
        assert!(illegal.len() <= 2 && illegal.is_empty() == plan.is_legal());
        illegal.iter().rev().for_each(|&at| plan.remove(at));
        assert!(plan.is_legal());
    }
    assert!((400..3_600).contains(&nr_legal), "{nr_legal}");
    let count = (0..Class::count(&facts)).flat_map(|number| Class::of(&facts, number).has(&facts));
    assert_eq!(touched.len(), count.filter(|has| *has).count());
}
