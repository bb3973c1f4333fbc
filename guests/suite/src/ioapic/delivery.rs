//! Which interrupts a pin makes: vectors, edges, polarity, masks, destinations, delivery modes.

use super::{
    pins::{NEEDS, PIN, Pins, VECTOR, count_up_to, edge, level},
    table::{DESTINATIONS, FLAT},
};
use rt::{
    case, check, check_count,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    io_apic::{self, NR_PINS, low},
    local_apic::register::Register,
    vocabulary::Needs,
};

/// Drives each of some pins in turn.
fn drive_each(driven: impl Iterator<Item = u8>) {
    let pins = Pins::new(End::LocalApic);
    let mut expected = 0;
    for pin in driven {
        io_apic::set_entry(pin, pins.id(), edge(pin));
        pins.lines.set(pin, true);
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR + pin) != 0);
        check!("it is taken", [&[]; pin], came);
        pins.lines.set(pin, false);
        expected += 1;
        check_count!("interrupts up to this one", [&[]; pin], interrupts::total(), expected);
    }
    check_count!("interrupts", count_up_to(expected), expected);
}

/// Each pin up to 12 interrupts with the vector of its entry, once for a rise.
#[case(feature = IoApicDelivery, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"),
       needs = NEEDS | Needs::SIGNALS, irqchip = Full)]
fn each_pin_up_to_12_has_its_vector() {
    drive_each((1..13).filter(|pin| *pin != 2));
}

/// Each pin from 13 on interrupts with the vector of its entry, once for a rise.
#[case(feature = IoApicDelivery, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"),
       needs = NEEDS | Needs::SIGNALS, irqchip = Full)]
fn each_pin_from_13_has_its_vector() {
    drive_each(13..NR_PINS);
}

/// A pulse of an event is an edge too.
#[case(feature = IoApicDelivery, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"),
       needs = NEEDS | Needs::SIGNALS, irqchip = Full)]
fn pulses_are_edges() {
    let pins = Pins::new(End::LocalApic);
    for pin in [3, 9, 16, 23_u8] {
        io_apic::set_entry(pin, pins.id(), edge(pin));
        for turn in 1..=3_u32 {
            rt::signals::pulse_line(pin);
            let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR + pin) == turn);
            check!("it is taken", [&[]; pin], came);
        }
    }
    check_count!("interrupts", count_up_to(12), 12);
}

/// Line 0 of the timer leads to pin 2: a channel that counts to its end interrupts there.
#[case(feature = IoApicDelivery, spec = [io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), mp("Bus-to-Interrupt Routing")],
       needs = NEEDS | Needs::PIT, irqchip = Full)]
fn timer_interrupts_by_pin_2() {
    use rt::pit::{Bytes, Channel, control_bits};
    let pins = Pins::new(End::LocalApic);
    for pin in 0..3 {
        io_apic::set_entry(pin, pins.id(), edge(pin));
    }
    Channel::Zero.control(control_bits(Bytes::Both, 0, false));
    interrupts::clear();
    Channel::Zero.write_count(Bytes::Both, 200);
    let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR + 2) != 0);
    check!("by pin 2", came);
    check_count!("interrupts", count_up_to(1), 1);
}

/// An edge-triggered pin interrupts when it rises, not while it is high, and not when it falls.
#[case(feature = IoApicDelivery, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn edge_is_a_rise() {
    let pins = Pins::new(End::LocalApic);
    pins.program(edge(0));
    for turn in 0..3_u32 {
        pins.drive(true);
        check_count!("after the rise", [&[]; turn], count_up_to(turn + 1), turn + 1);
        pins.drive(false);
        check_count!("after the fall", [&[]; turn], count_up_to(turn + 1), turn + 1);
    }
    check_count!("with the vector", interrupts::count(VECTOR), 3);
}

/// What an active-low pin makes: an edge is a fall, and a level is low.
#[case(feature = IoApicDelivery, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn active_low_edge_is_a_fall() {
    let pins = Pins::new(End::LocalApic);
    pins.drive(true);
    io_apic::set_entry(PIN, pins.id(), edge(0) | low::ACTIVE_LOW | low::MASKED);
    io_apic::write_low(PIN, edge(0) | low::ACTIVE_LOW);
    // What changing the polarity makes of an edge, the data sheet does not tell.
    let _ = count_up_to(0);
    interrupts::clear();
    pins.drive(false);
    check_count!("after the fall", count_up_to(1), 1);
    pins.drive(true);
    check_count!("after the rise", count_up_to(1), 1);
}

/// An active-low level-triggered pin interrupts while it is low.
#[case(feature = IoApicLevel, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn active_low_level_is_low() {
    let pins = Pins::new(End::Not);
    pins.drive(true);
    io_apic::set_entry(PIN, pins.id(), level(0) | low::ACTIVE_LOW);
    check_count!("while it is high", count_up_to(0), 0);
    pins.drive(false);
    check_count!("while it is low", count_up_to(1), 1);
    pins.drive(true);
    pins.apic.end_interrupt();
    check_count!("after the end", count_up_to(1), 1);
}

