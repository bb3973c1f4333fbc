//! Deliveries of every vector that fault: at a gate that is not present, for interrupts, software interrupts and exceptions.

use super::{injection_model::EXCEPTIONS, start_of, with_svm};
use rt::{
    case, check_eq,
    svm::{
        Exit, Guest,
        field::{self, EVENT_INJECTION, event, exit, segment},
        gates, stack_top,
    },
    user_code,
    vocabulary::Needs,
};

user_code!(end: "vmmcall");

const NP: u64 = exit::EXCEPTION + 11;
const GP: u64 = exit::EXCEPTION + 13;
const DF: u64 = exit::EXCEPTION + 8;

/// A guest with gates, none of which is present, and this event.
fn guest(event: u64, exceptions: u32) -> Guest {
    let guest = Guest::new(end);
    guest.use_gates();
    guest.write_u32(field::EXCEPTIONS, exceptions);
    guest.write_u64(EVENT_INJECTION, event);
    guest.write_u64(field::NEXT_RIP, start_of(end));
    guest
}

fn unwrap(exit: Result<Exit, rt::Exception>) -> Exit {
    exit.unwrap_or(Exit { code: 0xffff_fffe, info_1: 0, info_2: 0, interrupt_info: 0, rip: 0, next_rip: 0 })
}

/// Runs `body` with gates of which none is present.
fn without_gates(body: impl FnOnce()) {
    with_svm(|| {
        for vector in 0..=255 {
            gates::set(vector, gates::INTERRUPT_GATE & !gates::PRESENT);
        }
        body();
        gates::fill();
    });
}

/// Every vector as this type of event: #NP with the gate's number, and EXITINTINFO as the event.
fn walk(kind: u64, external: u64) {
    without_gates(|| {
        for vector in 0..=255_u8 {
            let event = event::of(kind, vector);
            let mut guest = guest(event, u32::MAX);
            let exit = unwrap(guest.run());
            check_eq!("exit code", [&[]; vector], exit.code, NP);
            check_eq!("EXITINFO1", [&[]; vector], exit.info_1, u64::from(vector) << 3 | 2 | external);
            check_eq!("EXITINTINFO", [&[]; vector], exit.interrupt_info, event);
            check_eq!("RSP", [&[]; vector], guest.read_u64(field::RSP), stack_top());
        }
    });
}

/// Interrupts of every vector.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupts during Event Delivery")], needs = Needs::SVM)]
fn interrupts_whose_gates_are_absent() {
    walk(event::INTERRUPT, 1);
}

/// Software interrupts of every vector.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupts during Event Delivery")], needs = Needs::SVM)]
fn software_interrupts_whose_gates_are_absent() {
    walk(event::SOFTWARE, 0);
}

/// Interrupts at every limit of the IDT: beyond it #GP, below it the gate. The row is the limit.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupts during Event Delivery")], needs = Needs::SVM)]
fn interrupts_at_every_limit() {
    const VECTOR: u8 = 0x40;
    const FIRST: u32 = VECTOR as u32 * 16;
    with_svm(|| {
        gates::fill();
        for limit in [0, 15, FIRST - 1, FIRST, FIRST + 7, FIRST + 8, FIRST + 14, FIRST + 15, FIRST + 16, 4095, 0xffff] {
            let mut guest = guest(event::of(event::INTERRUPT, VECTOR), u32::MAX);
            guest.write_u32(field::IDTR + segment::LIMIT, limit);
            let exit = guest.run();
            let is_inside = limit >= FIRST + 15;
            let due = if is_inside { super::ending::delivered(VECTOR) } else { GP };
            check_eq!("ending", [&[]; limit], super::end_of(exit), due);
        }
    });
}

/// Whether a fault of the delivery of this exception makes a double fault: those are contributory, or page faults.
const fn is_contributory(vector: u8) -> bool {
    matches!(vector, 0 | 10..=14)
}

/// Exceptions of every vector: a benign one's #NP goes on its way, and with one that is contributory it is a double fault.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("#DF—Double-Fault Exception (Vector 8)")], needs = Needs::SVM)]
fn exceptions_whose_gates_are_absent() {
    without_gates(|| {
        for exception in EXCEPTIONS {
            let vector = exception.vector;
            if vector == 8 {
                continue;
            }
            let kind = event::EXCEPTION;
            let event = if exception.has_error_code {
                event::with_error_code(kind, vector, 0)
            } else {
                event::of(kind, vector)
            };
            // Without the intercepts of what comes between, the second fault of a benign one meets a third.
            let mut guest = guest(event, 1 << 8 | if is_contributory(vector) { 0 } else { 1 << 11 });
            let exit = unwrap(guest.run());
            let due = if is_contributory(vector) { DF } else { NP };
            check_eq!("exit code", [&[]; vector], exit.code, due);
            if due == DF {
                check_eq!("EXITINFO1", [&[]; vector], exit.info_1, 0);
            }
        }
    });
}

/// A double fault whose own gate is absent is a shutdown.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Shutdown Intercept")], needs = Needs::SVM)]
fn double_fault_whose_gate_is_absent() {
    without_gates(|| {
        let mut guest = guest(event::with_error_code(event::EXCEPTION, 8, 0), 0);
        check_eq!("exit code", unwrap(guest.run()).code, exit::SHUTDOWN);
    });
}
