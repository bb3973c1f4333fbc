//! The timer of the local APIC, which tells no rate: what it has in one span it has in the next, at work and over a pause.

use super::{
    model::{KNOWN, Rate, Reading, rate},
    sources::{BOARD, Known, WITH_LOCAL_TIMER, measure},
};
use rt::{
    case, check,
    clock::{self, Deadline},
    local_apic::{
        LocalApic,
        register::{Register, lvt},
    },
    note,
    signals::{self, Command},
    vocabulary::Needs,
};

const SPAN_MICROS: u64 = 8_000;
const NR_SPANS: u32 = 6;

fn work() {
    Deadline::after(SPAN_MICROS).wait(|| false);
}

/// It counts down from the highest number.
fn read(apic: &LocalApic) -> Reading {
    let mut best: Option<Reading> = None;
    for _ in 0..4 {
        let before = clock::now();
        let count = u64::from(u32::MAX - apic.read(Register::CURRENT_COUNT));
        let reading = Reading { before, count, after: clock::now() };
        if best.is_none_or(|best| reading.after - reading.before < best.after - best.before) {
            best = Some(reading);
        }
    }
    best.unwrap_or(Reading { before: 0, count: 0, after: 0 })
}

/// Its rate by the time-stamp counter over spans in which `wait` happens, where the counts of a second make a second.
fn span(apic: &LocalApic, mut wait: impl FnMut()) -> Option<Rate> {
    let mut best: Option<Rate> = None;
    for _ in 0..NR_SPANS {
        apic.write(Register::INITIAL_COUNT, u32::MAX);
        let first = read(apic);
        wait();
        let measured = rate(first, read(apic), 1, 32)?;
        if best.is_none_or(|best| measured.width() < best.width()) {
            best = Some(measured);
        }
        if best.is_some_and(|best| best.width() <= KNOWN / 2) {
            break;
        }
    }
    apic.write(Register::INITIAL_COUNT, 0);
    best
}

/// The rate of one span is that of the next, told by each clock of the board.
fn check_agreement(mut wait: impl FnMut()) {
    let _ = clock::tsc_khz();
    let apic = LocalApic::enabled();
    // Divided by 1: four seconds of the billion counts in a second that virtual machines have.
    apic.write(Register::DIVIDE, 0b1011);
    apic.write(Register::LVT_TIMER, lvt::MASKED);
    let calibration = span(&apic, work);
    let measured = span(&apic, &mut wait);
    let Some((calibration, measured)) = calibration.zip(measured) else { return check!("it counts", false) };
    note!("width of the calibration in parts in a million", calibration.width());
    // What the counter makes of a second, by the time-stamp counter; in those of the calibration a second is a second. Where the
    // host left little time to measure, the interval is wide, and tells less.
    let second = Rate {
        hertz: ((u128::from(clock::tsc_khz()) * 1_000 * u128::from(calibration.least / 2 + calibration.most / 2)) >> 32)
            as u64,
        ..measured
    };
    let second = second.widened(calibration.width());
    for (index, known) in measure(BOARD, wait).into_iter().enumerate() {
        match known {
            Known::Rate(other) => check!("they agree", [WITH_LOCAL_TIMER; index], second.agrees(other)),
            Known::Stands => check!("both go on", [WITH_LOCAL_TIMER; index], false),
            Known::Nothing => {}
        }
    }
}

/// At work.
#[case(
    feature = ClockAgreement, spec = [sdm3a("APIC Timer"), pit("Functional Description"), hpet("Main Counter Value Register"), acpi("Power Management Timer")],
    needs = Needs::LOCAL_APIC | Needs::PIT | Needs::HPET | Needs::PM_TIMER | Needs::INVARIANT_TSC, irqchip = Full
)]
fn the_local_timer_agrees() {
    check_agreement(work);
}

/// While the host does not run the processor, its timer goes on.
#[case(
    feature = ClockAgreement, spec = [sdm3a("APIC Timer"), pit("Functional Description"), hpet("Main Counter Value Register"), acpi("Power Management Timer")],
    needs = Needs::LOCAL_APIC | Needs::PIT | Needs::HPET | Needs::PM_TIMER | Needs::INVARIANT_TSC | Needs::SIGNALS, irqchip = Full
)]
fn the_local_timer_agrees_over_a_pause() {
    let mut was_done = true;
    check_agreement(|| was_done &= signals::command(Command::Pause(SPAN_MICROS as u32)));
    check!("the host pauses it", was_done);
}
