//! Drawn steps, done to the reference pair first and to a pair of 8259As then.
//!
//! The first half runs at CPL 3, where it costs nothing; the second is generic over the pair, so that the tests of this crate
//! walk one that is right, and others that are wrong in one thing each.

use super::model::{CASCADE, Command, Modes, NOTHING, Pair, Step};

/// Steps of a walk.
pub(crate) const NR_STEPS: usize = 36;

/// What a walk does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Decides which steps are drawn.
    pub(crate) seed: u64,
    /// The modes.
    pub(crate) modes: Modes,
    /// Priorities are rotated.
    pub(crate) rotates: bool,
    /// Polls take the place of acknowledges.
    pub(crate) polls: bool,
    /// Edges are also taken back before they are acknowledged.
    pub(crate) withdraws: bool,
}

/// What a check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Both request registers in bits 15:0, the second's above the first's, and both in-service registers in bits 31:16.
    Registers,
    /// What was acknowledged, or what a poll told.
    Acknowledged,
    /// Both masks.
    Masks,
}

/// A pair of 8259As under test, initialised with the modes of the plan, with all lines low.
pub(crate) trait Machine {
    /// The lines that can be driven; others are masked.
    fn lines(&self) -> u16;
    /// Does a step, and tells what [`Pair::apply`] tells. `is_due` says that something is to be acknowledged.
    fn apply(&mut self, step: Step, is_due: bool) -> u8;
    /// Both request registers.
    fn requests(&mut self) -> u16;
    /// Both in-service registers.
    fn in_service(&mut self) -> u16;
    /// Both masks.
    fn masks(&mut self) -> u16;
    /// Takes a check of a step. It is called after the last step.
    fn report(&mut self, step: usize, column: Column, actual: u32, expected: u32);
    /// Takes all lines low: nothing is reported before.
    fn release(&mut self);
}

/// Xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % limit
    }

    fn one_of(&mut self, set: u16) -> u8 {
        let mut left = self.below(u64::from(set.count_ones().max(1)));
        for line in 0..16 {
            if set >> line & 1 != 0 {
                if left == 0 {
                    return line;
                }
                left -= 1;
            }
        }
        0
    }
}

/// The request and in-service bits that the drivable lines concern.
fn visible(lines: u16) -> u16 {
    lines | if lines >> 8 != 0 { 1 << CASCADE } else { 0 }
}

fn draw(dice: &mut Dice, plan: Plan, pair: &Pair, lines: u16) -> Step {
    let controller = usize::from(lines >> 8 != 0 && dice.below(2) != 0);
    let own = (visible(lines) >> (8 * controller)) as u8;
    match dice.below(16) {
        0..6 => {
            let line = dice.one_of(lines);
            Step::Line(line, pair.lines() >> line & 1 == 0)
        }
        6..11 if plan.polls => Step::Poll(controller),
        // That nothing comes is looked for less often.
        6..10 if pair.asks() => Step::Acknowledge,
        10 => Step::Acknowledge,
        6..10 => Step::Line(dice.one_of(lines & !pair.lines()), true),
        11 => Step::Mask(controller, dice.below(256) as u8 & dice.below(256) as u8 | !own),
        12 if plan.rotates => Step::Command(
            controller,
            match dice.below(4) {
                0 => Command::SetLowest(dice.below(8) as u8),
                1 => Command::EndOf { input: dice.one_of(own.into()), rotate: true },
                2 => Command::RotateAutomatically(dice.below(2) != 0),
                _ => Command::End { rotate: true },
            },
        ),
        13 => Step::Command(controller, Command::EndOf { input: dice.one_of(own.into()), rotate: false }),
        14 if dice.below(4) == 0 => Step::Command(controller, Command::Nothing),
        _ => Step::Command(controller, Command::End { rotate: plan.rotates && dice.below(2) != 0 }),
    }
}

/// A step that the data sheet defines, and that the plan wants.
fn next(dice: &mut Dice, plan: Plan, pair: &Pair, lines: u16) -> Step {
    for _ in 0..64 {
        let step = draw(dice, plan, pair, lines);
        if pair.is_defined(step) && (plan.withdraws || !pair.withdraws(step)) {
            return step;
        }
    }
    Step::Command(0, Command::Nothing)
}

/// Steps until both masks let all lines through.
const OPENING: [fn(u16) -> Step; 2] =
    [|lines| Step::Mask(0, !(visible(lines) as u8)), |lines| Step::Mask(1, !((lines >> 8) as u8))];

/// A step, and what is to be seen after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) step: Step,
    /// Something is to be acknowledged.
    pub(crate) is_due: bool,
    /// What the step tells.
    pub(crate) acknowledged: u8,
    /// Both request registers.
    pub(crate) requests: u16,
    /// Both in-service registers.
    pub(crate) in_service: u16,
}

/// Draws the steps, hands each over with its number, and tells both masks in the end.
pub(crate) fn plan(plan: Plan, lines: u16, mut hand_over: impl FnMut(usize, Planned)) -> u16 {
    let lines = lines & !(1 << CASCADE);
    let visible = visible(lines);
    let mut dice = Dice(plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut pair = Pair::new(plan.modes);
    for number in 0..NR_STEPS {
        let step = match OPENING.get(number) {
            Some(opening) => opening(lines),
            None => next(&mut dice, plan, &pair, lines),
        };
        let is_due = pair.asks();
        let acknowledged = pair.apply(step);
        let (requests, in_service) = (pair.requests() & visible, pair.in_service() & visible);
        hand_over(number, Planned { step, is_due, acknowledged, requests, in_service });
    }
    pair.masks()
}

impl Planned {
    const fn registers(&self) -> u32 {
        (self.in_service as u32) << 16 | self.requests as u32
    }

    /// Whether the step may change what is in service: where it may not, the registers need not be read.
    const fn ends_or_begins(&self) -> bool {
        !matches!(self.step, Step::Line(..) | Step::Mask(..))
    }
}

/// Walks what was planned, and reports up to the first step that differs.
pub(crate) fn walk(machine: &mut impl Machine, masks: u16, planned: impl Fn(usize) -> Planned) {
    let visible = visible(machine.lines());
    let mut seen = [(0, 0); NR_STEPS];
    let mut nr_steps = 0;
    let mut actual_masks = None;
    for (number, seen) in seen.iter_mut().enumerate() {
        let expected = planned(number);
        let acknowledged = machine.apply(expected.step, expected.is_due);
        let requests = machine.requests() & visible;
        let in_service = if expected.ends_or_begins() { machine.in_service() & visible } else { expected.in_service };
        *seen = (u32::from(in_service) << 16 | u32::from(requests), acknowledged);
        nr_steps = number + 1;
        if *seen != (expected.registers(), expected.acknowledged) {
            break;
        }
        if nr_steps == NR_STEPS {
            actual_masks = Some(machine.masks());
        }
    }
    // Reports move the line of a serial port, so they wait until here.
    machine.release();
    for (number, (registers, acknowledged)) in seen.into_iter().enumerate().take(nr_steps) {
        let expected = planned(number);
        machine.report(number, Column::Registers, registers, expected.registers());
        if (acknowledged, expected.acknowledged) != (NOTHING, NOTHING) {
            machine.report(number, Column::Acknowledged, acknowledged.into(), expected.acknowledged.into());
        }
    }
    if let Some(actual) = actual_masks {
        machine.report(nr_steps, Column::Masks, actual.into(), masks.into());
    }
}
