//! IA32_TSC, IA32_TSC_ADJUST and their relation.

use super::model::{Write, after, follows, is_after};
use case::{Needs, Text};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::msr::{
        self,
        number::{IA32_TIME_STAMP_COUNTER, IA32_TSC_ADJUST},
    },
    names,
    smp::Processors,
};

/// 2^45 is more than passes between two lines (see [`super::model::SOON`]): a counter that does not move shows, however long
/// the host stole. So it stands beside the smaller ones, where halves of the register meet.
const DELTAS: [u64; 10] = [
    0,
    1,
    u64::MAX,
    1 << 45,
    (1_u64 << 45).wrapping_neg(),
    1 << 45 | 1 << 31,
    1 << 45 | 1 << 32,
    (1_u64 << 45 | 1 << 32).wrapping_neg(),
    1 << 62,
    1 << 63,
];
const NAMES: &[Text] = names![
    "plus 0",
    "plus 1",
    "minus 1",
    "plus 2^45",
    "minus 2^45",
    "plus 2^45 and 2^31",
    "plus 2^45 and 2^32",
    "minus 2^45 and 2^32",
    "plus 2^62",
    "plus 2^63",
];

fn read() -> (u64, u64) {
    let adjust = msr::read(IA32_TSC_ADJUST).unwrap_or(0);
    (msr::read(IA32_TIME_STAMP_COUNTER).unwrap_or(0), adjust)
}

/// A write to IA32_TSC_ADJUST adds the difference to the counter.
#[case(feature = TscAdjust, spec = sdm3b("IA32_TSC_ADJUST Register Support"), needs = Needs::TSC_ADJUST)]
fn writes_of_tsc_adjust() {
    for (row, delta) in DELTAS.into_iter().enumerate() {
        let (write, before) = (Write::Adjust(delta), read());
        let result = msr::write(IA32_TSC_ADJUST, after(before.0, before.1, write).1);
        check_outcome!("WRMSR", [NAMES; row], result, Outcome::COMPLETED);
        check!("both moved", [NAMES; row], is_after(before, write, read()));
    }
}

/// A write to the counter adds the difference to IA32_TSC_ADJUST.
#[case(feature = TscAdjust, spec = sdm3b("IA32_TSC_ADJUST Register Support"), needs = Needs::TSC_ADJUST)]
fn writes_of_the_counter() {
    for (row, delta) in DELTAS.into_iter().enumerate() {
        let (write, before) = (Write::Counter(delta), read());
        let result = msr::write(IA32_TIME_STAMP_COUNTER, after(before.0, before.1, write).0);
        check_outcome!("WRMSR", [NAMES; row], result, Outcome::COMPLETED);
        check!("both moved", [NAMES; row], is_after(before, write, read()));
    }
}

fn add_to_counter(delta: u64) -> u64 {
    let counter = msr::read(IA32_TIME_STAMP_COUNTER).unwrap_or(0);
    u64::from(msr::write(IA32_TIME_STAMP_COUNTER, counter.wrapping_add(delta)).is_ok())
}

fn read_counter(_: u64) -> u64 {
    msr::read(IA32_TIME_STAMP_COUNTER).unwrap_or(0)
}

fn read_adjust(_: u64) -> u64 {
    msr::read(IA32_TSC_ADJUST).unwrap_or(0)
}

const FAR: u64 = 1 << 50;

/// Each processor has a counter of its own: a write on one changes no other's.
#[case(
    feature = TscAdjust,
    spec = [sdm3b("Time-Stamp Counter"), sdm3b("Time-Stamp Counter Adjustment")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    time = 5,
)]
fn each_processor_has_its_own() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let first = read_counter(0);
    let second = processors.run_on(1, read_counter, 0).unwrap_or(0);
    check_eq!("written there", processors.run_on(1, add_to_counter, FAR).unwrap_or(0), 1);
    let moved = processors.run_on(1, read_counter, 0).unwrap_or(0);
    check!("the one that was written moved", follows(second.wrapping_add(FAR), moved));
    check!("the other did not", follows(first, read_counter(0)));
}

/// INIT leaves the counter and IA32_TSC_ADJUST as they are.
#[case(
    feature = TscAdjust,
    spec = sdm3a("Processor State After Reset"),
    needs = Needs::LOCAL_APIC | Needs::TSC_ADJUST,
    vcpus = 2,
    irqchip = LocalApic,
    time = 5,
)]
fn init_leaves_both() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    check_eq!("written there", processors.run_on(1, add_to_counter, FAR).unwrap_or(0), 1);
    let counter = processors.run_on(1, read_counter, 0).unwrap_or(0);
    let adjust = processors.run_on(1, read_adjust, 0).unwrap_or(0);
    drop(processors);
    let started = Processors::start(1);
    check!("starts again", started.is_ok());
    let Ok(processors) = started else { return };
    check!("the counter went on", follows(counter, processors.run_on(1, read_counter, 0).unwrap_or(0)));
    check_eq!("IA32_TSC_ADJUST", processors.run_on(1, read_adjust, 0).unwrap_or(!adjust), adjust);
}
