//! Event injection: what VMRUN delivers through L2's gates.

use super::{
    end_of,
    ending::{COMPLETED, REFUSED, delivered},
    injection_model::{EXCEPTION, EXCEPTIONS, INTERRUPT, NMI, SOFTWARE, is_legal},
    start_of, with_svm,
};
use rt::{
    case, check, check_eq, names,
    svm::{
        Guest,
        field::{self, EVENT_INJECTION, INTERCEPTS_1, event, intercept_1},
        gates,
        mode::Mode,
        privileged_stack_top, stack_top,
    },
    tables::selector,
    user_code,
    vocabulary::{Needs, Text},
};

user_code!(end: "vmmcall");

const IF: u64 = 1 << 9;
const CODE: u32 = 0x1234;

/// A guest with gates, which gets this event.
fn guest(event: u64) -> Guest {
    let guest = Guest::new(end);
    guest.use_gates();
    guest.write_u64(EVENT_INJECTION, event);
    // Where software interrupts push the next RIP, it is this one.
    guest.write_u64(field::NEXT_RIP, start_of(end));
    guest
}

/// Runs `body` with the gates of all vectors.
fn with_gates(body: impl FnOnce()) {
    with_svm(|| {
        gates::fill();
        body();
    });
}

/// An external interrupt of every vector is delivered, although RFLAGS.IF is clear.
#[case(feature = SvmInjection, spec = apm2("Event Injection"), needs = Needs::SVM)]
fn interrupts_of_every_vector() {
    with_gates(|| {
        for vector in 0..=255 {
            let mut guest = guest(event::of(INTERRUPT, vector));
            check_eq!("ending", [&[]; vector], end_of(guest.run()), delivered(vector));
        }
    });
}

/// A software interrupt of every vector is delivered.
#[case(feature = SvmInjection, spec = apm2("Event Injection"), needs = Needs::SVM)]
fn software_interrupts_of_every_vector() {
    with_gates(|| {
        for vector in 0..=255 {
            let mut guest = guest(event::of(SOFTWARE, vector));
            check_eq!("ending", [&[]; vector], end_of(guest.run()), delivered(vector));
        }
    });
}

/// An NMI is delivered as vector 2, whatever the field of the vector holds.
#[case(feature = SvmInjection, spec = apm2("Event Injection"), needs = Needs::SVM)]
fn nmi_is_vector_2() {
    with_gates(|| {
        for vector in [2, 0, 1, 3, 0x20, 0x80, 0xff] {
            let mut guest = guest(event::of(NMI, vector));
            check_eq!("ending", [&[]; vector], end_of(guest.run()), delivered(2));
        }
    });
}

/// Each exception is delivered, with the error code that the event holds.
#[case(feature = SvmInjection, spec = apm2("Event Injection"), needs = Needs::SVM)]
fn exceptions_with_their_error_codes() {
    with_gates(|| {
        for exception in EXCEPTIONS {
            let vector = exception.vector;
            let (event, depth) = if exception.has_error_code {
                (event::with_error_code(EXCEPTION, vector, CODE), 48)
            } else {
                (event::of(EXCEPTION, vector), 40)
            };
            let mut guest = guest(event);
            check_eq!("ending", [&[]; vector], end_of(guest.run()), delivered(vector));
            check_eq!("RSP", [&[]; vector], guest.read_u64(field::RSP), (stack_top() & !15) - depth);
            if exception.has_error_code {
                check_eq!("error code", [&[]; vector], guest.stack_word(0), CODE);
            }
            let frame = u64::from(exception.has_error_code);
            check_eq!("pushed RIP", [&[]; vector], guest.stack_word(frame), start_of(end));
        }
    });
}

