//! Each pair of clocks: at work, over HLT, over a pause of the whole processor, after a write of the time-stamp counter.

use super::sources::{BOARD, Known, PAIRS, Source, measure, pair};
use rt::{
    case, check,
    clock::{self, Deadline},
    cpu::msr::{self, number::IA32_TIME_STAMP_COUNTER},
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic,
        register::{Register, lvt},
    },
    note,
    signals::{self, Command},
    skip,
    vocabulary::Needs,
};

/// Length of a span in microseconds.
const SPAN_MICROS: u64 = 4_000;

const CHIPSET: Needs = Needs::PIT.union(Needs::HPET).union(Needs::PM_TIMER);

fn work() {
    Deadline::after(SPAN_MICROS).wait(|| false);
}

/// One check for each pair.
fn check_pairs<const N: usize>(sources: [Source; N], rates: [Known; N]) {
    let mut nr_unknown = 0;
    for (index, (&first, rate)) in sources.iter().zip(rates).enumerate() {
        for (&second, other) in sources.iter().zip(rates).skip(index + 1) {
            let row = pair(first, second);
            match (rate, other) {
                (Known::Rate(rate), Known::Rate(other)) => {
                    note!("widths of the intervals in parts in a million", rate.width().saturating_add(other.width()));
                    check!("they agree", [PAIRS; row], rate.agrees(other));
                }
                (Known::Stands, _) | (_, Known::Stands) => check!("both go on", [PAIRS; row], false),
                (Known::Nothing, _) | (_, Known::Nothing) => nr_unknown += 1,
            }
        }
    }
    note!("pairs that the host left no time to measure", nr_unknown);
}

/// Clocks of the board.
#[case(
    feature = ClockAgreement,
    spec = [pit("Functional Description"), hpet("Main Counter Value Register"), acpi("Power Management Timer"), sdm3b("Invariant TSC")],
    needs = CHIPSET | Needs::INVARIANT_TSC, irqchip = Full
)]
fn clocks_of_the_board_agree() {
    check_pairs(BOARD, measure(BOARD, work));
}

/// Those whose rate is fixed by their documents, without the time-stamp counter's.
#[case(
    feature = ClockAgreement,
    spec = [pit("Functional Description"), hpet("Main Counter Value Register"), acpi("Power Management Timer")],
    needs = CHIPSET, irqchip = Full
)]
fn timers_of_the_board_agree() {
    const TIMERS: [Source; 3] = [Source::Pit, Source::Hpet, Source::PmTimer];
    check_pairs(TIMERS, measure(TIMERS, work));
}

/// Clocks of the board and the host's own.
#[case(
    feature = ClockAgreement,
    spec = [pit("Functional Description"), hpet("Main Counter Value Register"), acpi("Power Management Timer"), sdm3b("Invariant TSC")],
    needs = CHIPSET | Needs::SIGNALS | Needs::INVARIANT_TSC, irqchip = Full
)]
fn clocks_of_the_board_agree_with_the_host() {
    const SOURCES: [Source; 5] = [Source::Tsc, Source::Pit, Source::Hpet, Source::PmTimer, Source::Host];
    check_pairs(SOURCES, measure(SOURCES, work));
}

/// Clocks of the board and KVM's.
#[case(
    feature = ClockAgreement,
    spec = [kvm("KVM-specific MSRs"), pit("Functional Description"), hpet("Main Counter Value Register"), acpi("Power Management Timer")],
    needs = CHIPSET | Needs::KVM_CLOCK, irqchip = Full
)]
fn clocks_of_the_board_agree_with_that_of_kvm() {
    const SOURCES: [Source; 5] = [Source::Tsc, Source::Pit, Source::Hpet, Source::PmTimer, Source::KvmClock];
    check_pairs(SOURCES, measure(SOURCES, work));
}

/// KVM's clock and the host's own.
#[case(feature = ClockAgreement, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK | Needs::SIGNALS)]
fn clock_of_kvm_agrees_with_the_host() {
    const SOURCES: [Source; 3] = [Source::Tsc, Source::KvmClock, Source::Host];
    check_pairs(SOURCES, measure(SOURCES, work));
}

