//! The reference pair of 8259As says what the data sheet says, and walks find what is wrong in every column.

#[path = "../src/pic/model.rs"]
mod model;
#[path = "../src/pic/walk.rs"]
mod walk;

use model::{Command, Modes, NOTHING, Pair, Step};
use walk::{Column, Machine, Plan, Planned};

const NESTED: Modes = Modes { automatic_end: false, fully_nested: false, special_mask: false, level: [0, 0] };
const ALL: u16 = !(1 << 2 | 1);

fn pair(modes: Modes, steps: &[Step]) -> Pair {
    let mut pair = Pair::new(modes);
    for step in steps {
        pair.apply(*step);
    }
    pair
}

const fn rise(line: u8) -> Step {
    Step::Line(line, true)
}

#[test]
fn inputs_are_acknowledged_by_priority_and_nest() {
    let mut pair = pair(NESTED, &[rise(4), rise(12), rise(6)]);
    assert_eq!(pair.apply(Step::Acknowledge), 12);
    assert_eq!((pair.in_service(), pair.requests()), (0x1004, 0x0050));
    assert_eq!(pair.apply(Step::Acknowledge), NOTHING);
    pair.apply(rise(9));
    assert_eq!(pair.apply(Step::Acknowledge), NOTHING, "the cascade is in service");
    pair.apply(rise(1));
    assert_eq!(pair.apply(Step::Acknowledge), 1);
    for (ends, next) in [(1, NOTHING), (1, 9)] {
        for _ in 0..ends {
            pair.apply(Step::Command(0, Command::End { rotate: false }));
        }
        assert_eq!(pair.apply(Step::Acknowledge), next);
    }
}

#[test]
fn special_fully_nested_mode_lets_only_the_second_in() {
    let modes = Modes { fully_nested: true, ..NESTED };
    let mut pair = pair(modes, &[rise(12), Step::Acknowledge, rise(4)]);
    assert_eq!(pair.apply(Step::Acknowledge), NOTHING);
    pair.apply(rise(9));
    assert_eq!(pair.apply(Step::Acknowledge), 9);
}

#[test]
fn ends_rotations_masks_and_polls_are_those_of_the_data_sheet() {
    let nested = pair(NESTED, &[rise(5), Step::Acknowledge, rise(3), Step::Acknowledge]);
    for (command, in_service) in [
        (Command::End { rotate: false }, 0x20),
        (Command::EndOf { input: 5, rotate: true }, 0x08),
        (Command::Nothing, 0x28),
        (Command::SetLowest(3), 0x28),
        (Command::RotateAutomatically(true), 0x28),
    ] {
        let mut after = nested;
        after.apply(Step::Command(0, command));
        assert_eq!(after.in_service(), in_service, "{command:?}");
    }
    let mut rotated = pair(NESTED, &[rise(3), rise(5), Step::Command(0, Command::SetLowest(3))]);
    assert_eq!(rotated.apply(Step::Poll(0)), 0x85);
    assert_eq!((rotated.apply(Step::Poll(0)), rotated.in_service()), (0, 0x20));
    let special = Modes { special_mask: true, ..NESTED };
    let mut masked = pair(special, &[rise(3), Step::Acknowledge, Step::Mask(0, 8), rise(5)]);
    assert_eq!(masked.apply(Step::Acknowledge), 5);
    masked.apply(Step::Command(0, Command::End { rotate: false }));
    assert_eq!(masked.in_service(), 8);
}

#[test]
fn edges_are_withdrawn_by_their_fall_and_levels_come_again() {
    let falls = Step::Line(9, false);
    let mut edge = pair(NESTED, &[rise(9)]);
    assert!(edge.withdraws(falls) && edge.requests() == 0x0204);
    edge.apply(falls);
    assert_eq!((edge.requests(), edge.apply(Step::Acknowledge)), (0, NOTHING));
    let taken = pair(NESTED, &[rise(9), Step::Acknowledge]);
    assert!(!taken.withdraws(falls) && taken.requests() == 0);
    let level = pair(Modes { level: [0, 2], automatic_end: true, ..NESTED }, &[rise(9), Step::Acknowledge]);
    assert_eq!((level.requests(), level.asks()), (0x0204, true));
}