/// The frame holds what L2 had: RIP, CS, RFLAGS, RSP and SS; an interrupt gate clears IF, a trap gate leaves it.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupt-Stack Frame")], needs = Needs::SVM)]
fn frame_and_flags_by_gate() {
    const NAMES: &[Text] =
        names!["interrupt gate, IF clear", "interrupt gate, IF set", "trap gate, IF clear", "trap gate, IF set"];
    const OTHERS: u64 = 0xcd7;
    with_gates(|| {
        for kind in [INTERRUPT, NMI, EXCEPTION, SOFTWARE] {
            let vector = if kind == NMI { 2 } else { 6 };
            for row in 0..4_u64 {
                let (gate, flag) = (if row < 2 { gates::INTERRUPT_GATE } else { gates::TRAP_GATE }, (row & 1) * IF);
                gates::set(vector, gate);
                let mut guest = guest(event::of(kind, vector));
                guest.write_u64(field::RFLAGS, OTHERS | flag);
                let ending = end_of(guest.run());
                gates::set(vector, gates::INTERRUPT_GATE);
                check_eq!("ending", [NAMES; row], ending, delivered(vector));
                check_eq!("pushed RIP", [NAMES; row], guest.stack_word(0), start_of(end));
                check_eq!("pushed CS", [NAMES; row], guest.stack_word(1) & 0xffff, selector::KERNEL_CODE);
                check_eq!("pushed RFLAGS", [NAMES; row], guest.stack_word(2) & !(1 << 16), OTHERS | flag);
                check_eq!("pushed RSP", [NAMES; row], guest.stack_word(3), stack_top());
                check_eq!("pushed SS", [NAMES; row], guest.stack_word(4) & 0xffff, selector::KERNEL_DATA);
                let due = OTHERS | if row < 2 { 0 } else { flag };
                check_eq!("RFLAGS", [NAMES; row], guest.read_u64(field::RFLAGS), due);
            }
        }
    });
}

/// An L2 at CPL 3 takes it at CPL 0, on the stack that its TSS tells.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupt Stack Table")], needs = Needs::SVM)]
fn at_cpl_3_the_stack_is_switched() {
    with_gates(|| {
        for kind in [INTERRUPT, NMI, EXCEPTION] {
            let vector = if kind == NMI { 2 } else { 6 };
            let mut guest = guest(event::of(kind, vector));
            guest.start_in(Mode::User);
            check_eq!("ending", [&[]; kind], end_of(guest.run()), delivered(vector));
            check_eq!("RSP", [&[]; kind], guest.read_u64(field::RSP), (privileged_stack_top() & !15) - 40);
            check_eq!("CPL", [&[]; kind], guest.read_u8(field::CPL), 0);
            check_eq!("CS", [&[]; kind], guest.read_u16(field::CS), selector::KERNEL_CODE);
            check_eq!("SS", [&[]; kind], guest.read_u16(field::SS), 0);
            check_eq!("pushed CS", [&[]; kind], guest.stack_word(1) & 0xffff, selector::USER_CODE);
            check_eq!("pushed RSP", [&[]; kind], guest.stack_word(3), stack_top());
            check_eq!("pushed SS", [&[]; kind], guest.stack_word(4) & 0xffff, selector::USER_DATA);
        }
    });
}

/// Intercepts do not take what is injected.
#[case(feature = SvmInjection, spec = apm2("Event Injection"), needs = Needs::SVM)]
fn intercepts_do_not_take_them() {
    with_gates(|| {
        for exception in EXCEPTIONS {
            let vector = exception.vector;
            let mut guest = guest(event::of(EXCEPTION, vector) | u64::from(exception.has_error_code) << 11);
            guest.write_u32(field::EXCEPTIONS, u32::MAX);
            check_eq!("exception", [&[]; vector], end_of(guest.run()), delivered(vector));
        }
        for (kind, vector) in [(INTERRUPT, 0x40), (NMI, 2), (SOFTWARE, 0x80), (SOFTWARE, 13)] {
            let mut guest = guest(event::of(kind, vector));
            guest.write_u32(field::EXCEPTIONS, u32::MAX);
            for bit in [intercept_1::INTR, intercept_1::NMI, intercept_1::INTN, intercept_1::VINTR] {
                guest.intercept(INTERCEPTS_1, bit);
            }
            check_eq!("other event", [&[]; kind], end_of(guest.run()), delivered(vector));
        }
    });
}

