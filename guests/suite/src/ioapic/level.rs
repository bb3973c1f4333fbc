//! Level-triggered interrupts: remote IRR, ends, lines that stay high, the EOI register, shared vectors.

use super::pins::{NEEDS, PIN, Pins, VECTOR, count_up_to, edge, level};
use rt::{
    case, check, check_count,
    interrupts::End,
    io_apic,
    local_apic::register::{Register, svr},
    skip,
    vocabulary::Needs,
};

/// Remote IRR is set when a local APIC accepts the interrupt, and cleared by its end.
#[case(feature = IoApicLevel, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn remote_irr_lasts_from_acceptance_to_end() {
    let pins = Pins::new(End::Not);
    pins.program(level(0));
    check!("before", !io_apic::awaits_end(PIN));
    for turn in 1..4_u32 {
        pins.drive(true);
        check!("accepted, not taken", [&[]; turn], io_apic::awaits_end(PIN));
        check!("level-triggered by TMR", [&[]; turn], pins.apic.is_level(VECTOR));
        check_count!("interrupts", [&[]; turn], count_up_to(turn), turn);
        check!("in service", [&[]; turn], io_apic::awaits_end(PIN));
        pins.drive(false);
        check!("in service, line low", [&[]; turn], io_apic::awaits_end(PIN));
        pins.apic.end_interrupt();
        check!("ended", [&[]; turn], !io_apic::awaits_end(PIN));
        check_count!("no more", [&[]; turn], count_up_to(turn), turn);
    }
}

/// While the line stays high each end lets the interrupt come again, and none comes before.
#[case(feature = IoApicLevel, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn high_line_interrupts_after_each_end() {
    let pins = Pins::new(End::Not);
    pins.program(level(0));
    pins.drive(true);
    for turn in 1..6_u32 {
        check_count!("interrupts", [&[]; turn], count_up_to(turn), turn);
        check!("remote IRR", [&[]; turn], io_apic::awaits_end(PIN));
        if turn == 5 {
            pins.drive(false);
        }
        pins.apic.end_interrupt();
    }
    check_count!("no more when it is low", count_up_to(5), 5);
    check!("remote IRR in the end", !io_apic::awaits_end(PIN));
}

/// What the line does while the interrupt is in service counts only by what it is at the end.
#[case(feature = IoApicLevel, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn line_is_not_seen_before_the_end() {
    let pins = Pins::new(End::Not);
    pins.program(level(0));
    pins.drive(true);
    check_count!("the first", count_up_to(1), 1);
    for _ in 0..3 {
        pins.drive(false);
        pins.drive(true);
    }
    check_count!("none while in service", count_up_to(1), 1);
    pins.apic.end_interrupt();
    check_count!("one of all of them", count_up_to(2), 2);
    pins.drive(false);
    pins.pulse();
    pins.apic.end_interrupt();
    check_count!("none of a level that is gone", count_up_to(2), 2);
}

/// The end of an interrupt with another vector leaves remote IRR.
#[case(feature = IoApicLevel, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn other_vectors_end_leaves_remote_irr() {
    let pins = Pins::new(End::Not);
    pins.program(level(0));
    pins.drive(true);
    check_count!("interrupts", count_up_to(1), 1);
    // Of a higher priority class.
    pins.apic.send_to_self(VECTOR + 0x10);
    check_count!("interrupts with the other one", count_up_to(2), 2);
    pins.apic.end_interrupt();
    check!("the other one's end", io_apic::awaits_end(PIN));
    check!("still in service", pins.apic.is_in_service(VECTOR));
    pins.drive(false);
    pins.apic.end_interrupt();
    check!("its own end", !io_apic::awaits_end(PIN));
    check_count!("no more", count_up_to(2), 2);
}

/// An edge-triggered entry is not held back by what is in service at the local APIC.
#[case(feature = IoApicLevel, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn edge_needs_no_end() {
    let pins = Pins::new(End::Not);
    pins.program(edge(0));
    pins.pulse();
    check_count!("the first", count_up_to(1), 1);
    pins.pulse();
    check!("the next waits in the local APIC", pins.apic.is_requested(VECTOR));
    check_count!("and not more", count_up_to(1), 1);
    pins.apic.end_interrupt();
    check_count!("the next", count_up_to(2), 2);
}

