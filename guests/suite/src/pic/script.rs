//! The script of a walk: written at CPL 3, where computing costs nothing, and read at CPL 0.

use super::{
    model::{Command, Modes, Step},
    walk::{self, NR_STEPS, Plan, Planned},
};
use core::sync::atomic::{AtomicU64, Ordering};
use rt::user;

static SCRIPT: [AtomicU64; NR_STEPS] = [const { AtomicU64::new(0) }; NR_STEPS];

/// Writes the script of a plan, and tells both masks in the end.
pub(crate) fn write(plan: Plan, lines: u16) -> u16 {
    // A number of bytes: the seed, the modes, the lines, and the level-triggered inputs.
    let modes = plan.modes;
    let flags = [modes.automatic_end, modes.fully_nested, modes.special_mask, plan.rotates, plan.polls, plan.withdraws];
    let flags = flags.iter().enumerate().fold(0, |bits, (bit, on)| bits | u8::from(*on) << bit);
    let [low, high] = lines.to_le_bytes();
    let packed = u64::from_le_bytes([plan.seed as u8, flags, low, high, modes.level[0], modes.level[1], 0, 0]);
    user::call(write_packed, packed).unwrap_or(0) as u16
}

/// Runs at CPL 3.
extern "C" fn write_packed(packed: u64) -> u64 {
    let [seed, flags, low, high, first, second, ..] = packed.to_le_bytes();
    let is_set = |bit: u8| flags >> bit & 1 != 0;
    let modes =
        Modes { automatic_end: is_set(0), fully_nested: is_set(1), special_mask: is_set(2), level: [first, second] };
    let plan = Plan { seed: seed.into(), modes, rotates: is_set(3), polls: is_set(4), withdraws: is_set(5) };
    walk::plan(plan, u16::from_le_bytes([low, high]), |number, planned| {
        SCRIPT[number].store(pack(planned), Ordering::Relaxed);
    })
    .into()
}

/// What the step with this number does, and what is to be seen then.
pub(crate) fn read(number: usize) -> Planned {
    SCRIPT.get(number).map_or(unpack(0), |packed| unpack(packed.load(Ordering::Relaxed)))
}

/// The step in bytes 0 and 1, its result in byte 2, whether it is due in byte 3, then the registers.
const fn pack(planned: Planned) -> u64 {
    let [kind, value] = match planned.step {
        Step::Line(line, high) => [high as u8, line],
        Step::Mask(controller, mask) => [2 + controller as u8, mask],
        Step::Command(controller, command) => [4 + controller as u8, command.bits()],
        Step::Poll(controller) => [6 + controller as u8, 0],
        Step::Acknowledge => [8, 0],
    };
    let low = u32::from_le_bytes([kind, value, planned.acknowledged, planned.is_due as u8]);
    (planned.in_service as u64) << 48 | (planned.requests as u64) << 32 | low as u64
}

const fn unpack(packed: u64) -> Planned {
    let [kind, value, acknowledged, is_due, ..] = packed.to_le_bytes();
    let controller = (kind & 1) as usize;
    let step = match kind >> 1 {
        0 => Step::Line(value, kind & 1 != 0),
        1 => Step::Mask(controller, value),
        2 => Step::Command(controller, Command::from_bits(value)),
        3 => Step::Poll(controller),
        _ => Step::Acknowledge,
    };
    Planned {
        step,
        is_due: is_due != 0,
        acknowledged,
        requests: (packed >> 32) as u16,
        in_service: (packed >> 48) as u16,
    }
}
