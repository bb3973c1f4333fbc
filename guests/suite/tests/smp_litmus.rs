//! The model of memory ordering gives the verdicts of the literature and of the SDM's examples, and forbids something of
//! every program.

#[path = "../src/smp/litmus/model.rs"]
mod model;
#[path = "../src/smp/litmus/programs.rs"]
#[expect(unused_imports, reason = "the macro is for the code of the programs, which only a guest has")]
mod programs;

use model::{MAX_OUTCOMES, Model, Op, Outcome, outcomes};
use programs::PROGRAMS;

/// Thread, register, value.
type Register = (usize, usize, u8);
/// Location, value.
type Location = (usize, u8);

const A: usize = 0;
const B: usize = 1;
const X: usize = 0;
const Y: usize = 1;

/// Programs with the condition that the literature asks for, and whether it may hold.
const KNOWN: &[(&str, &[Register], &[Location], bool)] = &[
    ("SB", &[(0, A, 0), (1, A, 0)], &[], true),
    ("SB with MFENCE", &[(0, A, 0), (1, A, 0)], &[], false),
    ("SB with one MFENCE", &[(0, A, 0), (1, A, 0)], &[], true),
    ("SB with XCHG", &[(0, A, 0), (1, A, 0)], &[], false),
    ("SB with XCHG elsewhere", &[(0, A, 0), (1, A, 0)], &[], false),
    ("MP", &[(1, A, 1), (1, B, 0)], &[], false),
    ("MP with XCHG", &[(1, A, 1), (1, B, 0)], &[], false),
    ("LB", &[(0, A, 1), (1, A, 1)], &[], false),
    ("S", &[(1, A, 1)], &[(X, 2)], false),
    ("R", &[(1, A, 0)], &[(Y, 2)], true),
    ("R with MFENCE", &[(1, A, 0)], &[(Y, 2)], false),
    ("2+2W", &[], &[(X, 1), (Y, 1)], false),
    ("CoRR", &[(1, A, 1), (1, B, 0)], &[], false),
    ("CoRW", &[(1, A, 0), (1, B, 0)], &[], false),
    ("CoWR", &[(0, A, 2), (1, A, 1)], &[], false),
    ("CoWW", &[], &[(X, 1)], false),
    ("8.2.3.5, forwarding", &[(0, A, 1), (0, B, 0), (1, A, 1), (1, B, 0)], &[], true),
    ("n6", &[(0, A, 1), (0, B, 0)], &[(X, 1)], true),
    ("n5", &[(0, A, 2), (1, A, 1)], &[], false),
    ("n4b", &[(0, A, 2), (1, A, 1)], &[], false),
    ("XCHG, two of them", &[(0, A, 0), (1, A, 0)], &[], false),
    ("WRC", &[(1, A, 1), (2, A, 1), (2, B, 0)], &[], false),
    ("RWC", &[(1, A, 1), (1, B, 0), (2, A, 0)], &[], true),
    ("RWC with MFENCE", &[(1, A, 1), (1, B, 0), (2, A, 0)], &[], false),
    ("ISA2", &[(1, A, 1), (2, A, 1), (2, B, 0)], &[], false),
    ("Z6.3", &[(2, A, 1), (2, B, 0)], &[(Y, 2)], false),
    ("W+RWC", &[(1, A, 1), (1, B, 0), (2, A, 0)], &[], true),
    ("WWC", &[(1, A, 2), (2, A, 1)], &[(X, 2)], false),
    ("3.SB", &[(0, A, 0), (1, A, 0), (2, A, 0)], &[], true),
    ("3.SB with MFENCE", &[(0, A, 0), (1, A, 0), (2, A, 0)], &[], false),
    ("3.2W", &[], &[(X, 2), (Y, 2), (2, 2)], false),
    ("3.LB", &[(0, A, 1), (1, A, 1), (2, A, 1)], &[], false),
    ("IRIW", &[(2, A, 1), (2, B, 0), (3, A, 1), (3, B, 0)], &[], false),
    ("IRIW of one location", &[(2, A, 1), (2, B, 2), (3, A, 2), (3, B, 1)], &[], false),
    ("IRIW with XCHG", &[(2, A, 1), (2, B, 0), (3, A, 1), (3, B, 0)], &[], false),
    ("IRRWIW", &[(1, A, 2), (1, B, 0), (3, A, 1)], &[(X, 2)], false),
];

