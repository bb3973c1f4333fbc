//! Destinations of messages.

use rt::{
    case, check, check_count,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{LocalApic, Mode, register::Register},
    names,
    signals::{self, Message, Way, address},
    vocabulary::{Needs, Text},
};

const VECTOR: u8 = 0x62;

/// Sends it, and tells how many interrupts came of `expected`.
fn send_and_count(message: Message, expected: u32) -> u32 {
    interrupts::clear();
    signals::send(message, Way::Direct);
    if expected != 0 {
        let _ = interrupts::wait_until(GENEROUS_MICROS, || interrupts::total() >= expected);
    }
    let _ = interrupts::wait_for_more();
    interrupts::total()
}

/// By ID, a message goes to the processor that has it, and to nobody else; ID FFH is all processors.
#[case(feature = MessageDelivery, spec = [sdm3a("Message Signalled Interrupts"), sdm3a("Physical Destination Mode")],
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn id_chooses_the_processor() {
    const NAMES: &[Text] = names!["own", "own + 1", "own + 8", "FEH", "FFH"];
    let apic = LocalApic::enabled();
    let own = apic.id() as u8;
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for (row, (id, expected)) in [(own, 1), (own + 1, 0), (own + 8, 0), (0xfe, 0), (0xff, 1)].into_iter().enumerate() {
        check_count!("interrupts", [NAMES; row], send_and_count(Message::fixed(id, VECTOR), expected), expected);
    }
}

/// The host is told whether a processor took a message.
#[case(feature = MessageDelivery, spec = kvm("The Definitive KVM API Documentation"),
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn sender_learns_whether_it_was_taken() {
    let apic = LocalApic::enabled();
    let own = apic.id() as u8;
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    let _ = send_and_count(Message::fixed(own, VECTOR), 1);
    check!("by the own ID", signals::was_taken());
    let _ = send_and_count(Message::fixed(own + 3, VECTOR), 0);
    check!("by an ID that nobody has", !signals::was_taken());
}

/// Destination, logical id, format, and whether one finds the other.
struct Row {
    format: u32,
    logical_id: u8,
    destination: u8,
    expected: u32,
}

const FLAT: u32 = 0xffff_ffff;
const CLUSTER: u32 = 0x0fff_ffff;

const fn row(format: u32, logical_id: u8, destination: u8, expected: u32) -> Row {
    Row { format, logical_id, destination, expected }
}

const ROWS: &[Row] = &[
    row(FLAT, 0x01, 0x01, 1),
    row(FLAT, 0x01, 0x02, 0),
    row(FLAT, 0x80, 0x81, 1),
    row(FLAT, 0x80, 0x7f, 0),
    row(FLAT, 0x14, 0x10, 1),
    row(FLAT, 0x14, 0xff, 1),
    row(FLAT, 0x00, 0xff, 1),
    row(CLUSTER, 0x21, 0x21, 1),
    row(CLUSTER, 0x21, 0x2f, 1),
    row(CLUSTER, 0x21, 0x2e, 0),
    row(CLUSTER, 0x21, 0x31, 0),
    row(CLUSTER, 0x21, 0xff, 1),
];
const ROW_NAMES: &[Text] = names![
    "flat 01H by 01H",
    "flat 01H by 02H",
    "flat 80H by 81H",
    "flat 80H by 7FH",
    "flat 14H by 10H",
    "flat 14H by all",
    "flat 00H by all",
    "cluster 21H by 21H",
    "cluster 21H by 2FH",
    "cluster 21H by 2EH",
    "cluster 21H by 31H",
    "cluster 21H by all",
];

/// By logical destination, which needs the redirection hint, a message goes to processors whose logical id matches.
#[case(feature = MessageDelivery, spec = [sdm3a("Message Signalled Interrupts"), sdm3a("Logical Destination Mode")],
       needs = Needs::SIGNALS | Needs::LOCAL_APIC, irqchip = LocalApic)]
fn logical_destination_chooses_the_processor() {
    let Ok(apic) = LocalApic::in_mode(Mode::XApic) else {
        check!("xAPIC mode", false);
        return;
    };
    let _listening = Listening::to(VECTOR..=VECTOR, End::LocalApic);
    for (number, row) in ROWS.iter().enumerate() {
        apic.write(Register::DFR, row.format);
        apic.write(Register::LDR, u32::from(row.logical_id) << 24);
        let message = Message::fixed(row.destination, VECTOR).with_address(address::REDIRECTION | address::LOGICAL);
        check_count!("interrupts", [ROW_NAMES; number], send_and_count(message, row.expected), row.expected);
    }
    apic.write(Register::DFR, FLAT);
    apic.write(Register::LDR, 0);
}
