//! The local vector table while the local APIC is enabled and disabled by software, and what SVR does else.

use super::interrupting::{VECTORS, drain, nothing_comes};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome, instruction,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic, Mode,
        register::{Register, esr, lvt, svr},
    },
    names,
    vocabulary::{Needs, Text},
};

fn with(mode: Mode, body: impl FnOnce(&LocalApic)) {
    match LocalApic::in_mode(mode) {
        Ok(apic) => {
            body(&apic);
            drain(&apic);
        }
        Err(exception) => check_outcome!("to the mode", exception, Outcome::COMPLETED),
    }
}

/// The entries that every local APIC has.
const ENTRIES: [Register; 4] = [Register::LVT_TIMER, Register::LVT_LINT0, Register::LVT_LINT1, Register::LVT_ERROR];
const NAMES: &[Text] = names!["timer", "LINT0", "LINT1", "error"];

fn walk_masks(apic: &LocalApic) {
    // Active low and fixed; nothing asserts these pins meanwhile that could be taken, because IF is clear.
    for register in ENTRIES {
        apic.write(register, lvt::MASKED | 0x70);
    }
    apic.write(Register::LVT_TIMER, 0x71);
    apic.write(Register::LVT_ERROR, 0x72);
    apic.write(Register::SVR, 0xff);
    for (row, register) in ENTRIES.into_iter().enumerate() {
        let vector = [0x71, 0x70, 0x70, 0x72][row];
        check_eq!("masked by disabling", [NAMES; row], apic.read(register), lvt::MASKED | vector);
        apic.write(register, 0x75);
        check_eq!("written while disabled", [NAMES; row], apic.read(register), lvt::MASKED | 0x75);
    }
    apic.write(Register::SVR, svr::ENABLED | 0xff);
    for (row, register) in ENTRIES.into_iter().enumerate() {
        check_eq!("still masked when enabled", [NAMES; row], apic.read(register), lvt::MASKED | 0x75);
        // Where it is not, a tick of the board would interrupt whatever follows.
        apic.write(register, lvt::MASKED);
    }
}

/// Disabling the local APIC by software masks every entry, which cannot be undone until it is enabled.
#[case(feature = ApicLocalVectors, spec = [sdm3a("Local APIC State After It Has Been Software Disabled"), sdm3a("Local Vector Table")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn disabling_by_software_masks_entries() {
    with(Mode::XApic, walk_masks);
}

/// In x2APIC mode too disabling by software masks every entry.
#[case(feature = ApicLocalVectors, spec = sdm3a("Local APIC State After It Has Been Software Disabled"),
       needs = Needs::LOCAL_APIC | Needs::X2APIC, irqchip = LocalApic)]
fn disabling_by_software_masks_entries_in_x2apic_mode() {
    with(Mode::X2Apic, walk_masks);
}

/// Disabled by software, the local APIC holds what is requested, keeps its registers, and takes no more fixed interrupts.
#[case(feature = ApicLocalVectors, spec = sdm3a("Local APIC State After It Has Been Software Disabled"), needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn disabled_by_software() {
    with(Mode::XApic, |apic| {
        let _listening = Listening::to(VECTORS, End::LocalApic);
        apic.write(Register::TPR, 0xf3);
        apic.send_to_self(0x51);
        apic.write(Register::SVR, 0xfc);
        check_eq!("SVR", apic.read(Register::SVR), 0xfc);
        check!("what waits is held", apic.is_requested(0x51));
        check_eq!("TPR", apic.read(Register::TPR), 0xf3);
        apic.send_to_self(0x52);
        check!("no other is taken", !apic.is_requested(0x52));
        apic.write(Register::SVR, svr::ENABLED | 0xff);
        check!("it waits still", apic.is_requested(0x51));
        apic.write(Register::TPR, 0);
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() != 0);
        let _ = nothing_comes();
        check_count!("it comes", interrupts::count(0x51), 1);
        check_count!("and nothing else", interrupts::total(), 1);
    });
}