fn holds(outcome: Outcome, registers: &[Register], locations: &[Location]) -> bool {
    // Four threads of two registers, then three locations, two bits each, the first uppermost.
    let bits = |index: usize| (outcome.0 >> (2 * (10 - index)) & 3) as u8;
    registers.iter().all(|&(thread, register, value)| bits(thread * 2 + register) == value)
        && locations.iter().all(|&(location, value)| bits(8 + location) == value)
}

#[test]
fn the_model_gives_the_known_verdicts() {
    for (name, threads) in PROGRAMS {
        let &(_, registers, locations, may) = KNOWN.iter().find(|known| known.0 == *name).expect(name);
        let all = outcomes(threads, Model::TotalStoreOrder);
        let found = all.list().iter().any(|&outcome| holds(outcome, registers, locations));
        assert_eq!(found, may, "{name}");
    }
    assert_eq!(KNOWN.len(), PROGRAMS.len());
}

#[test]
fn sequential_consistency_allows_less_exactly_where_the_literature_says_so() {
    for (name, threads) in PROGRAMS {
        let (weak, strong) = (outcomes(threads, Model::TotalStoreOrder), outcomes(threads, Model::Sequential));
        assert!(strong.list().iter().all(|&outcome| weak.position(outcome).is_some()), "{name}");
        let &(_, registers, locations, may) = KNOWN.iter().find(|known| known.0 == *name).expect(name);
        let is_sequential = strong.list().iter().any(|&outcome| holds(outcome, registers, locations));
        assert!(may || !is_sequential, "{name}");
    }
}

/// Few programs tell by their outcomes that threads ran at the same time, but store buffering does.
#[test]
fn threads_one_after_another_are_sequential_and_less() {
    let mut nr_less = 0;
    for (name, threads) in PROGRAMS {
        let (strong, apart) = (outcomes(threads, Model::Sequential), outcomes(threads, Model::OneAfterAnother));
        assert!(apart.list().iter().all(|&outcome| strong.position(outcome).is_some()), "{name}");
        let orders: usize = (1..=threads.len()).product();
        assert!((1..=orders).contains(&apart.list().len()), "{name}");
        nr_less += usize::from(apart.list().len() < strong.list().len());
    }
    assert!(nr_less > PROGRAMS.len() / 2, "{nr_less}");
    let (_, buffering) = PROGRAMS.iter().find(|(name, _)| *name == "SB with MFENCE").expect("a program");
    let apart = outcomes(buffering, Model::OneAfterAnother);
    for (registers, is_apart) in [([1, 0], true), ([0, 1], true), ([1, 1], false), ([0, 0], false)] {
        let registers = [[registers[0], 0], [registers[1], 0], [0; 2], [0; 2]];
        assert_eq!(apart.position(Outcome::new(&registers, [1, 1, 0])).is_some(), is_apart, "{registers:?}");
    }
}

#[test]
fn every_program_has_outcomes_that_are_caught() {
    for (name, threads) in PROGRAMS {
        let all = outcomes(threads, Model::TotalStoreOrder);
        assert!(!all.list().is_empty() && all.list().len() < MAX_OUTCOMES, "{name}: the set may be cut");
        assert_eq!(all.position(Outcome(u32::MAX)), None, "{name}");
        // No value of a register or location is left out: a larger one is forbidden somewhere.
        for bit in (1..22).step_by(2) {
            let caught = all.list().iter().any(|outcome| all.position(Outcome(outcome.0 ^ 1 << bit)).is_none());
            assert!(caught, "{name}, bit {bit}");
        }
    }
}

#[test]
fn no_thread_makes_more_stores_than_its_buffer_has_room_for() {
    for (name, threads) in PROGRAMS {
        for ops in *threads {
            assert!(ops.iter().filter(|op| matches!(op, Op::Write(..))).count() <= 3, "{name}");
        }
    }
}