/// An edge at a masked pin is lost, whether the pin stays high or not.
#[case(feature = IoApicDelivery, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn masked_edge_is_lost() {
    let pins = Pins::new(End::LocalApic);
    pins.program(edge(0) | low::MASKED);
    pins.pulse();
    pins.program(edge(0));
    check_count!("after a pulse", count_up_to(0), 0);
    pins.program(edge(0) | low::MASKED);
    pins.drive(true);
    pins.program(edge(0));
    check_count!("while it is high", count_up_to(0), 0);
    pins.drive(false);
    pins.drive(true);
    check_count!("with the next rise", count_up_to(1), 1);
}

/// A level at a masked pin interrupts when the pin is unmasked, if it is still there.
#[case(feature = IoApicLevel, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn masked_level_waits() {
    let pins = Pins::new(End::Not);
    pins.program(level(0) | low::MASKED);
    pins.pulse();
    pins.program(level(0));
    check_count!("a level that is gone", count_up_to(0), 0);
    pins.program(level(0) | low::MASKED);
    pins.drive(true);
    check_count!("while masked", count_up_to(0), 0);
    check!("remote IRR while masked", !io_apic::awaits_end(PIN));
    pins.program(level(0));
    check_count!("a level that is there", count_up_to(1), 1);
}

/// The destination of an entry chooses the processor by its ID or by its logical ID.
#[case(feature = IoApicDelivery, spec = [io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), sdm3a("Determining IPI Destination")],
       needs = NEEDS, irqchip = Full)]
fn destination_chooses_the_processor() {
    let pins = Pins::new(End::LocalApic);
    for (number, row) in DESTINATIONS.iter().enumerate() {
        pins.apic.write(Register::DFR, row.format);
        pins.apic.write(Register::LDR, u32::from(row.id) << 24);
        let destination = if row.logical { row.destination } else { row.destination.wrapping_add(pins.id()) };
        interrupts::clear();
        io_apic::set_entry(PIN, destination, edge(0) | if row.logical { low::LOGICAL } else { 0 });
        pins.pulse();
        check_count!("interrupts", [&[]; number], count_up_to(row.expected), row.expected);
    }
    pins.apic.write(Register::DFR, FLAT);
    pins.apic.write(Register::LDR, 0);
}

/// Physical destination FFH is all processors.
#[case(feature = IoApicDelivery, spec = sdm3a("Physical Destination Mode"), needs = NEEDS, irqchip = Full)]
fn physical_broadcast_reaches_the_processor() {
    let pins = Pins::new(End::LocalApic);
    io_apic::set_entry(PIN, 0xff, edge(0));
    pins.pulse();
    check_count!("interrupts", count_up_to(1), 1);
}

/// To one processor alone, lowest priority is as good as fixed. Its destination is logical: with a physical one, devices must not
/// ask for it ("Physical Destination Mode").
#[case(feature = IoApicDelivery, spec = [io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), sdm3a("Lowest Priority Delivery Mode")],
       needs = NEEDS, irqchip = Full)]
fn lowest_priority_finds_the_only_processor() {
    let pins = Pins::new(End::LocalApic);
    pins.apic.write(Register::LDR, 1 << 24);
    io_apic::set_entry(PIN, 1, edge(0) | low::LOWEST_PRIORITY | low::LOGICAL);
    pins.pulse();
    check_count!("interrupts", count_up_to(1), 1);
}

/// Delivery mode NMI gives an NMI for each edge, whatever the vector says, with IF clear and under any task priority.
#[case(feature = IoApicDelivery, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn delivery_mode_nmi_ignores_the_vector() {
    const NMI: u8 = 2;
    let pins = Pins::new(End::LocalApic);
    let _listening = Listening::to(NMI..=NMI, End::Not);
    pins.apic.write(Register::TPR, 0xf0);
    for (row, vector) in [0, 2, 0x41, 0xff_u32].into_iter().enumerate() {
        interrupts::clear();
        pins.program(vector | low::NMI);
        pins.pulse();
        // With IF clear: it must have come when some registers have been read.
        for _ in 0..4 {
            let _ = io_apic::read_low(PIN);
        }
        check_count!("NMIs", [&[]; row], interrupts::count(NMI), 1);
        check_count!("interrupts", [&[]; row], interrupts::total(), 1);
    }
}

/// An interrupt waits in the local APIC while the task priority holds it back, and the entry is idle.
#[case(feature = IoApicDelivery, spec = io_apic("IOREDTBL[23:0]—I/O Redirection Table Registers"), needs = NEEDS, irqchip = Full)]
fn accepted_interrupt_leaves_the_entry_idle() {
    let pins = Pins::new(End::LocalApic);
    pins.apic.write(Register::TPR, 0xf0);
    pins.program(edge(0));
    pins.pulse();
    check!("requested", pins.apic.is_requested(VECTOR));
    check!("as an edge", !pins.apic.is_level(VECTOR));
    check!("delivery status is idle", io_apic::read_low(PIN) & low::PENDING == 0);
    check_count!("held back", count_up_to(0), 0);
    pins.apic.write(Register::TPR, 0);
    check_count!("let in", count_up_to(1), 1);
}
