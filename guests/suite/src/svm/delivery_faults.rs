//! Deliveries that fault: the exit tells the fault, and EXITINTINFO what was being delivered.

use super::{
    end_of,
    ending::delivered,
    injection_model::{Defect, EXCEPTION, INTERRUPT, NMI, SOFTWARE},
    start_of, with_svm,
};
use rt::{
    case, check_eq,
    layout::UNMAPPED,
    names,
    svm::{
        Exit, Guest,
        field::{self, EVENT_INJECTION, event, exit, segment},
        gates, stack_top,
    },
    user_code,
    vocabulary::{Needs, Text},
};

user_code!(end: "vmmcall");
user_code!(invalid_opcode: "ud2");
user_code!(breakpoint: "int3");
user_code!(software_interrupt: "int 0x80");
user_code!(divide: "div ecx");

/// What is injected: benign exceptions alone, because what becomes of a second fault of others is another rule.
const EVENTS: [u64; 9] = [
    event::of(INTERRUPT, 0x40),
    event::of(INTERRUPT, 0xff),
    event::of(NMI, 2),
    event::of(EXCEPTION, 1),
    event::of(EXCEPTION, 6),
    event::of(EXCEPTION, 7),
    event::of(EXCEPTION, 16),
    event::of(EXCEPTION, 19),
    event::of(SOFTWARE, 0x80),
];
const NAMES: &[Text] = names!["INTR 40H", "INTR FFH", "NMI", "#DB", "#UD", "#NM", "#MF", "#XM", "INT 80H"];

const fn kind(event: u64) -> u64 {
    event >> event::TYPE_SHIFT & 7
}

/// Gives L2 a delivery of `vector` that faults so.
fn spoil(guest: &Guest, defect: Defect, vector: u8) {
    match defect {
        Defect::GateNotPresent => gates::set(vector, gates::INTERRUPT_GATE & !gates::PRESENT),
        Defect::BeyondLimit => guest.write_u32(field::IDTR + segment::LIMIT, u32::from(vector) * 16 + 14),
        // That of an LDT.
        Defect::WrongType => gates::set(vector, 0x82),
        Defect::TableUnmapped => guest.write_u64(field::IDTR + segment::BASE, UNMAPPED),
        Defect::StackUnmapped => guest.write_u64(field::RSP, UNMAPPED + 4096),
    }
}

fn observe(exit: Result<Exit, rt::Exception>) -> Exit {
    exit.unwrap_or(Exit { code: 0xffff_fffe, info_1: 0, info_2: 0, interrupt_info: 0, rip: 0, next_rip: 0 })
}

/// Every event with this defect.
fn walk(defect: Defect) {
    with_svm(|| {
        gates::fill();
        for (row, event) in EVENTS.into_iter().enumerate() {
            let vector = event as u8;
            // Whether an exception counts as external, the manuals of AMD and Intel do not agree on.
            let open = u64::from(kind(event) == EXCEPTION && defect != Defect::TableUnmapped);
            let (fault, code) = defect.exception(kind(event), vector);
            let mut guest = Guest::new(end);
            guest.use_gates();
            guest.write_u32(field::EXCEPTIONS, u32::MAX);
            guest.write_u64(EVENT_INJECTION, event);
            guest.write_u64(field::NEXT_RIP, start_of(end));
            spoil(&guest, defect, vector);
            let rsp = guest.read_u64(field::RSP);
            let exit = observe(guest.run());
            gates::set(vector, gates::INTERRUPT_GATE);
            check_eq!("exit code", [NAMES; row], exit.code, exit::EXCEPTION + u64::from(fault));
            check_eq!("EXITINFO1", [NAMES; row], exit.info_1 & !open, code & !open);
            if fault == 14 {
                let address = match defect {
                    Defect::TableUnmapped => UNMAPPED,
                    _ => rsp - 1,
                };
                check_eq!("page of EXITINFO2", [NAMES; row], exit.info_2 & !0xfff, address & !0xfff);
            }
            check_eq!("EXITINTINFO", [NAMES; row], exit.interrupt_info, event);
            check_eq!("RIP", [NAMES; row], exit.rip, start_of(end));
            check_eq!("RSP", [NAMES; row], guest.read_u64(field::RSP), rsp);
            check_eq!("EVENTINJ is valid", [NAMES; row], guest.read_u64(EVENT_INJECTION) & event::VALID, 0);
        }
    });
}

