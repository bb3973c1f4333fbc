//! Events whose delivery fails: what exits, and what the exit tells of the event.

use super::{
    events_gates::{self as gates, DELIVERED, ending},
    events_model::{Event, Second, kind},
    exit_slots::run,
    with_guest,
};
use rt::{
    case, check_eq,
    layout::UNMAPPED,
    names, user_code,
    vmx::{Exit, Guest, field, reason},
    vocabulary::{Needs, Text},
};

user_code!(end: "vmcall");

const VALID: u32 = 1 << 31;
const IF: u64 = 1 << 9;
const CODE: u64 = 0x28;
const LENGTH: u64 = 4;

const EVENTS: [Event; 14] = [
    Event::of(kind::EXTERNAL, 0x51),
    Event::of(kind::NMI, 2),
    Event::of(kind::HARDWARE, 0),
    Event::of(kind::HARDWARE, 1),
    Event::of(kind::HARDWARE, 6),
    Event::of(kind::HARDWARE, 8),
    Event::of(kind::HARDWARE, 10),
    Event::of(kind::HARDWARE, 13),
    Event::of(kind::HARDWARE, 14),
    Event::of(kind::HARDWARE, 17),
    Event::of(kind::SOFTWARE, 0x80),
    Event::of(kind::SOFTWARE, 13),
    Event::of(kind::PRIVILEGED, 1),
    Event::of(kind::SOFTWARE_EXCEPTION, 3),
];
const NAMES: &[Text] = names![
    "interrupt",
    "NMI",
    "#DE",
    "#DB",
    "#UD",
    "#DF",
    "#TS",
    "#GP",
    "#PF",
    "#AC",
    "INT 80H",
    "INT 13",
    "INT1",
    "INT3"
];

/// What is wrong with the delivery.
#[derive(Clone, Copy)]
enum Defect {
    NotPresent,
    BeyondLimit,
    WrongType,
    NullSelector,
    StackUnmapped,
    TableUnmapped,
}

impl Defect {
    fn prepare(self, guest: &mut Guest, vector: u8) {
        match self {
            Self::NotPresent => gates::set(vector, gates::INTERRUPT_GATE & !gates::PRESENT),
            Self::BeyondLimit => _ = guest.set(field::GUEST_IDTR_LIMIT, u64::from(vector) * 16 + 14),
            Self::WrongType => gates::set(vector, 0x85),
            Self::NullSelector => gates::set_with_selector(vector, gates::INTERRUPT_GATE, 0),
            Self::StackUnmapped => _ = guest.set(field::GUEST_RSP, UNMAPPED + 0x800),
            Self::TableUnmapped => _ = guest.set(field::GUEST_IDTR_BASE, UNMAPPED),
        }
    }

    /// The exception that it raises, with its error code and, for a page fault, the address.
    fn exception(self, event: Event) -> (u8, u32, u64) {
        let of_gate = u32::from(event.vector) << 3 | 2 | event.external();
        match self {
            Self::NotPresent => (11, of_gate, 0),
            Self::BeyondLimit | Self::WrongType => (13, of_gate, 0),
            Self::NullSelector => (13, event.external(), 0),
            // A write, and a read, both by the supervisor, of what is not present.
            Self::StackUnmapped => (14, 2, UNMAPPED + 0x800 - 8),
            Self::TableUnmapped => (14, 0, UNMAPPED + u64::from(event.vector) * 16),
        }
    }
}

fn deliver(guest: &mut Guest, event: Event, defect: Defect, bitmap: u32) -> Exit {
    gates::attach(guest);
    let _ = guest.set(field::EXCEPTION_BITMAP, bitmap.into());
    let _ = guest.set(field::GUEST_RFLAGS, 2 | IF);
    let _ = guest.set(field::ENTRY_INTERRUPTION, event.word().into());
    let _ = guest.set(field::ENTRY_ERROR_CODE, CODE);
    let _ = guest.set(field::ENTRY_LENGTH, LENGTH);
    defect.prepare(guest, event.vector);
    let exit = run(guest);
    gates::set(event.vector, gates::INTERRUPT_GATE);
    exit
}

