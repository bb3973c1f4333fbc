//! Pin LINT1, which a PC drives with NMI: what the local vector table makes of it.

use super::NMI;
use core::sync::atomic::{AtomicU32, Ordering};
use rt::{
    case, check, check_count, check_eq,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        self, LocalApic, Mode, Registers,
        register::{Register, lvt, svr},
    },
    names,
    signals::{self, Command},
    trap::TrapFrame,
    vocabulary::{Needs, Text},
};

const NEEDS: Needs = Needs::LOCAL_APIC.union(Needs::SIGNALS);
const VECTOR: u8 = 0x78;

/// Raises and lowers the pin; interrupts come when they are let in.
fn pulse() {
    check!("the pin is driven", signals::command(Command::PulseLint1));
}

fn in_mode(mode: Mode) -> Option<LocalApic> {
    let apic = LocalApic::in_mode(mode).ok();
    check!("the mode", apic.is_some());
    interrupts::clear();
    apic
}

fn walk_modes(mode: Mode) {
    const NAMES: &[Text] =
        names!["masked NMI", "NMI, vector 0", "NMI, vector 78H", "NMI", "masked", "fixed", "NMI again"];
    const VECTORS: [u32; 7] = [
        lvt::MASKED | lvt::NMI,
        lvt::NMI,
        lvt::NMI | 0x78,
        lvt::NMI | 2,
        lvt::MASKED | 0x78,
        lvt::FIXED | 0x78,
        lvt::NMI,
    ];
    let Some(apic) = in_mode(mode) else { return };
    let _listening = (Listening::to(NMI..=NMI, End::Not), Listening::to(VECTOR..=VECTOR, End::LocalApic));
    for (row, entry) in VECTORS.into_iter().enumerate() {
        interrupts::clear();
        apic.write(Register::LVT_LINT1, entry);
        check_eq!("the entry", [NAMES; row], apic.read(Register::LVT_LINT1), entry);
        pulse();
        let _ = interrupts::wait_for_more();
        let is_masked = entry & lvt::MASKED != 0;
        let is_nmi = entry & lvt::NMI != 0;
        check_count!("NMIs", [NAMES; row], interrupts::count(NMI), u32::from(!is_masked && is_nmi));
        check_count!("interrupts", [NAMES; row], interrupts::count(VECTOR), u32::from(!is_masked && !is_nmi));
    }
    apic.write(Register::LVT_LINT1, lvt::MASKED);
}

/// The pin makes what its entry says: nothing while it is masked, an NMI whatever the vector is, or an interrupt of the vector.
#[case(feature = NonMaskable, spec = [sdm3a("Local Vector Table"), sdm3a("Nonmaskable Interrupt (NMI)")], needs = NEEDS,
       irqchip = LocalApic)]
fn its_entry_decides() {
    walk_modes(Mode::XApic);
}

/// In x2APIC mode too the pin makes what its entry says.
#[case(feature = NonMaskable, spec = sdm3a("Local Vector Table"), needs = NEEDS | Needs::X2APIC, irqchip = LocalApic)]
fn its_entry_decides_in_x2apic_mode() {
    walk_modes(Mode::X2Apic);
}

/// An NMI by the pin is taken whatever masks interrupts, at once for each time that the pin rises.
#[case(feature = NonMaskable, spec = [sdm3a("Nonmaskable Interrupt (NMI)"), sdm3a("Task and Processor Priorities")], needs = NEEDS,
       irqchip = LocalApic)]
fn nothing_that_masks_interrupts_holds_the_pin_back() {
    const NAMES: &[Text] = names!["IF clear", "task priority F0H"];
    let Some(apic) = in_mode(Mode::XApic) else { return };
    let _listening = Listening::to(NMI..=NMI, End::Not);
    apic.write(Register::LVT_LINT1, lvt::NMI);
    let _flag = interrupts::disable();
    for row in 0..NAMES.len() {
        interrupts::clear();
        apic.write(Register::TPR, [0, 0xf0][row]);
        for turn in 1..=3_u32 {
            pulse();
            // An exit, behind which it must have come.
            let _ = signals::was_taken();
            check_count!("NMIs", [NAMES; row], interrupts::count(NMI), turn);
        }
        check_count!("in all", [NAMES; row], interrupts::total(), 3);
    }
    apic.write(Register::LVT_LINT1, lvt::MASKED);
}

/// An edge at the masked pin is lost: it makes no NMI when the mask is lifted.
#[case(feature = NonMaskable, spec = sdm3a("Local Vector Table"), needs = NEEDS, irqchip = LocalApic)]
fn masked_edge_at_the_pin_is_lost() {
    let Some(apic) = in_mode(Mode::XApic) else { return };
    let _listening = Listening::to(NMI..=NMI, End::Not);
    apic.write(Register::LVT_LINT1, lvt::MASKED | lvt::NMI);
    pulse();
    apic.write(Register::LVT_LINT1, lvt::NMI);
    check!("nothing comes", !interrupts::wait_for_more());
    pulse();
    let _ = interrupts::wait_for_more();
    check_count!("with the next rise", interrupts::count(NMI), 1);
    apic.write(Register::LVT_LINT1, lvt::MASKED);
}

