//! The model of instructions on tokens of shadow stacks: each column, each wrong bit and each entry of a page counts.

#[path = "../src/segments/columns.rs"]
mod columns;
#[expect(dead_code, unused_imports, reason = "each test uses a part")]
pub mod runtime;
#[expect(dead_code, reason = "another test uses the rest")]
#[path = "../src/paging/shadow_rules.rs"]
mod shadow_rules;
#[path = "../src/paging/token_model.rs"]
mod token_model;

use case::message::outcome::exception;
use columns::assert_each_column_counts;
use runtime::{Outcome, mmio};
use shadow_rules::LEAVES;
use std::collections::HashSet;
use token_model::{BUSY, FRAME, Instruction, WRONG, accessed, left, token};

const ALL: [Instruction; 3] = [Instruction::Set, Instruction::Clear, Instruction::Restore];
const ADDRESS: u64 = 0x1_2345_6400;
const BEFORE: u64 = 0x1_0000_0800;

#[test]
fn every_column_of_every_token_counts() {
    for instruction in ALL {
        for wrong in WRONG {
            assert_each_column_counts(left(instruction, ADDRESS, wrong, BEFORE));
        }
    }
}

#[test]
fn tokens_are_known() {
    assert_eq!(ALL.map(|instruction| token(instruction, ADDRESS, 0)), [ADDRESS, ADDRESS, ADDRESS + 9]);
    let wrong: HashSet<_> = WRONG.into_iter().collect();
    assert_eq!(wrong.len(), WRONG.len());
    let set = left(Instruction::Set, ADDRESS, 0, BEFORE);
    assert_eq!((set.token, set.ssp), (ADDRESS | 1, ADDRESS));
    let clear = left(Instruction::Clear, ADDRESS, BUSY, BEFORE);
    assert_eq!((clear.token, clear.ssp, clear.flags), (ADDRESS, 0, 0));
    let restore = left(Instruction::Restore, ADDRESS, 0, BEFORE);
    assert_eq!((restore.token, restore.ssp, restore.flags), (BEFORE | 3, ADDRESS, 0));
}

#[test]
fn each_wrong_bit_is_refused_but_that_of_a_hole() {
    let outcomes = |instruction| WRONG.map(|wrong| left(instruction, ADDRESS, wrong, BEFORE).outcome);
    for (instruction, code, accepted) in [(Instruction::Set, 5, &[0][..]), (Instruction::Restore, 4, &[0, 4])] {
        for (wrong, outcome) in WRONG.into_iter().zip(outcomes(instruction)) {
            let due = if accepted.contains(&wrong) { Outcome::COMPLETED.0 } else { exception(21, code) };
            assert_eq!(outcome, due, "{instruction:?} {wrong:#x}");
            let left = left(instruction, ADDRESS, wrong, BEFORE);
            let kept = (token(instruction, ADDRESS, wrong), BEFORE - FRAME);
            assert!(accepted.contains(&wrong) || (left.token, left.ssp) == kept);
        }
    }
    assert_eq!(outcomes(Instruction::Clear), [Outcome::COMPLETED.0; 9]);
    let carries = WRONG.map(|wrong| left(Instruction::Clear, ADDRESS, wrong, BEFORE).flags);
    assert_eq!(carries, [1, 0, 1, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn tokens_are_in_supervisor_shadow_stack_pages() {
    let accepted: Vec<_> = LEAVES.into_iter().filter(|&leaf| accessed(leaf) == Outcome::COMPLETED).collect();
    assert_eq!(accepted, [0x41]);
    for leaf in LEAVES.into_iter().filter(|leaf| *leaf != 0x41) {
        assert_eq!(accessed(leaf), Outcome::exception(14, 0x40 | (leaf & 1) as u32), "{leaf:#x}");
    }
}
