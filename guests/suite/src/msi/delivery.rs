//! Vectors, trigger modes and delivery modes of messages.

use super::{WAY_NAMES, WAYS};
use rt::{
    case, check, check_count,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{LocalApic, register::Register},
    names,
    signals::{self, Message, Way, address, data},
    vocabulary::{Needs, Text},
};

/// Vectors that a message may have and that are no exceptions' (SDM: 10H to FEH).
const VECTORS: core::ops::RangeInclusive<u8> = 0x20..=0xfe;
const VECTOR: u8 = 0x61;

fn destination(apic: &LocalApic) -> u8 {
    apic.id() as u8
}

/// Sends a message and tells how many interrupts came.
fn send_and_count(message: Message, way: Way, vector: u8) -> u32 {
    interrupts::clear();
    signals::send(message, way);
    let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(vector) != 0);
    let _ = interrupts::wait_for_more();
    interrupts::total()
}

/// A message with a vector, from the first that is no exception's to FEH, is delivered with that vector, once.
#[case(feature = MessageDelivery, spec = sdm3a("Message Signalled Interrupts"), needs = Needs::SIGNALS | Needs::LOCAL_APIC,
       irqchip = LocalApic, time = 2)]
fn each_vector_is_delivered_once() {
    // Reaches both ends, and each register of IRR several times.
    const STEP: usize = 6;
    let apic = LocalApic::enabled();
    let id = destination(&apic);
    let _listening = Listening::to(VECTORS, End::LocalApic);
    for vector in VECTORS.step_by(STEP) {
        interrupts::clear();
        signals::send(Message::fixed(id, vector), Way::Direct);
        let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(vector) == 1);
        check!("it is taken", [&[]; vector], came);
        check_count!("interrupts", [&[]; vector], interrupts::total(), 1);
    }
}

/// Sent directly or by a route, a message is delivered each time it is sent, and then not again.
#[case(feature = MessageRouting, spec = [sdm3a("Message Signalled Interrupts"), kvm("The Definitive KVM API Documentation")],
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn each_way_delivers_each_time() {
    const TURNS: u32 = 8;
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTORS, End::LocalApic);
    for (row, way) in WAYS.into_iter().enumerate() {
        interrupts::clear();
        for turn in 1..=TURNS {
            signals::send(Message::fixed(destination(&apic), VECTOR), way);
            let came = interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(VECTOR) == turn);
            check!("it is taken", [WAY_NAMES; row], came);
        }
        check!("no more", [WAY_NAMES; row], !interrupts::wait_for_more());
        check_count!("interrupts", [WAY_NAMES; row], interrupts::total(), TURNS);
    }
}

/// A route that gets another message delivers that one from then on.
#[case(feature = MessageRouting, spec = kvm("The Definitive KVM API Documentation"),
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn changed_route_delivers_the_new_message() {
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTORS, End::LocalApic);
    for vector in 0x60..0x68_u8 {
        let nr_taken = send_and_count(Message::fixed(destination(&apic), vector), Way::Routed, vector);
        check_count!("of the new vector", [&[]; vector], interrupts::count(vector), 1);
        check_count!("interrupts", [&[]; vector], nr_taken, 1);
    }
}

/// The trigger mode of a message is that of the interrupt: TMR tells it while it is in service.
#[case(feature = MessageDelivery, spec = [sdm3a("Message Signalled Interrupts"), sdm3a("Interrupt Acceptance for Fixed Interrupts")],
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn trigger_mode_is_told_by_tmr() {
    const NAMES: &[Text] = names!["edge", "level", "edge again"];
    let apic = LocalApic::enabled();
    let _listening = Listening::to(VECTOR..=VECTOR, End::Not);
    for (row, bits) in [0, data::LEVEL | data::ASSERT, 0].into_iter().enumerate() {
        let nr_taken = send_and_count(Message::fixed(destination(&apic), VECTOR).with_data(bits), Way::Direct, VECTOR);
        check_count!("interrupts", [NAMES; row], nr_taken, 1);
        check!("in service", [NAMES; row], apic.is_in_service(VECTOR));
        check!("TMR", [NAMES; row], apic.is_level(VECTOR) == (bits & data::LEVEL != 0));
        apic.end_interrupt();
        check!("ended", [NAMES; row], !apic.is_in_service(VECTOR));
    }
}

/// Delivery mode NMI gives an NMI, whatever the vector says, and IF and the task priority do not hold it back.
#[case(feature = MessageDelivery, spec = sdm3a("Message Signalled Interrupts"), needs = Needs::SIGNALS | Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn delivery_mode_nmi_ignores_the_vector() {
    const NMI: u8 = 2;
    const NAMES: &[Text] = names!["vector 0", "vector 2", "vector 61H", "vector FFH"];
    let apic = LocalApic::enabled();
    apic.write(Register::TPR, 0xf0);
    let _listening = (Listening::to(NMI..=NMI, End::Not), Listening::to(VECTORS, End::LocalApic));
    for (row, vector) in [0, 2, VECTOR, 0xff].into_iter().enumerate() {
        interrupts::clear();
        signals::send(Message::fixed(destination(&apic), vector).with_data(data::NMI), Way::Direct);
        // With IF clear: it must have come when the host has answered.
        for _ in 0..4 {
            let _ = signals::was_taken();
        }
        check_count!("NMIs", [NAMES; row], interrupts::count(NMI), 1);
        check_count!("interrupts", [NAMES; row], interrupts::total(), 1);
        check!("no vector waits", [NAMES; row], !apic.is_requested(vector));
    }
}

/// Lowest priority, to one processor alone, is as good as fixed. Its destination is logical: with a physical one, devices must not
/// ask for it ("Physical Destination Mode").
#[case(feature = MessageDelivery, spec = [sdm3a("Message Signalled Interrupts"), sdm3a("Lowest Priority Delivery Mode")],
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn lowest_priority_finds_the_only_processor() {
    const LOGICAL_ID: u8 = 1;
    let apic = LocalApic::enabled();
    apic.write(Register::LDR, u32::from(LOGICAL_ID) << 24);
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let message = Message::fixed(LOGICAL_ID, VECTOR)
        .with_data(data::LOWEST_PRIORITY)
        .with_address(address::REDIRECTION | address::LOGICAL);
    check_count!("interrupts", send_and_count(message, Way::Direct, VECTOR), 1);
}