/// A fixed interrupt of the pin waits while the task priority holds it back, as an edge, and is served by an end.
#[case(feature = NonMaskable, spec = [sdm3a("Local Vector Table"), sdm3a("Interrupt Acceptance for Fixed Interrupts")], needs = NEEDS,
       irqchip = LocalApic)]
fn fixed_interrupt_of_the_pin_has_a_priority() {
    let Some(apic) = in_mode(Mode::XApic) else { return };
    let _listening = Listening::to(VECTOR..=VECTOR, End::Not);
    apic.write(Register::LVT_LINT1, lvt::FIXED | u32::from(VECTOR));
    apic.write(Register::TPR, 0x70);
    pulse();
    check!("held back", !interrupts::wait_for_more());
    check!("requested", apic.is_requested(VECTOR));
    check!("as an edge", !apic.is_level(VECTOR));
    apic.write(Register::TPR, 0);
    let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) == 1);
    check!("taken", came);
    check!("in service", apic.is_in_service(VECTOR));
    pulse();
    check!("not another inside of it", !interrupts::wait_for_more());
    apic.end_interrupt();
    let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) == 2);
    check!("after the end", came);
    apic.end_interrupt();
    check!("no more", !interrupts::wait_for_more());
    apic.write(Register::LVT_LINT1, lvt::MASKED);
}

/// Disabled by software, all entries are masked: the pin makes nothing, and not after it is enabled either.
#[case(feature = NonMaskable, spec = [sdm3a("Local APIC State After It Has Been Software Disabled"), sdm3a("Local Vector Table")],
       needs = NEEDS, irqchip = LocalApic)]
fn disabled_by_software_masks_the_pin() {
    let Some(apic) = in_mode(Mode::XApic) else { return };
    let _listening = Listening::to(NMI..=NMI, End::Not);
    apic.write(Register::LVT_LINT1, lvt::NMI);
    apic.write(Register::SVR, 0xff);
    check_eq!("the entry", apic.read(Register::LVT_LINT1), lvt::MASKED | lvt::NMI);
    pulse();
    check!("nothing comes", !interrupts::wait_for_more());
    apic.write(Register::SVR, svr::ENABLED | 0xff);
    check!("nor when it is enabled", !interrupts::wait_for_more());
}

/// Disabled as if there were no local APIC, the pin is NMI, whatever its entry said.
#[case(feature = NonMaskable, spec = [sdm3a("Enabling or Disabling the Local APIC"), sdm3a("Local APIC Status and Location")], needs = NEEDS,
       irqchip = LocalApic)]
fn without_a_local_apic_the_pin_is_nmi() {
    let Some(apic) = in_mode(Mode::XApic) else { return };
    let _listening = Listening::to(NMI..=NMI, End::Not);
    apic.write(Register::LVT_LINT1, lvt::MASKED | lvt::NMI);
    check!("it is disabled", local_apic::go_to(Mode::Disabled).is_ok());
    pulse();
    let _ = interrupts::wait_for_more();
    check_count!("NMIs", interrupts::count(NMI), 1);
    check_count!("in all", interrupts::total(), 1);
}

static INSIDE: AtomicU32 = AtomicU32::new(0);

fn pulse_inside(frame: &mut TrapFrame) {
    interrupts::log(frame);
    if interrupts::count(NMI) == 1 {
        let _ = signals::command(Command::PulseLint1);
        let _ = Registers::new().is_requested(VECTOR);
        INSIDE.store(interrupts::count(NMI) - 1, Ordering::Relaxed);
    }
}

/// An NMI by the pin that comes while one is handled waits until IRET.
#[case(feature = NonMaskable, spec = sdm3a("Handling Multiple NMIs"), needs = NEEDS, irqchip = LocalApic)]
fn another_by_the_pin_waits_for_iret() {
    let Some(apic) = in_mode(Mode::XApic) else { return };
    let _listening = Listening::with_handler(NMI..=NMI, End::Not, pulse_inside);
    apic.write(Register::LVT_LINT1, lvt::NMI);
    pulse();
    let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(NMI) >= 2);
    check!("both come", came);
    let _ = interrupts::wait_for_more();
    check_count!("inside of the handler", INSIDE.load(Ordering::Relaxed), 0);
    check_count!("NMIs", interrupts::count(NMI), 2);
    apic.write(Register::LVT_LINT1, lvt::MASKED);
}
