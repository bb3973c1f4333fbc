//! Pin LINT0, which a PC's 8259A drives: as ExtINT, as a fixed interrupt, as an NMI, and masked.

use super::interrupting::drain;
use rt::{
    case, check, check_count, check_eq,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic, Mode,
        register::{Register, lvt},
    },
    names,
    pic::{self, Chip},
    signals,
    vocabulary::{Needs, Text},
};

const NEEDS: Needs = Needs::LOCAL_APIC.union(Needs::PIC).union(Needs::SIGNALS);
/// A line that no other device of the board uses.
const LINE: u8 = 5;
const EXTERNAL: u8 = pic::BASE + LINE;
const VECTOR: u8 = 0x77;
const NMI: u8 = 2;

fn prepare() -> Option<LocalApic> {
    let apic = LocalApic::in_mode(Mode::XApic).ok();
    check!("xAPIC mode", apic.is_some());
    pic::initialize(0);
    Chip::First.data(!(1 << LINE));
    apic
}

/// Takes the line down, and acknowledges what it asked for, so that the pin falls.
fn release() {
    signals::set_line(LINE, false);
    let _ = Chip::First.poll();
    Chip::First.command(pic::ocw2::END);
}

/// As ExtINT, the pin interrupts with the vector of the 8259A, whatever the task priority is, and nothing is in service in the
/// local APIC.
#[case(feature = ApicLocalVectors, spec = [sdm3a("Local Vector Table"), sdm3a("Interrupt Acceptance for Fixed Interrupts")], needs = NEEDS,
       irqchip = Full)]
fn external_interrupts_by_lint0() {
    const PRIORITIES: [u8; 3] = [0, 0x50, 0xf0];
    let Some(apic) = prepare() else { return };
    let _listening = Listening::to(pic::BASE..=pic::BASE + 15, End::Pic);
    apic.write(Register::LVT_LINT0, lvt::EXT_INT);
    for priority in PRIORITIES {
        interrupts::clear();
        apic.write(Register::TPR, priority.into());
        signals::set_line(LINE, true);
        interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(EXTERNAL) != 0);
        signals::set_line(LINE, false);
        let _ = interrupts::wait_for_more();
        check_count!("taken", [&[]; priority], interrupts::count(EXTERNAL), 1);
        check_count!("in all", [&[]; priority], interrupts::total(), 1);
        check!("not in service", [&[]; priority], !apic.is_in_service(EXTERNAL));
        check!("nor requested", [&[]; priority], !apic.is_requested(EXTERNAL));
    }
    drain(&apic);
}

/// Masked, the pin does nothing; the 8259A asks still when the mask is lifted.
#[case(feature = ApicLocalVectors, spec = sdm3a("Local Vector Table"), needs = NEEDS, irqchip = Full)]
fn masked_lint0() {
    let Some(apic) = prepare() else { return };
    let _listening = Listening::to(pic::BASE..=pic::BASE + 15, End::Pic);
    apic.write(Register::LVT_LINT0, lvt::MASKED | lvt::EXT_INT);
    signals::set_line(LINE, true);
    check!("nothing comes", !interrupts::wait_for_more());
    apic.write(Register::LVT_LINT0, lvt::EXT_INT);
    interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(EXTERNAL) != 0);
    check_count!("taken without the mask", interrupts::count(EXTERNAL), 1);
    signals::set_line(LINE, false);
    check!("no more", !interrupts::wait_for_more());
}

/// Fixed and edge-triggered, the pin interrupts with the vector of its entry, once for each time that it rises.
#[case(feature = ApicLocalVectors, spec = sdm3a("Local Vector Table"), needs = NEEDS, irqchip = Full)]
fn fixed_interrupts_by_lint0() {
    let Some(apic) = prepare() else { return };
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    apic.write(Register::LVT_LINT0, lvt::FIXED | u32::from(VECTOR));
    for turn in 1..=3_u32 {
        signals::set_line(LINE, true);
        let _ = interrupts::wait_for_more();
        check_count!("taken in all", [&[]; turn], interrupts::count(VECTOR), turn);
        release();
    }
    apic.write(Register::LVT_LINT0, lvt::MASKED);
}

/// Fixed and level-triggered, it interrupts again and again while it is high: remote IRR is set until the end, and TMR tells.
#[case(feature = ApicLocalVectors, spec = [sdm3a("Local Vector Table"), sdm3a("Interrupt Acceptance for Fixed Interrupts")], needs = NEEDS,
       irqchip = Full)]
fn level_triggered_lint0() {
    let Some(apic) = prepare() else { return };
    let _listening = Listening::to(VECTOR..=VECTOR, End::Not);
    apic.write(Register::LVT_LINT0, lvt::FIXED | lvt::LEVEL | u32::from(VECTOR));
    signals::set_line(LINE, true);
    for turn in 1..=3_u32 {
        let _ = interrupts::wait_for_more();
        check_count!("taken", [&[]; turn], interrupts::count(VECTOR), turn);
        check!("TMR", [&[]; turn], apic.is_level(VECTOR));
        check_eq!("remote IRR", [&[]; turn], apic.read(Register::LVT_LINT0) & lvt::REMOTE_IRR, lvt::REMOTE_IRR);
        if turn == 3 {
            release();
        }
        apic.end_interrupt();
    }
    check_eq!("remote IRR after the end", apic.read(Register::LVT_LINT0) & lvt::REMOTE_IRR, 0);
    check!("none when the pin is low", !interrupts::wait_for_more());
    apic.write(Register::LVT_LINT0, lvt::MASKED);
}

/// As NMI, the pin makes one each time that it rises, whatever the entry's vector is.
#[case(feature = ApicLocalVectors, spec = sdm3a("Local Vector Table"), needs = NEEDS, irqchip = Full)]
fn nmis_by_lint0() {
    const NAMES: &[Text] = names!["vector 0", "vector 77H", "vector 2"];
    let Some(apic) = prepare() else { return };
    let _listening = (Listening::to(NMI..=NMI, End::Not), Listening::to(VECTOR..=VECTOR, End::LocalApic));
    for (row, vector) in [0, VECTOR, NMI].into_iter().enumerate() {
        interrupts::clear();
        apic.write(Register::LVT_LINT0, lvt::NMI | u32::from(vector));
        signals::set_line(LINE, true);
        let _ = interrupts::wait_for_more();
        check_count!("NMIs", [NAMES; row], interrupts::count(NMI), 1);
        check_count!("in all", [NAMES; row], interrupts::total(), 1);
        release();
    }
    apic.write(Register::LVT_LINT0, lvt::MASKED);
}
