//! Walks of drawn steps beside the reference pair: requests, acknowledges by the processor, ends, masks, in each mode.

use super::{
    guest::Guest,
    lines::Lines,
    model::Modes,
    script,
    walk::{self, Plan},
};
use rt::{case, vocabulary::Needs};

const NEEDS: Needs = Needs::PIC.union(Needs::LOCAL_APIC);
const NESTED: Modes = Modes { automatic_end: false, fully_nested: false, special_mask: false, level: [0, 0] };
const PLAN: Plan = Plan { seed: 0, modes: NESTED, rotates: false, polls: false, withdraws: false };

fn walk(plan: Plan) {
    let lines = Lines::new();
    let masks = script::write(plan, lines.all());
    walk::walk(&mut Guest::new(lines, plan.modes), masks, script::read);
}

/// In fully nested mode an input is inhibited by those in service of the same or a higher priority, through the cascade too.
#[case(feature = PicPriority, spec = [pic("Fully Nested Mode"), pic("Interrupt Sequence")], needs = NEEDS, irqchip = Full)]
fn nested_requests_follow_the_reference() {
    walk(Plan { seed: 1, ..PLAN });
}

/// Rotation by ends of interrupts and by the set-priority command moves the lowest priority to the input that they name.
#[case(feature = PicPriority, spec = [pic("Automatic Rotation (Equal Priority Devices)"), pic("Specific Rotation (Specific Priority)")], needs = NEEDS, irqchip = Full)]
fn rotated_requests_follow_the_reference() {
    walk(Plan { seed: 11, rotates: true, ..PLAN });
}

/// With automatic end of interrupt nothing stays in service, and the next request follows at once.
#[case(feature = PicEndOfInterrupt, spec = pic("Automatic End of Interrupt (AEOI) Mode"), needs = NEEDS, irqchip = Full)]
fn automatically_ended_requests_follow_the_reference() {
    walk(Plan { seed: 21, modes: Modes { automatic_end: true, ..NESTED }, ..PLAN });
}

/// Rotation with automatic end of interrupt gives what was acknowledged the lowest priority.
#[case(feature = PicEndOfInterrupt, spec = pic("Automatic Rotation (Equal Priority Devices)"), needs = NEEDS, irqchip = Full)]
fn automatically_rotated_requests_follow_the_reference() {
    walk(Plan { seed: 31, modes: Modes { automatic_end: true, ..NESTED }, rotates: true, ..PLAN });
}

/// Level-triggered inputs request for as long as they are high, others once for each rise.
#[case(
    feature = PicCascade, spec = [pic("Edge and Level Triggered Modes"), ich9("ELCR1—Master Controller Edge/Level Triggered Register")],
    needs = NEEDS, irqchip = Full
)]
fn level_triggered_requests_follow_the_reference() {
    walk(Plan { seed: 41, modes: Modes { level: [0x70, 0x5a], ..NESTED }, ..PLAN });
}

/// All inputs that can be level-triggered, with rotation.
#[case(
    feature = PicCascade, spec = [pic("Edge and Level Triggered Modes"), ich9("ELCR1—Master Controller Edge/Level Triggered Register")],
    needs = NEEDS, irqchip = Full
)]
fn rotated_level_triggered_requests_follow_the_reference() {
    walk(Plan { seed: 44, modes: Modes { level: [0xf8, 0xde], ..NESTED }, rotates: true, ..PLAN });
}

/// Automatic end of interrupt with level-triggered inputs: a line that stays high requests again at once.
#[case(feature = PicEndOfInterrupt, spec = pic("Automatic End of Interrupt (AEOI) Mode"), needs = NEEDS, irqchip = Full)]
fn automatically_ended_levels_follow_the_reference() {
    let modes = Modes { automatic_end: true, level: [0x70, 0x5a], ..NESTED };
    walk(Plan { seed: 46, modes, rotates: true, ..PLAN });
}

/// In special fully nested mode the second controller interrupts itself, and nothing else is different.
#[case(feature = PicCascade, spec = pic("The Special Fully Nested Mode"), needs = NEEDS, irqchip = Full)]
fn specially_nested_requests_follow_the_reference() {
    walk(Plan { seed: 51, modes: Modes { fully_nested: true, ..NESTED }, ..PLAN });
}

/// In special mask mode what is masked and in service inhibits nothing, and no non-specific end reaches it.
#[case(feature = PicPriority, spec = [pic("Special Mask Mode"), pic("End of Interrupt (EOI)")], needs = NEEDS, irqchip = Full)]
fn specially_masked_requests_follow_the_reference() {
    walk(Plan { seed: 61, modes: Modes { special_mask: true, ..NESTED }, ..PLAN });
}

/// A poll acknowledges the request that it tells of, of either controller.
#[case(feature = PicSpurious, spec = pic("Poll Command"), needs = NEEDS, irqchip = Full)]
fn polled_requests_follow_the_reference() {
    walk(Plan { seed: 73, polls: true, rotates: true, modes: Modes { level: [0x70, 0x5a], ..NESTED }, ..PLAN });
}

/// A request that is taken back before it is acknowledged is none: polls do not tell of it, and IRR has not its bit.
#[case(
    feature = PicSpurious, spec = [pic("Poll Command"), pic("Edge and Level Triggered Modes")], needs = NEEDS,
    irqchip = Full
)]
fn withdrawn_requests_follow_the_reference() {
    walk(Plan { seed: 81, polls: true, withdraws: true, ..PLAN });
}