const VECTOR: u8 = 0x62;

/// Over a halt that the local APIC's timer ends, clocks go on.
#[case(
    feature = ClockAgreement,
    spec = [sdm3a("APIC Timer"), sdm3b("Invariant TSC"), pit("Functional Description"), hpet("Main Counter Value Register")],
    needs = CHIPSET | Needs::LOCAL_APIC | Needs::INVARIANT_TSC, irqchip = Full
)]
fn clocks_agree_over_a_halt() {
    let apic = LocalApic::enabled();
    // Divided by 1: how many counts make a span.
    apic.write(Register::DIVIDE, 0b1011);
    apic.write(Register::LVT_TIMER, lvt::MASKED);
    let begin = clock::now();
    apic.write(Register::INITIAL_COUNT, u32::MAX);
    Deadline::after(500).wait(|| false);
    let counted = u64::from(u32::MAX - apic.read(Register::CURRENT_COUNT));
    let passed = clock::now().wrapping_sub(begin).max(1);
    // A host that takes time away before the timer starts or behind the reading makes it too short, which ends the halt sooner.
    let count = (counted * clock::ticks(SPAN_MICROS) / passed).clamp(1, u32::MAX.into()) as u32;
    apic.write(Register::INITIAL_COUNT, 0);
    apic.write(Register::LVT_TIMER, VECTOR.into());
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let mut has_woken = true;
    let rates = measure(BOARD, || {
        interrupts::clear();
        apic.write(Register::INITIAL_COUNT, count);
        has_woken &= interrupts::halt_until(GENEROUS_MICROS, || interrupts::count(VECTOR) != 0);
    });
    check!("the timer ends the halt", has_woken);
    check_pairs(BOARD, rates);
}

/// While the host does not run the processor, clocks go on.
#[case(
    feature = ClockAgreement,
    spec = [sdm3b("Invariant TSC"), pit("Functional Description"), hpet("Main Counter Value Register"), acpi("Power Management Timer")],
    needs = CHIPSET | Needs::SIGNALS | Needs::INVARIANT_TSC, irqchip = Full
)]
fn clocks_agree_over_a_pause() {
    const SOURCES: [Source; 5] = [Source::Tsc, Source::Pit, Source::Hpet, Source::PmTimer, Source::Host];
    let mut was_done = true;
    let rates = measure(SOURCES, || was_done &= signals::command(Command::Pause(SPAN_MICROS as u32)));
    check!("the host pauses it", was_done);
    check_pairs(SOURCES, rates);
}

/// KVM's clock goes on over a pause too: it is the host's.
#[case(feature = ClockAgreement, spec = kvm("KVM-specific MSRs"), needs = Needs::KVM_CLOCK | Needs::SIGNALS)]
fn clock_of_kvm_agrees_over_a_pause() {
    const SOURCES: [Source; 3] = [Source::Tsc, Source::KvmClock, Source::Host];
    let mut was_done = true;
    let rates = measure(SOURCES, || was_done &= signals::command(Command::Pause(SPAN_MICROS as u32)));
    check!("the host pauses it", was_done);
    check_pairs(SOURCES, rates);
}

/// A write of the time-stamp counter changes no rate, its own least of all.
#[case(
    feature = ClockAgreement,
    spec = [sdm3b("Time-Stamp Counter"), pit("Functional Description"), hpet("Main Counter Value Register"), acpi("Power Management Timer")],
    needs = CHIPSET | Needs::INVARIANT_TSC, irqchip = Full
)]
fn clocks_agree_after_a_write_of_the_counter() {
    let _ = clock::tsc_khz();
    let Ok(before) = msr::read(IA32_TIME_STAMP_COUNTER) else {
        skip!("the time-stamp counter is no MSR");
        return;
    };
    let was_written = msr::write(IA32_TIME_STAMP_COUNTER, before.wrapping_add(1 << 40)).is_ok();
    check!("it is written", was_written);
    check_pairs(BOARD, measure(BOARD, work));
}
