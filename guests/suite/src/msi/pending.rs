//! Messages that must wait: joined, ordered, held back, and what wakes a processor.

use rt::{
    case, check, check_count, check_eq,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{LocalApic, register::Register, register::svr},
    signals::{self, Message, Way},
    vocabulary::Needs,
};

const VECTOR: u8 = 0x63;

fn message(apic: &LocalApic, vector: u8) -> Message {
    Message::fixed(apic.id() as u8, vector)
}

/// While interrupts are off, messages of one vector are joined: one interrupt comes of three.
#[case(feature = MessageDelivery, spec = sdm3a("Interrupt Acceptance for Fixed Interrupts"),
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn one_vector_waits_once() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    interrupts::clear();
    for _ in 0..3 {
        signals::send(message(&apic, VECTOR), Way::Direct);
    }
    check!("it waits", apic.is_requested(VECTOR));
    check!("it is taken", interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) != 0));
    check!("no more", !interrupts::wait_for_more());
    check_count!("interrupts", interrupts::total(), 1);
}

/// One of a vector waits while another of it is in service: two come of three that are sent then.
#[case(feature = MessageDelivery, spec = sdm3a("Interrupt Acceptance for Fixed Interrupts"),
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn one_more_waits_behind_the_one_in_service() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::Not);
    interrupts::clear();
    signals::send(message(&apic, VECTOR), Way::Direct);
    check!("it is taken", interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) == 1));
    for _ in 0..3 {
        signals::send(message(&apic, VECTOR), Way::Direct);
    }
    check!("in service", apic.is_in_service(VECTOR));
    check!("another waits", apic.is_requested(VECTOR));
    check!("it does not come", !interrupts::wait_for_more());
    apic.end_interrupt();
    check!("it comes", interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) == 2));
    apic.end_interrupt();
    check!("no more", !interrupts::wait_for_more());
    check_count!("interrupts", interrupts::total(), 2);
}

/// Those that wait come by descending vector, each before any lower one.
#[case(feature = MessageDelivery, spec = sdm3a("Interrupt, Task, and Processor Priority"),
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn waiting_vectors_come_by_priority() {
    const SENT: [u8; 8] = [0x45, 0xe1, 0x30, 0x88, 0x8f, 0x31, 0xfe, 0x44];
    const ORDER: [u8; 8] = [0xfe, 0xe1, 0x8f, 0x88, 0x45, 0x44, 0x31, 0x30];
    let apic = LocalApic::enabled();
    let _listening = Listening::to(0x30..=0xfe, End::LocalApic);
    interrupts::clear();
    for vector in SENT {
        signals::send(message(&apic, vector), Way::Direct);
    }
    check!("all are taken", interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= 8));
    for (index, vector) in ORDER.into_iter().enumerate() {
        let taken = interrupts::taken(index).map_or(0, |taken| taken.vector);
        check_eq!("vector", [&[]; index], u64::from(taken), u64::from(vector));
    }
    check!("no more", !interrupts::wait_for_more());
}

/// The task priority holds back messages of its class and below, and lets them go when it falls.
#[case(feature = MessageDelivery, spec = sdm3a("Interrupt, Task, and Processor Priority"),
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn task_priority_holds_back_its_class() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(0x30..=0xfe, End::LocalApic);
    for class in [3_u8, 7, 0xe] {
        apic.write(Register::TPR, u32::from(class) << 4);
        interrupts::clear();
        signals::send(message(&apic, class << 4 | 0xf), Way::Direct);
        check!("the class is held back", [&[]; class], !interrupts::wait_for_more());
        check!("it waits", [&[]; class], apic.is_requested(class << 4 | 0xf));
        signals::send(message(&apic, (class + 1) << 4), Way::Direct);
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count((class + 1) << 4) == 1);
        check!("the next class comes", [&[]; class], came);
        check_count!("interrupts", [&[]; class], interrupts::total(), 1);
        apic.write(Register::TPR, 0);
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(class << 4 | 0xf) == 1);
        check!("it comes when the priority falls", [&[]; class], came);
    }
}

/// A message that came while interrupts were off ends a HLT behind STI.
#[case(feature = MessageDelivery, spec = [sdm2("HLT—Halt"), sdm2("STI—Set Interrupt Flag")],
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn waiting_message_ends_a_halt() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for turn in 1..=4_u32 {
        signals::send(message(&apic, VECTOR), Way::Direct);
        // Halts for ever if the message is lost: the hang says so.
        let woke = interrupts::halt_until(GENEROUS_MICROS, || interrupts::count(VECTOR) >= turn);
        check!("it wakes", [&[]; turn], woke);
    }
    check_count!("interrupts", interrupts::count(VECTOR), 4);
    interrupts::clear();
}

/// Disabled by software, a local APIC takes no fixed message; what was sent meanwhile is lost.
#[case(feature = MessageDelivery, spec = sdm3a("Local APIC State After It Has Been Software Disabled"),
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn disabled_local_apic_takes_no_message() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    interrupts::clear();
    apic.write(Register::SVR, 0xff);
    signals::send(message(&apic, VECTOR), Way::Direct);
    check!("nothing comes", !interrupts::wait_for_more());
    apic.write(Register::SVR, svr::ENABLED | 0xff);
    check!("nor when it is enabled again", !interrupts::wait_for_more());
    signals::send(message(&apic, VECTOR), Way::Direct);
    check!("the next comes", interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) == 1));
}