/// The EOI register clears remote IRR of entries with that vector and of no others, and leaves the local APIC alone.
#[case(feature = IoApicLevel, spec = ich9("EOIR—EOI Register"), needs = NEEDS, irqchip = Full)]
fn eoi_register_ends_by_vector() {
    if !io_apic::has_eoi_register() {
        skip!("version 11H has no EOI register");
        return;
    }
    let pins = Pins::new(End::Not);
    pins.program(level(0));
    pins.drive(true);
    check_count!("interrupts", count_up_to(1), 1);
    pins.drive(false);
    // Whoever ends what it should not has done so by then.
    check_count!("interrupts once the line is low", count_up_to(1), 1);
    for other in [VECTOR + 1, VECTOR - 1, 0, VECTOR + 0x80] {
        io_apic::end_interrupt(other);
        check!("another vector", [&[]; other], io_apic::awaits_end(PIN));
    }
    io_apic::end_interrupt(VECTOR);
    check!("its vector", !io_apic::awaits_end(PIN));
    check!("in service", pins.apic.is_in_service(VECTOR));
    pins.drive(true);
    check!("accepted again", io_apic::awaits_end(PIN) && pins.apic.is_requested(VECTOR));
    pins.drive(false);
    pins.apic.end_interrupt();
    check_count!("the one that was accepted", count_up_to(2), 2);
}

/// With broadcasts suppressed only the EOI register clears remote IRR.
#[case(feature = IoApicLevel, spec = [sdm3a("Signaling Interrupt Servicing Completion"), ich9("EOIR—EOI Register")],
       needs = NEEDS, irqchip = Full)]
fn suppressed_broadcast_leaves_remote_irr() {
    const SUPPORTED: u32 = 1 << 24;
    let pins = Pins::new(End::Not);
    if !io_apic::has_eoi_register() || pins.apic.read(Register::VERSION) & SUPPORTED == 0 {
        skip!("no EOI register, or no suppression of broadcasts");
        return;
    }
    pins.apic.write(Register::SVR, svr::ENABLED | svr::SUPPRESS_BROADCAST | 0xff);
    pins.program(level(0));
    pins.drive(true);
    check_count!("interrupts", count_up_to(1), 1);
    pins.apic.end_interrupt();
    check!("ended at the local APIC", !pins.apic.is_in_service(VECTOR));
    check!("remote IRR", io_apic::awaits_end(PIN));
    check_count!("none before it is cleared", count_up_to(1), 1);
    io_apic::end_interrupt(VECTOR);
    check_count!("one after", count_up_to(2), 2);
    pins.drive(false);
    pins.apic.end_interrupt();
    io_apic::end_interrupt(VECTOR);
    check!("cleared", !io_apic::awaits_end(PIN));
    check_count!("no more", count_up_to(2), 2);
}

/// One end is the end of all entries with its vector: those whose lines are high interrupt again.
#[case(feature = IoApicLevel, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"),
       needs = NEEDS | Needs::SIGNALS, irqchip = Full)]
fn pins_with_one_vector_end_together() {
    const OTHER: u8 = 5;
    let pins = Pins::new(End::Not);
    pins.program(level(0));
    io_apic::set_entry(OTHER, pins.id(), level(0));
    pins.drive(true);
    check_count!("the first pin's", count_up_to(1), 1);
    check!("remote IRR of the other one", !io_apic::awaits_end(OTHER));
    pins.lines.set(OTHER, true);
    check!("both wait", io_apic::awaits_end(PIN) && io_apic::awaits_end(OTHER));
    pins.drive(false);
    pins.apic.end_interrupt();
    check!("the first is over", !io_apic::awaits_end(PIN));
    check_count!("the other pin's", count_up_to(2), 2);
    pins.lines.set(OTHER, false);
    // The other pin's may have been accepted twice: before the end, and after it.
    pins.apic.end_interrupt();
    if count_up_to(2) == 3 {
        pins.apic.end_interrupt();
    }
    check!("both are over", !io_apic::awaits_end(PIN) && !io_apic::awaits_end(OTHER));
    check_count!("nothing in service", pins.apic.is_in_service(VECTOR), 0);
}