/// What the exit of an event's second exception must show: the exception bitmap comes before double faults.
fn judge(row: usize, event: Event, defect: Defect, exit: &Exit, rip: u64) {
    let (vector, error_code, address) = defect.exception(event);
    check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXCEPTION_OR_NMI);
    check_eq!("RIP from the start", [NAMES; row], rip, 0);
    check_eq!(
        "interruption information",
        [NAMES; row],
        exit.interruption,
        VALID | 1 << 11 | 3 << 8 | u32::from(vector)
    );
    check_eq!("error code", [NAMES; row], exit.error_code, error_code);
    check_eq!("exit qualification", [NAMES; row], exit.qualification, address);
    check_eq!("IDT-vectoring information", [NAMES; row], exit.vectoring, event.word());
    if event.has_error_code {
        check_eq!("IDT-vectoring error code", [NAMES; row], exit.vectoring_error_code, CODE);
    }
    if event.has_length() {
        check_eq!("instruction length", [NAMES; row], exit.length, LENGTH);
    }
}

/// Without its bit in the exception bitmap, #NP of the delivery is delivered itself, or makes a double fault, or shuts L2 down.
#[case(feature = VmxInjection, spec = [sdm3c("Information for VM Exits That Occur During Event Delivery"), sdm3a("Interrupt 8—Double Fault Exception (#DF)")],
       needs = Needs::INTEL | Needs::VMX)]
fn double_fault_of_a_delivery() {
    with_guest(end, |guest| {
        gates::fill();
        for (row, event) in EVENTS.into_iter().enumerate() {
            let exit = deliver(guest, event, Defect::NotPresent, 1 << 8);
            guest.reset();
            let due = match event.second(11) {
                Second::TripleFault => reason::TRIPLE_FAULT.into(),
                Second::DoubleFault => reason::EXCEPTION_OR_NMI.into(),
                Second::Itself => DELIVERED + 11,
            };
            check_eq!("ending", [NAMES; row], ending(&exit), due);
            check_eq!("no event was being delivered", [NAMES; row], exit.vectoring & u64::from(VALID), 0);
            if event.second(11) == Second::DoubleFault {
                check_eq!("interruption information", [NAMES; row], exit.interruption, VALID | 1 << 11 | 3 << 8 | 8);
                check_eq!("error code", [NAMES; row], exit.error_code, 0);
            }
        }
    });
}

fn each_event(defect: Defect) {
    with_guest(end, |guest| {
        gates::fill();
        for (row, event) in EVENTS.into_iter().enumerate() {
            let exit = deliver(guest, event, defect, u32::MAX);
            judge(row, event, defect, &exit, exit.rip.wrapping_sub(guest.start()));
            guest.reset();
        }
    });
}

/// A gate that is not present raises #NP with the gate's index, EXT for all but software events.
#[case(feature = VmxInjection, spec = [sdm3c("Information for VM Exits That Occur During Event Delivery"), sdm3c("Information for VM Exits Due to Vectored Events")],
       needs = Needs::INTEL | Needs::VMX)]
fn delivery_by_a_gate_that_is_not_present() {
    each_event(Defect::NotPresent);
}

/// A gate beyond the limit of the IDT raises #GP with its index.
#[case(feature = VmxInjection, spec = sdm3c("Information for VM Exits That Occur During Event Delivery"), needs = Needs::INTEL | Needs::VMX)]
fn delivery_beyond_the_limit() {
    each_event(Defect::BeyondLimit);
}

/// A gate of another type raises #GP with its index.
#[case(feature = VmxInjection, spec = sdm3c("Information for VM Exits That Occur During Event Delivery"), needs = Needs::INTEL | Needs::VMX)]
fn delivery_by_a_gate_of_another_type() {
    each_event(Defect::WrongType);
}

