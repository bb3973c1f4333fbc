//! EOI: what it ends, and in which order.

use super::interrupting::{VECTORS, drain, nothing_comes, put_in_service};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{LocalApic, Mode, register::Register, register::icr},
    vocabulary::Needs,
};

const X2APIC: Needs = Needs::LOCAL_APIC.union(Needs::X2APIC);

fn with(mode: Mode, body: impl FnOnce(&LocalApic)) {
    match LocalApic::in_mode(mode) {
        Ok(apic) => {
            body(&apic);
            drain(&apic);
        }
        Err(exception) => check_outcome!("to the mode", exception, Outcome::COMPLETED),
    }
}

/// Each of these interrupts the one before it.
const NEST: [u8; 8] = [0x21, 0x3f, 0x40, 0x5a, 0x93, 0xb0, 0xd7, 0xfe];

/// Nests interrupts, and ends them one by one.
fn walk_nest(apic: &LocalApic) {
    for (depth, vector) in NEST.into_iter().enumerate() {
        check!("interrupts", [&[]; vector], put_in_service(apic, vector));
        for (index, earlier) in NEST.into_iter().enumerate() {
            let row = depth << 8 | usize::from(earlier);
            check_eq!(
                "in service by depth and vector",
                [&[]; row],
                u32::from(apic.is_in_service(earlier)),
                u32::from(index <= depth)
            );
        }
        check_eq!("PPR", [&[]; vector], apic.read(Register::PPR) >> 4, vector >> 4);
    }
    for (depth, vector) in NEST.into_iter().enumerate().rev() {
        apic.end_interrupt();
        check!("ended", [&[]; vector], !apic.is_in_service(vector));
        let below = depth.checked_sub(1).and_then(|index| NEST.get(index)).copied().unwrap_or(0);
        check!("the one below is not", [&[]; vector], below == 0 || apic.is_in_service(below));
        check_eq!("PPR after the end", [&[]; vector], apic.read(Register::PPR) >> 4, below >> 4);
    }
}

/// EOI ends the interrupt of the highest priority that is in service, and only that one.
#[case(feature = ApicEndOfInterrupt, spec = [sdm3a("Signaling Interrupt Servicing Completion"), apm2("End of Interrupt (EOI)")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn nested_interrupts_end_in_order() {
    with(Mode::XApic, walk_nest);
}

/// In x2APIC mode too EOI ends the interrupt of the highest priority that is in service.
#[case(feature = ApicEndOfInterrupt, spec = [sdm3a("Signaling Interrupt Servicing Completion"), sdm3a("x2APIC Register Address Space")],
       needs = X2APIC, irqchip = LocalApic)]
fn nested_interrupts_end_in_order_in_x2apic_mode() {
    with(Mode::X2Apic, walk_nest);
}

/// EOI with nothing in service does nothing.
#[case(feature = ApicEndOfInterrupt, spec = sdm3a("Signaling Interrupt Servicing Completion"), needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn end_without_an_interrupt() {
    with(Mode::XApic, |apic| {
        let _listening = Listening::to(VECTORS, End::LocalApic);
        apic.write(Register::TPR, 0xf0);
        apic.send_to_self(0x42);
        apic.end_interrupt();
        apic.end_interrupt();
        check!("what waits still waits", apic.is_requested(0x42));
        check_eq!("PPR", apic.read(Register::PPR), 0xf0);
        apic.write(Register::TPR, 0);
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(0x42) != 0);
        check_count!("and comes", interrupts::count(0x42), 1);
    });
}

/// EOI lets the next through that waits, of a class that the one in service kept out.
#[case(feature = ApicEndOfInterrupt, spec = [sdm3a("Signaling Interrupt Servicing Completion"), sdm3a("Task and Processor Priorities")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn end_lets_the_next_through() {
    with(Mode::XApic, |apic| {
        let _listening = Listening::to(VECTORS, End::LocalApic);
        for (row, (served, waiting)) in [(0x55, 0x54), (0x55, 0x5f), (0x80, 0x33), (0xf0, 0x20)].into_iter().enumerate()
        {
            interrupts::clear();
            check!("in service", [&[]; row], put_in_service(apic, served));
            apic.send_to_self(waiting);
            check!("kept out", [&[]; row], nothing_comes());
            let before = interrupts::total();
            apic.end_interrupt();
            // What was not kept out has come already.
            if apic.is_requested(waiting) {
                interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != before);
            }
            let _ = nothing_comes();
            check_count!("comes after the end", [&[]; row], interrupts::total() - before, 1);
            check_eq!("its vector", [&[]; row], interrupts::taken(1).map_or(0, |taken| taken.vector), waiting);
        }
    });
}

/// Interprocessor interrupts are edge-triggered whatever the trigger mode says: TMR stays clear.
#[case(feature = ApicEndOfInterrupt, spec = [sdm3a("Interrupt Command Register (ICR)"), sdm3a("Interrupt Acceptance for Fixed Interrupts")],
       needs = Needs::LOCAL_APIC | Needs::INTEL, irqchip = LocalApic)]
fn own_interrupts_are_edge_triggered() {
    with(Mode::XApic, |apic| {
        let commands = [icr::TO_SELF | icr::ASSERT, icr::TO_SELF | icr::ASSERT | icr::LEVEL];
        for (row, command) in commands.into_iter().enumerate() {
            let vector = 0x45 + row as u8;
            apic.write(Register::TPR, 0xf0);
            apic.write(Register::ICR, command | u32::from(vector));
            check!("waits", [rt::names!["edge", "level"]; row], apic.is_requested(vector));
            check!("TMR is clear", [rt::names!["edge", "level"]; row], !apic.is_level(vector));
            drain(apic);
        }
    });
}