/// A gate that is not present: #NP with the gate as its error code.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupts during Event Delivery")], needs = Needs::SVM)]
fn gate_that_is_not_present() {
    walk(Defect::GateNotPresent);
}

/// A gate beyond the IDT's limit: #GP with the gate as its error code.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupts during Event Delivery")], needs = Needs::SVM)]
fn gate_beyond_the_limit() {
    walk(Defect::BeyondLimit);
}

/// A gate of a wrong type: #GP with the gate as its error code.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupts during Event Delivery")], needs = Needs::SVM)]
fn gate_of_a_wrong_type() {
    walk(Defect::WrongType);
}

/// An IDT that is not mapped: a page fault of a read.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupts during Event Delivery")], needs = Needs::SVM)]
fn table_that_is_not_mapped() {
    walk(Defect::TableUnmapped);
}

/// A stack that is not mapped: a page fault of a write.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupts during Event Delivery")], needs = Needs::SVM)]
fn stack_that_is_not_mapped() {
    walk(Defect::StackUnmapped);
}

/// What L2 raises itself is told in the same way: exceptions as such, INT3 as an exception, INT n as a software interrupt.
#[case(feature = SvmInjection, spec = apm2("Interrupts during Event Delivery"), needs = Needs::SVM)]
fn what_l2_raises_itself() {
    const NAMES: &[Text] = names!["UD2", "INT3", "INT 80H", "DIV"];
    type Code = extern "C" fn(u64) -> u64;
    let rows: [(Code, u64); 4] = [
        (invalid_opcode, event::of(EXCEPTION, 6)),
        (breakpoint, event::of(EXCEPTION, 3)),
        (software_interrupt, event::of(SOFTWARE, 0x80)),
        (divide, event::of(EXCEPTION, 0)),
    ];
    with_svm(|| {
        gates::fill();
        for (row, (code, due)) in rows.into_iter().enumerate() {
            let vector = due as u8;
            let mut guest = Guest::new(code);
            guest.use_gates();
            guest.write_u32(field::EXCEPTIONS, 1 << 11);
            gates::set(vector, gates::INTERRUPT_GATE & !gates::PRESENT);
            let exit = observe(guest.run());
            gates::set(vector, gates::INTERRUPT_GATE);
            check_eq!("exit code", [NAMES; row], exit.code, exit::EXCEPTION + 11);
            check_eq!("selector of EXITINFO1", [NAMES; row], exit.info_1 & !1, u64::from(vector) << 3 | 2);
            check_eq!("EXITINTINFO", [NAMES; row], exit.interrupt_info, due);
            check_eq!("RIP", [NAMES; row], exit.rip, start_of(code));
            check_eq!("RSP", [NAMES; row], guest.read_u64(field::RSP), stack_top());
        }
    });
}

/// A nested page fault of a delivery tells the event, too: of the IDT and of the stack.
#[case(feature = SvmInjection, spec = [apm2("Interrupts during Event Delivery"), apm2("Nested versus Guest Page Faults, Fault Ordering")],
       needs = Needs::SVM | Needs::SVM_NESTED_PAGING)]
fn nested_page_faults_of_a_delivery() {
    const BIT_FINAL: u64 = 1 << 32;
    super::with_nested(|tables| {
        gates::fill();
        for (row, event) in EVENTS.into_iter().enumerate() {
            for (page, code) in [(gates::table(), 4), ((stack_top() - 64) & !0xfff, 6)] {
                let mut guest = Guest::new(end);
                guest.use_gates();
                guest.write_u64(EVENT_INJECTION, event);
                guest.write_u64(field::NEXT_RIP, start_of(end));
                let (at, entry) = tables.forbid(page, rt::tables::page_bit::P);
                tables.attach(&guest);
                let exit = observe(guest.run());
                rt::mmio::write_u64(at, entry);
                check_eq!("exit code", [NAMES; row], exit.code, exit::NESTED_PAGE_FAULT);
                check_eq!("EXITINFO1", [NAMES; row], exit.info_1, BIT_FINAL | code);
                check_eq!("page of EXITINFO2", [NAMES; row], exit.info_2 & !0xfff, page);
                check_eq!("EXITINTINFO", [NAMES; row], exit.interrupt_info, event);
                // With the page there, the event that EXITINTINFO tells can be injected again.
                guest.write_u64(EVENT_INJECTION, exit.interrupt_info);
                tables.attach(&guest);
                check_eq!("ending of the second run", [NAMES; row], end_of(guest.run()), delivered(event as u8));
            }
        }
    });
}
