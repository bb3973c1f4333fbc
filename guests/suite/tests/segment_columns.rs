//! Every column of what the cases of tasks, gates and system registers judge is seen when it is wrong.

#[path = "../src/segments/columns.rs"]
mod columns;
#[path = "../src/segments/compatibility_model.rs"]
mod compatibility_model;
#[path = "../src/segments/long_gate_model.rs"]
mod long_gate_model;
#[expect(dead_code, reason = "the cases and another test use the rest")]
#[path = "../src/segments/model.rs"]
mod model;
#[path = "../src/segments/register_model.rs"]
mod register_model;
#[expect(dead_code, reason = "another test uses the rest")]
#[path = "../src/segments/rows.rs"]
mod rows;
#[expect(dead_code, unused_imports, reason = "each test uses a part")]
pub mod runtime;
#[path = "../src/segments/task_model.rs"]
mod task_model;

use columns::assert_each_column_counts;
use runtime::{Outcome, mmio};
use std::collections::HashSet;

#[test]
fn every_column_of_a_task_switch_counts() {
    assert_each_column_counts(task_model::saved(0x1_4007));
    for pushed in [0, 4] {
        assert_each_column_counts(task_model::loaded(pushed));
    }
    assert_each_column_counts(task_model::loaded_16());
    assert_each_column_counts(task_model::returned(0x1_3002));
    for is_nested in [false, true] {
        assert_each_column_counts(task_model::nesting(is_nested));
        assert_each_column_counts(task_model::into_8086(0x3000, 0x1000, is_nested));
    }
    assert_each_column_counts(task_model::out_of_8086(0x4002, 0x1000));
    assert_each_column_counts(task_model::trapped(0x1_0300));
    assert_each_column_counts(task_model::page_tables(0x3000));
}

#[test]
fn every_column_of_every_refused_task_counts() {
    for row in 0..task_model::REFUSED.len() {
        assert_each_column_counts(task_model::refused(row));
    }
    for row in 0..task_model::FAILED.len() {
        assert_each_column_counts(task_model::failed(row, 0x1_0300));
    }
    for row in 0..task_model::LINKS.len() {
        assert_each_column_counts(task_model::not_returned(row));
    }
}

#[test]
fn rows_of_tasks_contradict_none() {
    let refused: HashSet<_> = task_model::REFUSED.iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(refused.len(), task_model::REFUSED.len());
    let failed: HashSet<_> = task_model::FAILED.iter().map(|row| (row.0, row.1, row.2)).collect();
    assert_eq!(failed.len(), task_model::FAILED.len());
    let links: HashSet<_> = task_model::LINKS.into_iter().collect();
    assert_eq!(links.len(), task_model::LINKS.len());
}

#[test]
fn tasks_have_values_that_tell_registers_apart() {
    let wide: HashSet<_> = (0..8).map(task_model::general).collect();
    let narrow: HashSet<_> = (0..8).map(task_model::general_16).collect();
    let first: HashSet<_> = task_model::FIRST.into_iter().collect();
    let paragraphs: HashSet<_> = task_model::PARAGRAPHS.into_iter().collect();
    assert_eq!([wide.len(), narrow.len(), first.len(), paragraphs.len()], [8, 8, 4, 4]);
    assert!(wide.is_disjoint(&first));
    assert!(!wide.contains(&task_model::BEHIND));
}

#[test]
fn faults_of_tasks_carry_the_selector_that_is_at_fault() {
    let code = |row: usize| task_model::FAILED[row].3;
    assert_eq!(code(0), Outcome::exception(10, 0), "CS null");
    assert_eq!(code(3), Outcome::exception(11, u32::from(task_model::BAD)), "CS not present");
    assert_eq!(code(7), Outcome::exception(12, u32::from(task_model::BAD)), "SS not present");
    assert_eq!(code(16), Outcome::exception(10, u32::from(task_model::TASK_LDT | 4)), "LDT in the LDT");
    assert_eq!(task_model::REFUSED[6].2, Outcome::exception(11, u32::from(task_model::TASK_GATE)), "gate not present");
    assert_eq!(task_model::error(10, 0xfffb), Outcome::exception(10, 0xfff8), "RPL is no part of it");
    let nested = task_model::nesting(true);
    let other = task_model::nesting(false);
    let differ = nested.beside(other).map(|(nested, other)| nested != other);
    assert_eq!(differ, [true, false, true, true], "NT, busy bits and link");
}