/// A gate with a null selector raises #GP with EXT alone.
#[case(feature = VmxInjection, spec = sdm3c("Information for VM Exits That Occur During Event Delivery"), needs = Needs::INTEL | Needs::VMX)]
fn delivery_by_a_null_selector() {
    each_event(Defect::NullSelector);
}

/// A stack that is not mapped raises #PF with the address of the first quadword.
#[case(feature = VmxInjection, spec = sdm3c("Information for VM Exits That Occur During Event Delivery"), needs = Needs::INTEL | Needs::VMX)]
fn delivery_to_a_stack_that_is_not_mapped() {
    each_event(Defect::StackUnmapped);
}

/// An IDT that is not mapped raises #PF with the address of the gate.
#[case(feature = VmxInjection, spec = sdm3c("Information for VM Exits That Occur During Event Delivery"), needs = Needs::INTEL | Needs::VMX)]
fn delivery_by_a_table_that_is_not_mapped() {
    each_event(Defect::TableUnmapped);
}

user_code!(int_n: "int 0x80", "vmcall");
user_code!(int_3: "int3", "vmcall");
user_code!(int_1: ".byte 0xf1", "vmcall");
user_code!(ud2: "ud2", "vmcall");
user_code!(div: "xor ecx, ecx", "div ecx", "vmcall");

/// The same of events that L2 raises itself: the IDT-vectoring information tells type and vector, and the length of the instruction.
#[case(feature = VmxExceptions, spec = sdm3c("Information for VM Exits That Occur During Event Delivery"), needs = Needs::INTEL | Needs::VMX)]
fn delivery_of_own_events() {
    const NAMES: &[Text] = names!["INT 80H", "INT3", "INT1", "UD2"];
    const ROWS: [(extern "C" fn(u64) -> u64, Event, u64); 4] = [
        (int_n, Event::of(kind::SOFTWARE, 0x80), 2),
        (int_3, Event::of(kind::SOFTWARE_EXCEPTION, 3), 1),
        (int_1, Event::of(kind::PRIVILEGED, 1), 1),
        (ud2, Event::of(kind::HARDWARE, 6), 0),
    ];
    with_guest(end, |guest| {
        gates::fill();
        for (row, (code, event, length)) in ROWS.into_iter().enumerate() {
            guest.start_at(code);
            gates::attach(guest);
            // Only #NP exits.
            let _ = guest.set(field::EXCEPTION_BITMAP, 1 << 11);
            gates::set(event.vector, gates::INTERRUPT_GATE & !gates::PRESENT);
            let exit = run(guest);
            gates::set(event.vector, gates::INTERRUPT_GATE);
            guest.reset();
            check_eq!("exit reason", [NAMES; row], exit.reason, reason::EXCEPTION_OR_NMI);
            check_eq!("IDT-vectoring information", [NAMES; row], exit.vectoring, event.word());
            let due = u32::from(event.vector) << 3 | 2 | event.external();
            check_eq!("error code", [NAMES; row], exit.error_code, due);
            check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(guest.start()), 0);
            if event.has_length() {
                check_eq!("instruction length", [NAMES; row], exit.length, length);
            }
        }
        // A contributory exception behind another one.
        guest.start_at(div);
        gates::attach(guest);
        let _ = guest.set(field::EXCEPTION_BITMAP, 1 << 8);
        gates::set(0, gates::INTERRUPT_GATE & !gates::PRESENT);
        let exit = run(guest);
        gates::set(0, gates::INTERRUPT_GATE);
        guest.reset();
        check_eq!("exit reason of a double fault", exit.reason, reason::EXCEPTION_OR_NMI);
        check_eq!("interruption information of a double fault", exit.interruption, VALID | 1 << 11 | 3 << 8 | 8);
    });
}