#[test]
fn what_the_data_sheet_leaves_open_is_not_drawn() {
    let rotate = Step::Command(0, Command::End { rotate: true });
    assert!(!pair(NESTED, &[]).is_defined(rotate) && pair(NESTED, &[rise(3), Step::Acknowledge]).is_defined(rotate));
    let special = pair(Modes { special_mask: true, ..NESTED }, &[rise(3), Step::Acknowledge]);
    assert!(!special.is_defined(rise(5)));
}

#[test]
fn commands_are_bytes_and_back() {
    for bits in 0..=u8::MAX {
        let command = Command::from_bits(bits);
        assert_eq!(Command::from_bits(command.bits()), command);
        assert_eq!(command.bits() & 0x20, bits & 0x20, "EOI");
    }
}

/// What a pair that is wrong does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    /// Requests do not end with the acknowledge.
    Requests,
    /// Acknowledges take nothing into service.
    InService,
    /// Vectors are those of another input.
    Acknowledged,
    /// Masks are not read.
    Masks,
    /// Non-specific ends end the lowest priority.
    Ends,
}

struct Walked {
    pair: Pair,
    wrong: Wrong,
    nr_failures: u32,
    nr_checks: u32,
    failed: Vec<Column>,
}

impl Machine for Walked {
    fn lines(&self) -> u16 {
        ALL
    }

    fn apply(&mut self, step: Step, _: bool) -> u8 {
        if self.wrong == Wrong::Ends && matches!(step, Step::Command(_, Command::End { .. })) {
            return NOTHING;
        }
        let told = self.pair.apply(step);
        if self.wrong == Wrong::Acknowledged && told != NOTHING { told ^ 1 } else { told }
    }

    fn requests(&mut self) -> u16 {
        if self.wrong == Wrong::Requests { self.pair.lines() } else { self.pair.requests() }
    }

    fn in_service(&mut self) -> u16 {
        if self.wrong == Wrong::InService { 0 } else { self.pair.in_service() }
    }

    fn masks(&mut self) -> u16 {
        if self.wrong == Wrong::Masks { 0xffff } else { self.pair.masks() }
    }

    fn release(&mut self) {}

    fn report(&mut self, _: usize, column: Column, actual: u32, expected: u32) {
        self.nr_checks += 1;
        if actual != expected {
            self.nr_failures += 1;
            self.failed.push(column);
        }
    }
}

const PLAN: Plan = Plan { seed: 1, modes: NESTED, rotates: false, polls: false, withdraws: false };

fn walk_of(plan: Plan, wrong: Wrong) -> Walked {
    let mut planned: Vec<Planned> = Vec::new();
    let masks = walk::plan(plan, ALL, |_, step| planned.push(step));
    let mut machine = Walked { pair: Pair::new(plan.modes), wrong, nr_failures: 0, nr_checks: 0, failed: Vec::new() };
    walk::walk(&mut machine, masks, |number| planned[number]);
    machine
}

#[test]
fn walks_find_a_wrong_pair_in_every_column() {
    for (wrong, column) in [
        (Wrong::Requests, Column::Registers),
        (Wrong::InService, Column::Registers),
        (Wrong::Ends, Column::Registers),
        (Wrong::Acknowledged, Column::Acknowledged),
        (Wrong::Masks, Column::Masks),
    ] {
        let walked = walk_of(PLAN, wrong);
        assert!(walked.failed.contains(&column), "{wrong:?} {:?}", walked.failed);
    }
}

#[test]
fn walks_of_the_reference_find_nothing_and_do_much() {
    for seed in 1..100 {
        for modes in [
            NESTED,
            Modes { automatic_end: true, ..NESTED },
            Modes { fully_nested: true, ..NESTED },
            Modes { special_mask: true, ..NESTED },
            Modes { level: [0x70, 0x5a], ..NESTED },
        ] {
            let walked = walk_of(Plan { seed, modes, rotates: seed % 2 == 0, ..PLAN }, Wrong::Nothing);
            assert_eq!(walked.nr_failures, 0, "{seed} {modes:?}");
            assert!(walked.nr_checks as usize > walk::NR_STEPS, "{seed} {modes:?}");
        }
    }
}
