//! Entries that are changed while an interrupt is on its way or in service.

use super::pins::{NEEDS, PIN, Pins, VECTOR, count_up_to, edge, level};
use rt::{
    case, check, check_count,
    interrupts::{self, End},
    io_apic::{self, low},
    names,
    vocabulary::Text,
};

/// What an entry becomes after the interrupt was accepted.
#[derive(Clone, Copy)]
enum Change {
    Mask,
    Vector,
    Destination,
}

const CHANGES: [Change; 3] = [Change::Mask, Change::Vector, Change::Destination];
const CHANGE_NAMES: &[Text] = names!["mask", "vector", "destination"];
/// Nobody's ID.
const NOBODY: u8 = 0x55;

fn change(pins: &Pins, how: Change, trigger: u32) {
    match how {
        Change::Mask => io_apic::write_low(PIN, edge(0) | trigger | low::MASKED),
        Change::Vector => io_apic::write_low(PIN, edge(1) | trigger),
        Change::Destination => io_apic::set_entry(PIN, pins.id().wrapping_add(NOBODY), edge(0) | trigger),
    }
}

/// An interrupt that a local APIC has accepted comes as it was, whatever becomes of its entry; the next one follows the entry.
#[case(feature = IoApicReconfiguration, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn accepted_edge_is_not_changed() {
    let pins = Pins::new(End::LocalApic);
    for (row, how) in CHANGES.into_iter().enumerate() {
        interrupts::clear();
        pins.program(edge(0));
        pins.pulse();
        change(&pins, how, 0);
        check_count!("interrupts", [CHANGE_NAMES; row], count_up_to(1), 1);
        check_count!("with the old vector", [CHANGE_NAMES; row], interrupts::count(VECTOR), 1);
        pins.pulse();
        let next = u32::from(matches!(how, Change::Vector));
        check_count!("interrupts after the next edge", [CHANGE_NAMES; row], count_up_to(1 + next), 1 + next);
        check_count!("with the new vector", [CHANGE_NAMES; row], interrupts::count(VECTOR + 1), next);
    }
}

/// A level-triggered interrupt that was accepted comes though its entry is masked, and its end clears remote IRR.
#[case(feature = IoApicReconfiguration, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn accepted_level_is_not_masked() {
    let pins = Pins::new(End::Not);
    pins.program(level(0));
    pins.drive(true);
    change(&pins, Change::Mask, low::LEVEL);
    check!("remote IRR of the masked entry", io_apic::awaits_end(PIN));
    check_count!("it comes", count_up_to(1), 1);
    pins.apic.end_interrupt();
    check!("remote IRR after the end", !io_apic::awaits_end(PIN));
    check_count!("none while masked", count_up_to(1), 1);
    pins.program(level(0));
    check_count!("one when unmasked, as the line is high", count_up_to(2), 2);
}

/// Remote IRR cannot be written while it is set: a level-triggered entry that is written keeps it.
#[case(feature = IoApicReconfiguration, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn writes_leave_remote_irr() {
    let pins = Pins::new(End::Not);
    pins.program(level(0));
    pins.drive(true);
    check_count!("interrupts", count_up_to(1), 1);
    for (row, value) in [level(0), level(0) | low::MASKED, level(0) | low::LOGICAL, level(0)].into_iter().enumerate() {
        io_apic::write_low(PIN, value);
        check!("remote IRR", [&[]; row], io_apic::awaits_end(PIN));
    }
    check_count!("no more", count_up_to(1), 1);
    pins.drive(false);
    pins.apic.end_interrupt();
    check!("after the end", !io_apic::awaits_end(PIN));
}

/// An entry that gets another vector while its interrupt is in service is not ended by the old vector's end.
#[case(feature = IoApicReconfiguration, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn end_must_match_the_vector_of_the_entry() {
    let pins = Pins::new(End::Not);
    pins.program(level(0));
    pins.drive(true);
    check_count!("interrupts", count_up_to(1), 1);
    io_apic::write_low(PIN, level(1));
    pins.apic.end_interrupt();
    check!("remote IRR after the old vector's end", io_apic::awaits_end(PIN));
    check_count!("none before an end that matches", count_up_to(1), 1);
}

/// A pin that is high interrupts when its entry becomes level-triggered.
#[case(feature = IoApicReconfiguration, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn high_pin_interrupts_when_it_becomes_level_triggered() {
    let pins = Pins::new(End::Not);
    pins.program(edge(0));
    pins.drive(true);
    check_count!("as an edge", count_up_to(1), 1);
    pins.apic.end_interrupt();
    check_count!("once", count_up_to(1), 1);
    pins.program(level(0));
    check_count!("as a level", count_up_to(2), 2);
    check!("level-triggered by TMR", pins.apic.is_level(VECTOR));
    check!("remote IRR", io_apic::awaits_end(PIN));
    pins.drive(false);
    pins.apic.end_interrupt();
    check_count!("no more", count_up_to(2), 2);
}

/// A pin that is high makes no edge when its entry becomes edge-triggered.
#[case(feature = IoApicReconfiguration, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn high_pin_is_no_edge_when_it_becomes_edge_triggered() {
    let pins = Pins::new(End::LocalApic);
    pins.program(level(0) | low::MASKED);
    pins.drive(true);
    pins.program(edge(0) | low::MASKED);
    pins.program(edge(0));
    check_count!("none", count_up_to(0), 0);
    pins.drive(false);
    pins.pulse();
    check_count!("the next edge", count_up_to(1), 1);
    check!("edge-triggered by TMR", !pins.apic.is_level(VECTOR));
}

/// Vectors of edges can be changed between any two of them, and none is lost or comes twice.
#[case(feature = IoApicReconfiguration, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn vector_changes_between_edges() {
    let pins = Pins::new(End::LocalApic);
    for number in 0..12 {
        io_apic::write_low(PIN, low::MASKED);
        pins.program(edge(number));
        pins.pulse();
    }
    check_count!("interrupts", count_up_to(12), 12);
    for number in 0..12 {
        check_count!("with vector", [&[]; number], interrupts::count(VECTOR + number), 1);
    }
}

/// TMR tells of each interrupt anew how it was triggered, when one vector comes as a level, then as an edge, and as a level again.
#[case(feature = IoApicReconfiguration, spec = [io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), sdm3a("Interrupt Acceptance for Fixed Interrupts")],
       needs = NEEDS, irqchip = Full)]
fn trigger_mode_is_that_of_the_last_interrupt() {
    let pins = Pins::new(End::Not);
    for (row, is_level) in [true, false, true].into_iter().enumerate() {
        interrupts::clear();
        pins.program(if is_level { level(0) } else { edge(0) });
        pins.drive(true);
        let came = interrupts::wait_until(interrupts::GENEROUS_MICROS, || interrupts::total() != 0);
        check!("it comes", [&[]; row], came);
        check!("level-triggered by TMR", [&[]; row], pins.apic.is_level(VECTOR) == is_level);
        pins.drive(false);
        pins.apic.end_interrupt();
        let _ = interrupts::wait_for_more();
    }
}