/// Disabled by software, the local APIC still receives an NMI.
#[case(feature = ApicLocalVectors, spec = sdm3a("Local APIC State After It Has Been Software Disabled"), needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn nmi_while_disabled_by_software() {
    with(Mode::XApic, |apic| {
        apic.write(Register::SVR, 0xff);
        let result = rt::catch(|| {
            apic.send_nmi_to_self();
            Outcome::from(instruction!("hlt"))
        });
        check_outcome!("HLT", result.unwrap_or_else(Outcome::from), Outcome::exception(2, 0));
        apic.write(Register::SVR, svr::ENABLED | 0xff);
    });
}

/// How late a timer of the host may be, in microseconds, where an interrupt must not come that a late one would make.
const LATE_MICROS: u64 = 3_000;

/// The timer's entry decides the vector, and whether there is an interrupt at all.
fn walk_timer(apic: &LocalApic) {
    let _listening = Listening::to(VECTORS, End::LocalApic);
    for vector in [0x20, 0x47, 0x80, 0xcc, 0xff_u8] {
        apic.write(Register::LVT_TIMER, vector.into());
        apic.write(Register::INITIAL_COUNT, 1000);
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(vector) != 0);
        let _ = nothing_comes();
        check_count!("taken", [&[]; vector], interrupts::count(vector), 1);
    }
    check_count!("nothing else", interrupts::total(), 5);
    apic.write(Register::LVT_TIMER, lvt::MASKED | 0x55);
    apic.write(Register::INITIAL_COUNT, 1000);
    let is_over = interrupts::wait_until(GENEROUS_MICROS, || apic.read(Register::CURRENT_COUNT) == 0);
    check!("it counts while masked", is_over);
    // A host may tell that the count is over before its own timer has ended.
    check!("masked", !interrupts::let_in_for(LATE_MICROS));
    apic.write(Register::LVT_TIMER, 0x55);
    check!("what was masked does not come later", !interrupts::let_in_for(LATE_MICROS));
}

/// The timer interrupts with the vector of its entry, and not while that is masked.
#[case(feature = ApicLocalVectors, spec = [sdm3a("Local Vector Table"), sdm3a("APIC Timer")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn timer_entry() {
    with(Mode::XApic, walk_timer);
}

/// In x2APIC mode too the timer interrupts with the vector of its entry, and not while that is masked.
#[case(feature = ApicLocalVectors, spec = [sdm3a("Local Vector Table"), sdm3a("APIC Timer")],
       needs = Needs::LOCAL_APIC | Needs::X2APIC, irqchip = LocalApic)]
fn timer_entry_in_x2apic_mode() {
    with(Mode::X2Apic, walk_timer);
}

/// A vector below 16 in an entry is not delivered, and is the error of one that was received.
#[case(feature = ApicLocalVectors, spec = [sdm3a("Error Handling"), sdm3a("Valid Interrupt Vectors")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn illegal_vectors_in_an_entry() {
    with(Mode::XApic, |apic| {
        let _ = apic.take_errors();
        for vector in [0, 1, 2, 8, 15_u8] {
            apic.write(Register::LVT_TIMER, vector.into());
            // Writing an illegal vector may be an error of its own.
            let _ = apic.take_errors();
            apic.write(Register::INITIAL_COUNT, 1000);
            let is_over = interrupts::wait_until(GENEROUS_MICROS, || apic.read(Register::CURRENT_COUNT) == 0);
            check!("the timer is over", [&[]; vector], is_over);
            // A host may tell that the count is over before its own timer has ended.
            let mut errors = 0;
            interrupts::wait_until(LATE_MICROS, || {
                errors |= apic.take_errors();
                errors != 0
            });
            check_eq!("ESR", [&[]; vector], errors, esr::RECEIVE_ILLEGAL_VECTOR);
            check!("not requested", [&[]; vector], !apic.is_requested(vector));
        }
        apic.write(Register::LVT_TIMER, lvt::MASKED);
    });
}
