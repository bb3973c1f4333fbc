//! NMIs reach the processor whatever masks interrupts.

use super::NMI;
use rt::{
    case, check_count, check_eq,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{LocalApic, register::Register},
    names,
    signals::{self, Message, Way, data},
    user,
    vocabulary::{Needs, Text, image::board::UNCLAIMED_PORT},
};

/// Some exits, in which whatever is pending is delivered.
fn exits() {
    for _ in 0..4 {
        let _ = rt::cpu::port::read_u8(UNCLAIMED_PORT);
    }
}

/// What masks interrupts, and holds no NMI back: IF, the task priority, a local APIC that is disabled by software.
#[case(feature = NonMaskable, spec = [sdm3a("Nonmaskable Interrupt (NMI)"), sdm3a("Local APIC State After It Has Been Software Disabled")],
       needs = Needs::LOCAL_APIC, irqchip = LocalApic)]
fn nothing_that_masks_interrupts_holds_it_back() {
    const NAMES: &[Text] = names!["IF set", "IF clear", "task priority F0H", "disabled by software"];
    let apic = LocalApic::enabled();
    let _listening = Listening::to(NMI..=NMI, End::Not);
    for row in 0..NAMES.len() {
        interrupts::clear();
        let _flag = if row == 0 { interrupts::enable() } else { interrupts::disable() };
        match row {
            2 => apic.write(Register::TPR, 0xf0),
            3 => apic.write(Register::SVR, 0xff),
            _ => (),
        }
        apic.send_nmi_to_self();
        exits();
        check_count!("NMIs", [NAMES; row], interrupts::count(NMI), 1);
        check_count!("interrupts", [NAMES; row], interrupts::total(), 1);
    }
}

/// An NMI is in no register of the local APIC: neither IRR nor ISR tells of it, and it needs no end of interrupt.
#[case(feature = NonMaskable, spec = sdm3a("Interrupt Acceptance for Fixed Interrupts"), needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn it_passes_by_the_registers() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(NMI..=NMI, End::Not);
    interrupts::clear();
    for turn in 1..=4_u32 {
        apic.send_nmi_to_self();
        let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(NMI) >= turn);
        exits();
        check_count!("NMIs", [&[]; turn], interrupts::count(NMI), turn);
    }
    for register in 0..8_u8 {
        check_eq!("IRR", [&[]; register], u64::from(apic.read(Register(Register::IRR.0 + register))), 0);
        check_eq!("ISR", [&[]; register], u64::from(apic.read(Register(Register::ISR.0 + register))), 0);
    }
}

/// At CPL 3 an NMI is taken as well, and the interrupted code goes on.
#[case(feature = NonMaskable, spec = sdm3a("Nonmaskable Interrupt (NMI)"), needs = Needs::SIGNALS | Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn it_ends_a_call_at_cpl_3() {
    let apic = LocalApic::enabled();
    let message = Message::fixed(apic.id() as u8, 0).with_data(data::NMI);
    let ran = {
        let _ports = rt::io_bitmap::allow(rt::vocabulary::image::board::SIGNAL_ADDRESS, 16);
        user::run(|| {
            signals::send(message, Way::Direct);
            for _ in 0..1_000_u32 {
                core::hint::spin_loop();
            }
        })
    };
    // A call at CPL 3 ends by whatever vector below 32 comes first.
    check_eq!("vector", ran.err().map_or(0, |exception| u64::from(exception.vector)), u64::from(NMI));
}