/// Behind the exit the event is not valid any more, and EXITINTINFO tells nothing: the delivery was complete.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("#VMEXIT")], needs = Needs::SVM)]
fn an_event_is_injected_once() {
    with_gates(|| {
        for (kind, vector) in [(INTERRUPT, 0x40), (NMI, 2), (EXCEPTION, 6), (EXCEPTION, 13), (SOFTWARE, 0x80)] {
            let mut guest = guest(event::of(kind, vector));
            let exit = guest.run();
            let info = exit.as_ref().map_or(event::VALID, |exit| exit.interrupt_info);
            check_eq!("EVENTINJ is valid", [&[]; kind], guest.read_u64(EVENT_INJECTION) & event::VALID, 0);
            check_eq!("EXITINTINFO is valid", [&[]; kind], info & event::VALID, 0);
        }
    });
}

/// An injected page fault and an injected debug exception leave CR2 and DR6 as the VMCB has them.
#[case(feature = SvmInjection, spec = apm2("Event Injection"), needs = Needs::SVM)]
fn cr2_and_dr6_are_the_hypervisors() {
    const CR2: u64 = 0x1234_5678;
    with_gates(|| {
        for vector in [1, 14] {
            let mut guest = guest(event::of(EXCEPTION, vector) | u64::from(vector == 14) << 11);
            guest.write_u64(field::CR2, CR2);
            check_eq!("ending", [&[]; vector], end_of(guest.run()), delivered(vector));
            check_eq!("CR2", [&[]; vector], guest.read_u64(field::CR2), CR2);
            check_eq!("DR6", [&[]; vector], guest.read_u64(field::DR6), 0xffff_0ff0);
        }
    });
}

/// An interrupt is injected although an interrupt shadow is told, and the shadow does not last into the handler.
#[case(feature = SvmInjection, spec = [apm2("Event Injection"), apm2("Interrupt Shadows")], needs = Needs::SVM)]
fn a_shadow_does_not_hold_it() {
    with_gates(|| {
        for (kind, vector) in [(INTERRUPT, 0x40), (NMI, 2), (EXCEPTION, 6)] {
            let mut guest = guest(event::of(kind, vector));
            guest.write_u64(field::INTERRUPT_SHADOW, 1);
            guest.write_u64(field::RFLAGS, 2 | IF);
            check_eq!("ending", [&[]; kind], end_of(guest.run()), delivered(vector));
            check_eq!("shadow", [&[]; kind], guest.read_u64(field::INTERRUPT_SHADOW) & 1, 0);
        }
    });
}

/// Types that there are not, and vectors that no exception has, are refused; each type and vector that is legal is delivered.
#[case(feature = SvmInjection, spec = apm2("Event Injection"), needs = Needs::SVM)]
fn types_and_vectors() {
    const VECTORS: [u8; 12] = [0, 1, 2, 3, 13, 14, 18, 31, 32, 33, 128, 255];
    with_gates(|| {
        for kind in 0..8 {
            for vector in VECTORS {
                let Some(is_legal) = is_legal(kind, vector) else { continue };
                let mut guest = guest(event::of(kind, vector));
                let due = match (is_legal, kind) {
                    (false, _) => REFUSED,
                    (true, NMI) => delivered(2),
                    (true, _) => delivered(vector),
                };
                check_eq!("ending", [&[]; kind << 8 | u64::from(vector)], end_of(guest.run()), due);
            }
        }
    });
}

/// No vector from 32 on is that of an exception.
#[case(feature = SvmInjection, spec = apm2("Event Injection"), needs = Needs::SVM)]
fn no_exception_from_vector_32_on() {
    with_gates(|| {
        for vector in 32..=255 {
            let mut guest = guest(event::of(EXCEPTION, vector));
            check_eq!("ending", [&[]; vector], end_of(guest.run()), REFUSED);
        }
    });
}

/// Without the valid bit nothing of the event counts, not even a type that there is not.
#[case(feature = SvmInjection, spec = apm2("Event Injection"), needs = Needs::SVM)]
fn what_is_not_valid_does_not_count() {
    with_gates(|| {
        for kind in 0..8 {
            for vector in [0, 2, 32, 255] {
                let mut guest = guest(event::of(kind, vector) & !event::VALID);
                let exit = guest.run();
                let row = kind << 8 | u64::from(vector);
                check!("RIP", [&[]; row], exit.as_ref().is_ok_and(|exit| exit.rip == start_of(end)));
                check_eq!("ending", [&[]; row], end_of(exit), COMPLETED);
            }
        }
    });
}
