//! Interrupts to processors of a bitmap by one hypercall, and kicks.

use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    cpu::hypercall::{self, Instruction},
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::LocalApic,
    names,
    vocabulary::{Needs, Text},
};

/// Numbers of hypercalls.
pub(super) mod number {
    pub(in super::super) const KICK_CPU: u64 = 5;
    pub(in super::super) const SEND_IPI: u64 = 10;
    pub(in super::super) const SCHED_YIELD: u64 = 11;
}

const VECTOR: u8 = 0x51;

/// KVM_HC_SEND_IPI delivers the vector of its ICR to each processor of the bitmap, whose bits count from the lowest id, and
/// returns how many there were.
#[case(feature = ParavirtualInterprocessor, spec = kvm("Linux KVM Hypercall"), needs = Needs::KVM_PV_SEND_IPI,
       irqchip = LocalApic)]
fn bitmap_chooses_the_processors() {
    const NAMES: &[Text] =
        names!["bit 0", "bit 0 of the high half, lowest id below", "no bit", "a processor that is not"];
    let apic = LocalApic::enabled();
    let own = u64::from(apic.id());
    // Low and high half of the bitmap, lowest id, and how many it delivers to.
    let rows = [(1, 0, own, 1), (1 << 5 | 1 << own, 0, 0, 1), (0, 0, own, 0), (1, 0, own + 40, 0)];
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for (row, (low, high, lowest, expected)) in rows.into_iter().enumerate() {
        interrupts::clear();
        let result = hypercall::call(Instruction::of_vendor(), number::SEND_IPI, [low, high, lowest, VECTOR.into()]);
        check_outcome!("the hypercall", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("RAX", [NAMES; row], result.unwrap_or(u64::MAX), expected);
        if expected != 0 {
            let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) == 1);
            check!("it is taken", [NAMES; row], came);
        }
        check!("no more", [NAMES; row], !interrupts::wait_for_more());
        check_count!("taken", [NAMES; row], interrupts::count(VECTOR), expected);
    }
}

/// A kick of a processor that there is succeeds; a hint to yield to one does too.
#[case(feature = ParavirtualInterprocessor, spec = kvm("Linux KVM Hypercall"),
       needs = Needs::KVM_PV_UNHALT | Needs::KVM_PV_SCHED_YIELD, irqchip = LocalApic)]
fn kick_and_yield_succeed() {
    const NAMES: &[Text] = names!["KICK_CPU", "SCHED_YIELD"];
    let own = u64::from(LocalApic::enabled().id());
    let calls = [(number::KICK_CPU, [0, own, 0, 0]), (number::SCHED_YIELD, [own, 0, 0, 0])];
    for (row, (number, arguments)) in calls.into_iter().enumerate() {
        let result = hypercall::call(Instruction::of_vendor(), number, arguments);
        check_outcome!("the hypercall", [NAMES; row], result, Outcome::COMPLETED);
        check_eq!("RAX", [NAMES; row], result.unwrap_or(u64::MAX), 0);
    }
}
