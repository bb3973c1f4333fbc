//! Event injection: what a delivery leaves on L2's stack and in its registers.

use super::{
    events_gates::{self as gates, DELIVERED, ending, stack_word},
    events_injection::{CODE, FLAGS, IF, LENGTH, with_gates},
    events_model::{Event, kind},
};
use rt::{
    case, check_eq, names,
    tables::selector,
    vmx::{field, guest::stack_top},
    vocabulary::{Needs, Text},
};

/// The frame holds what L2 had: RIP (behind an instruction's length), CS, RFLAGS, RSP and SS, with the error code below; an interrupt gate
/// clears IF, a trap gate leaves it; the event is valid no more behind the exit.
#[case(feature = VmxInjection, spec = [sdm3c("Event Injection"), sdm3c("Saving Non-Register State")], needs = Needs::INTEL | Needs::VMX)]
fn frame_of_an_injected_event() {
    const EVENTS: [Event; 8] = [
        Event::of(kind::EXTERNAL, 0x51),
        Event::of(kind::NMI, 2),
        Event::of(kind::HARDWARE, 6),
        Event::of(kind::HARDWARE, 13),
        Event::of(kind::HARDWARE, 14),
        Event::of(kind::SOFTWARE, 0x80),
        Event::of(kind::PRIVILEGED, 1),
        Event::of(kind::SOFTWARE_EXCEPTION, 3),
    ];
    const NAMES: &[Text] = names![
        "interrupt",
        "interrupt by a trap gate",
        "NMI",
        "NMI by a trap gate",
        "#UD",
        "#UD by a trap gate",
        "#GP",
        "#GP by a trap gate",
        "#PF",
        "#PF by a trap gate",
        "INT 80H",
        "INT 80H by a trap gate",
        "INT1",
        "INT1 by a trap gate",
        "INT3",
        "INT3 by a trap gate"
    ];
    const OTHERS: u64 = FLAGS | 0xcd5;
    with_gates(|guest| {
        for row in 0..EVENTS.len() * 2 {
            let (event, is_trap) = (EVENTS[row / 2], row % 2 == 1);
            gates::set(event.vector, if is_trap { gates::TRAP_GATE } else { gates::INTERRUPT_GATE });
            gates::attach(guest);
            let _ = guest.set(field::GUEST_RFLAGS, OTHERS);
            let _ = guest.set(field::ENTRY_INTERRUPTION, event.word().into());
            let _ = guest.set(field::ENTRY_ERROR_CODE, CODE);
            let _ = guest.set(field::ENTRY_LENGTH, LENGTH);
            let ended = guest.run().as_ref().map_or(u64::MAX, ending);
            check_eq!("ending", [NAMES; row], ended, DELIVERED + u64::from(event.vector));
            let valid = guest.read(field::ENTRY_INTERRUPTION) >> 31 & 1;
            check_eq!("the event is valid behind the exit", [NAMES; row], valid, 0);
            let first = u64::from(event.has_error_code);
            check_eq!("RSP", [NAMES; row], guest.read(field::GUEST_RSP), stack_top() - 40 - first * 8);
            if event.has_error_code {
                check_eq!("error code on the stack", [NAMES; row], stack_word(guest, 0), CODE);
            }
            let due = if event.has_length() { LENGTH } else { 0 };
            check_eq!(
                "pushed RIP from the start",
                [NAMES; row],
                stack_word(guest, first).wrapping_sub(guest.start()),
                due
            );
            check_eq!("pushed CS", [NAMES; row], stack_word(guest, first + 1) & 0xffff, selector::KERNEL_CODE);
            check_eq!("pushed RFLAGS", [NAMES; row], stack_word(guest, first + 2) & !(1 << 16), OTHERS);
            check_eq!("pushed RSP", [NAMES; row], stack_word(guest, first + 3), stack_top());
            check_eq!("pushed SS", [NAMES; row], stack_word(guest, first + 4) & 0xffff, selector::KERNEL_DATA);
            let due = if is_trap { OTHERS } else { OTHERS & !IF };
            check_eq!("RFLAGS", [NAMES; row], guest.read(field::GUEST_RFLAGS), due);
            gates::set(event.vector, gates::INTERRUPT_GATE);
            guest.reset();
        }
    });
}

/// An injected exception does not exit by the exception bitmap, and an injected page fault leaves CR2.
#[case(feature = VmxInjection, spec = sdm3c("Event Injection"), needs = Needs::INTEL | Needs::VMX)]
fn injected_exceptions_do_not_exit() {
    const CR2: u64 = 0x5678_9000;
    with_gates(|guest| {
        for vector in [0_u8, 1, 3, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 19] {
            let event = Event::of(kind::HARDWARE, vector);
            gates::attach(guest);
            let _ = guest.set(field::EXCEPTION_BITMAP, u32::MAX.into());
            let _ = guest.set(field::ENTRY_INTERRUPTION, event.word().into());
            let _ = guest.set(field::ENTRY_ERROR_CODE, 0);
            let _ = rt::cpu::control::write_cr2(CR2);
            let ended = guest.run().as_ref().map_or(u64::MAX, ending);
            guest.reset();
            check_eq!("ending", [&[]; vector], ended, DELIVERED + u64::from(vector));
            check_eq!("CR2", [&[]; vector], rt::cpu::control::read_cr2(), CR2);
        }
    });
}
