//! The spurious vector, and a priority that is raised while an interrupt waits.

use super::interrupting::{VECTORS, drain, nothing_comes};
use rt::{
    case, check, check_count,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic, Mode,
        register::{Register, svr},
    },
    vocabulary::Needs,
};

/// An interrupt that waits while the task priority rises above it does not come, unless as the spurious vector, which is not in
/// service; when the priority falls, it comes once.
fn walk(apic: &LocalApic, spurious: u8) {
    apic.write(Register::SVR, svr::ENABLED | u32::from(spurious));
    let _listening = Listening::to(VECTORS, End::Not);
    for vector in [0x41, 0x9c, 0xef_u8] {
        interrupts::clear();
        apic.send_to_self(vector);
        apic.write(Register::TPR, 0xf0);
        let _ = nothing_comes();
        check_count!("not taken", [&[]; vector], interrupts::count(vector), 0);
        let nr_spurious = interrupts::count(spurious);
        check!("at most the spurious vector", [&[]; vector], nr_spurious <= 1 && interrupts::total() == nr_spurious);
        check!("which is not in service", [&[]; vector], !apic.is_in_service(spurious));
        check!("it waits", [&[]; vector], apic.is_requested(vector));
        apic.write(Register::TPR, 0);
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(vector) != 0);
        let _ = nothing_comes();
        check_count!("taken when the priority falls", [&[]; vector], interrupts::count(vector), 1);
        apic.end_interrupt();
    }
}

/// A priority that rises between a request and its interrupt keeps it out.
#[case(feature = ApicPriorities, spec = [sdm3a("Spurious Interrupt"), sdm3a("Task and Processor Priorities")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn priority_rises_while_an_interrupt_waits() {
    for spurious in [0xff, 0x3f] {
        if let Ok(apic) = LocalApic::in_mode(Mode::XApic) {
            walk(&apic, spurious);
            drain(&apic);
        } else {
            check!("xAPIC mode", false);
        }
    }
}

/// The spurious vector is a vector like others for who sends it: it comes, is in service, and needs an end.
#[case(feature = ApicPriorities, spec = [sdm3a("Spurious Interrupt"), sdm3a("Interrupt Acceptance for Fixed Interrupts")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn spurious_vector_that_is_sent() {
    let Ok(apic) = LocalApic::in_mode(Mode::XApic) else { return check!("xAPIC mode", false) };
    apic.write(Register::SVR, svr::ENABLED | 0x6f);
    let _listening = Listening::to(0x6f..=0x6f, End::Not);
    apic.send_to_self(0x6f);
    interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(0x6f) != 0);
    check_count!("taken", interrupts::count(0x6f), 1);
    check!("in service", apic.is_in_service(0x6f));
    apic.end_interrupt();
    check!("ended", !apic.is_in_service(0x6f));
    check!("no more", nothing_comes());
}