#[test]
fn every_column_of_gates_in_64_bit_mode_counts() {
    assert_each_column_counts(long_gate_model::inner(0x20_0000, 0x30_0000, 0x40_0000));
    assert_each_column_counts(long_gate_model::same(0x20_0000, 0x40_0000));
    for row in 0..long_gate_model::REFUSED.len() {
        assert_each_column_counts(long_gate_model::refused(row, 0x40_0000));
    }
    for row in 0..long_gate_model::FLAGS.len() {
        assert_each_column_counts(long_gate_model::flag(row));
    }
    let bits = long_gate_model::FLAGS.iter().fold(0, |bits, row| bits | row.0);
    let loaded = long_gate_model::FLAGS.iter().filter(|row| row.1).fold(0, |bits, row| bits | row.0);
    assert_eq!((bits, loaded), (1 << 63 | 0x3e_7edd_u64, 0x24_4cd5));
    for (number, row) in long_gate_model::FLAGS.iter().enumerate() {
        // The rule of the model of returns, told again by hand.
        let by_rule = model::returned_flags(2, row.0 | 2, 3) & row.0;
        assert_eq!(long_gate_model::flag(number).flag, by_rule, "{:#x}", row.0);
    }
}

#[test]
fn a_jump_through_a_refused_gate_must_fault() {
    for (row, (_, _, _, _, outcome, is_alike)) in long_gate_model::REFUSED.into_iter().enumerate() {
        let due = long_gate_model::refused(row, 0).jump;
        let seen = |outcome, vector| long_gate_model::jump_seen(row, outcome, vector);
        assert_eq!(seen(outcome, if is_alike { 13 } else { 11 }), outcome.0);
        assert_eq!(seen(Outcome::gp(0x1230), 13) == due, !is_alike, "any error code in row {row}");
        assert_ne!(seen(Outcome::UD, 6), due, "the target is reached in row {row}");
        assert_ne!(seen(Outcome::exception(12, 0), 12), due);
    }
    let setups: HashSet<_> = long_gate_model::REFUSED.iter().map(|row| (row.0, row.1, row.2, row.3)).collect();
    assert_eq!(setups.len(), long_gate_model::REFUSED.len());
    assert_ne!(long_gate_model::JUMP_TO_AN_INNER_LEVEL, Outcome::GP);
    assert_ne!(long_gate_model::code(0, 0x9b), long_gate_model::code(3, 0x9b));
}

#[test]
fn interrupts_are_taken_by_two_types_of_gates() {
    let taken: Vec<_> = (0..32)
        .flat_map(|kind| (0..4).map(move |dpl| (kind, dpl)))
        .filter(|&(kind, dpl)| long_gate_model::by_type(kind, dpl) == Outcome::exception(0x80, 0))
        .collect();
    assert_eq!(taken, [(14, 3), (15, 3)]);
    assert_eq!(long_gate_model::by_type(14, 2), Outcome::gp(0x402));
    for (selector, descriptor, outcome) in long_gate_model::BY_CODE {
        let vector = if descriptor != 0 && descriptor >> 47 & 1 == 0 { 11 } else { 13 };
        assert_eq!(outcome, Outcome::exception(vector, u32::from(selector & 0xfffc)), "{selector:#x}");
    }
    assert!(long_gate_model::SAME.iter().all(|&(dpl, kind)| dpl == 3 || kind & 4 != 0));
    assert_eq!(long_gate_model::GATE & 7, 0);
}

#[test]
fn every_column_of_system_registers_counts() {
    assert_each_column_counts(register_model::STORED);
    assert_each_column_counts(register_model::BASES);
    for row in 0..register_model::ACCESS.len() {
        assert_each_column_counts(register_model::accessed(row));
        assert_ne!(register_model::unused(row) >> 40 & 1, 1, "accessed before");
    }
    let stored = register_model::STORED;
    assert_eq!([stored.gdt_next, stored.idt_next, stored.str_16 >> 16], [0xffff, 0xffff, u64::MAX >> 16]);
    for base in register_model::NOT_CANONICAL {
        assert!(!model::is_canonical(base, 48), "{base:#x}");
    }
}

#[test]
fn loads_of_system_registers_by_selector_and_type() {
    let null = (0..4).all(|row| register_model::by_selector(row) == [Outcome::COMPLETED, Outcome::GP]);
    assert!(null);
    for (row, value) in register_model::SELECTORS.into_iter().enumerate().skip(4) {
        let refused = Outcome::gp(u32::from(value & 0xfffc));
        assert_eq!(register_model::by_selector(row), [refused, refused], "{value:#x}");
    }
    let mut taken = [0; 2];
    for row in 0..rows::NR_ROWS {
        let selector = model::Selector { value: register_model::SLOT | (row & 3) as u16 };
        let ([lldt, ltr], busy) = register_model::by_type(selector, rows::row_descriptor(row));
        taken[0] += usize::from(lldt == Outcome::COMPLETED);
        taken[1] += usize::from(ltr == Outcome::COMPLETED);
        assert_eq!(busy, if ltr == Outcome::COMPLETED { register_model::BUSY } else { 0 });
    }
    // One type each, with every DPL and RPL.
    assert_eq!(taken, [16, 16]);
}

#[test]
fn answers_of_the_model_are_different_outcomes() {
    let mut outcomes = HashSet::new();
    let mut answers = HashSet::new();
    for row in 0..rows::NR_ROWS {
        for cpl in [0, 3] {
            let (selector, d) = (rows::row_selector(row, 16), rows::row_descriptor(row));
            for answer in [
                model::load_data(selector, Some(d), cpl),
                model::load_stack(selector, Some(d), cpl, true),
                model::branch(selector, d, cpl, model::Systems::Long),
                model::return_to(selector, d, cpl),
            ] {
                answers.insert(answer);
                outcomes.insert(register_model::outcome_of(answer).0);
            }
        }
    }
    assert_eq!(answers.len(), outcomes.len());
    assert_eq!(register_model::outcome_of(model::DONE), Outcome::COMPLETED);
    assert_eq!(register_model::outcome_of(model::fault(model::NP, 0x40)), Outcome::exception(11, 0x40));
}

#[test]
fn user_mode_prevention_by_place() {
    use register_model::{Place, by_prevention};
    for row in 0..8 {
        let is_selector = (2..6).contains(&row);
        for cpl in 0..4 {
            assert_eq!(by_prevention(row, Place::Protected(cpl), false), Outcome::COMPLETED);
            let set = if cpl == 0 { Outcome::COMPLETED } else { Outcome::GP };
            assert_eq!(by_prevention(row, Place::Protected(cpl), true), set, "CPL {cpl}");
        }
        let or_undefined = |outcome| if is_selector { Outcome::UD } else { outcome };
        assert_eq!(by_prevention(row, Place::Real, true), or_undefined(Outcome::COMPLETED));
        assert_eq!(by_prevention(row, Place::Virtual8086, true), or_undefined(Outcome::GP));
        assert_eq!(by_prevention(row, Place::Virtual8086, false), or_undefined(Outcome::COMPLETED));
    }
}

#[test]
fn every_column_of_a_far_return_to_each_level_counts() {
    use compatibility_model::{Size, arrived_outside};
    for from in 0..3 {
        for to in from..4 {
            let arrived = arrived_outside(from, to, Size::Bits32, 0x21_0000, 0x50 | to, 0x68 | to, [0x9000, 0x9100]);
            assert_each_column_counts(arrived);
            assert_eq!(arrived.rsp, if to == from { 0x900c } else { 0x90fc });
            assert_eq!((arrived.cs, arrived.ss), (0x50 | u64::from(to), 0x68 | u64::from(to)));
        }
    }
}

#[test]
fn every_column_of_ways_between_64_bit_and_compatibility_mode_counts() {
    use compatibility_model::{Size, Way, arrived};
    let sizes = [Size::Bits16, Size::Bits32, Size::Bits64];
    for way in [Way::Iretq, Way::Retfq, Way::Iretd, Way::Retf, Way::Jump] {
        for size in sizes {
            assert_each_column_counts(arrived(way, size, 0x21_0000, 0x2b, 0x23, 0x9000, 0xcd7));
        }
        // What PUSH pushes tells the mode.
        let stacks: HashSet<_> = sizes.map(|size| arrived(way, size, 0, 0, 0, 0x9000, 2).rsp).into_iter().collect();
        assert_eq!(stacks.len(), sizes.len());
        let flags = arrived(way, Size::Bits64, 0, 0, 0, 0x9000, 0xcd7).rflags;
        assert_eq!(flags, if matches!(way, Way::Iretq | Way::Iretd) { 0xcd7 } else { 2 }, "{way:?}");
    }
    assert_eq!(arrived(Way::Iretq, Size::Bits64, 0, 0, 0, 0x9000, 0x2_0003).rflags, 3, "VM is not loaded");
    let popped = [Way::Iretq, Way::Retfq, Way::Iretd, Way::Retf, Way::Jump].map(Way::popped);
    assert_eq!(popped, [0, 16, 12, 8, 0]);
}
