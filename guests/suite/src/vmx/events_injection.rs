//! Event injection: which events an entry takes, and what it delivers through L2's gates.

use super::{
    events_gates::{self as gates, DELIVERED, ending, stack_word},
    events_model::{Event, Offered, RESERVED, kind},
    with_guest,
};
use rt::{
    Outcome, case, check_eq, check_outcome, names, user_code,
    vmx::{
        Exit, Guest,
        capability::{self, number},
        control::processor,
        field, reason,
    },
    vocabulary::{Needs, Text},
};

user_code!(end: "vmcall");

/// RFLAGS.IF.
pub(super) const IF: u64 = 1 << 9;
pub(super) const FLAGS: u64 = 2 | IF;
pub(super) const CODE: u64 = 0x1234;
pub(super) const LENGTH: u64 = 5;
const REFUSED: Outcome = Outcome::vm_fail_valid(reason::error::ENTRY_CONTROLS);

fn offered() -> Offered {
    Offered {
        monitor_trap: capability::Controls::read().processor.allows(processor::MONITOR_TRAP),
        zero_length: capability::read(number::MISC) >> 30 & 1 != 0,
        any_error_code: capability::read(number::BASIC) >> 56 & 1 != 0,
    }
}

/// Lets the entry inject a word, with gates and interrupts enabled.
fn inject(guest: &mut Guest, word: u32, length: u64) -> Result<Exit, Outcome> {
    gates::attach(guest);
    let _ = guest.set(field::GUEST_RFLAGS, FLAGS);
    let _ = guest.set(field::ENTRY_INTERRUPTION, word.into());
    let _ = guest.set(field::ENTRY_ERROR_CODE, CODE);
    let _ = guest.set(field::ENTRY_LENGTH, length);
    guest.run()
}

/// Runs `body` with an L2 whose gates are filled.
pub(super) fn with_gates(body: impl FnOnce(&mut Guest)) {
    with_guest(end, |guest| {
        gates::fill();
        body(guest);
    });
}

/// Every vector of a type, with the error code that it must have: refused, or delivered.
fn each_vector(kind: u8) {
    let offered = offered();
    with_gates(|guest| {
        for vector in 0..=255_u8 {
            let event = Event::of(kind, vector);
            let Some(legal) = event.is_legal(offered) else { continue };
            let result = inject(guest, event.word(), LENGTH);
            let ended = result.as_ref().map_or(u64::MAX, ending);
            guest.reset();
            if legal {
                let due = if kind == kind::OTHER { reason::MONITOR_TRAP.into() } else { DELIVERED + u64::from(vector) };
                check_eq!("delivered", [&[]; vector], ended, due);
            } else {
                check_outcome!("refused", [&[]; vector], result.err().unwrap_or(Outcome::COMPLETED), REFUSED);
            }
        }
    });
}

/// An error code that is missing, or that the type or the exception has not, is refused; where IA32_VMX_BASIC says so, any exception may have one.
#[case(feature = VmxInjection, spec = sdm3c("VM-Entry Control Fields"), needs = Needs::INTEL | Needs::VMX)]
fn injected_error_codes() {
    const NAMES: &[Text] = names![
        "interrupt",
        "reserved type",
        "NMI",
        "exception",
        "software interrupt",
        "privileged exception",
        "software exception",
        "other event"
    ];
    let offered = offered();
    with_gates(|guest| {
        for kind in 0..8_u8 {
            let vector = match kind {
                kind::NMI => 2,
                kind::OTHER => 0,
                _ => 13,
            };
            let event = Event { kind, vector, has_error_code: kind != kind::HARDWARE };
            let result = inject(guest, event.word(), LENGTH);
            guest.reset();
            let legal = event.is_legal(offered).unwrap_or(false);
            let due = if legal { Outcome::COMPLETED } else { REFUSED };
            check_outcome!("the other error code", [NAMES; kind], result.err().unwrap_or(Outcome::COMPLETED), due);
        }
    });
}

/// Hardware exceptions with an error code that the vector has not, and without one that it has.
#[case(feature = VmxInjection, spec = sdm3c("VM-Entry Control Fields"), needs = Needs::INTEL | Needs::VMX)]
fn injected_error_codes_of_every_exception() {
    let offered = offered();
    with_gates(|guest| {
        for vector in 0..32_u8 {
            let event = Event {
                has_error_code: !Event::of(kind::HARDWARE, vector).has_error_code,
                ..Event::of(kind::HARDWARE, vector)
            };
            let Some(legal) = event.is_legal(offered) else { continue };
            let result = inject(guest, event.word(), LENGTH);
            let ended = result.as_ref().map_or(u64::MAX, ending);
            guest.reset();
            let due = if legal { Outcome::COMPLETED } else { REFUSED };
            check_outcome!("entry", [&[]; vector], result.err().unwrap_or(Outcome::COMPLETED), due);
            if legal {
                check_eq!("delivered", [&[]; vector], ended, DELIVERED + u64::from(vector));
            }
        }
    });
}

/// An external interrupt of every vector is delivered.
#[case(feature = VmxInjection, spec = [sdm3c("VM-Entry Control Fields"), sdm3c("Event Injection")], needs = Needs::INTEL | Needs::VMX)]
fn injected_interrupts_of_every_vector() {
    each_vector(kind::EXTERNAL);
}

/// The type that is reserved is refused with every vector.
#[case(feature = VmxInjection, spec = sdm3c("VM-Entry Control Fields"), needs = Needs::INTEL | Needs::VMX)]
fn injected_reserved_type_of_every_vector() {
    each_vector(1);
}

/// An NMI is delivered as vector 2, and refused with others.
#[case(feature = VmxInjection, spec = [sdm3c("VM-Entry Control Fields"), sdm3c("Event Injection")], needs = Needs::INTEL | Needs::VMX)]
fn injected_nmis_of_every_vector() {
    each_vector(kind::NMI);
}

/// Hardware exceptions have vectors up to 31, and the error code of their exception.
#[case(feature = VmxInjection, spec = [sdm3c("VM-Entry Control Fields"), sdm3c("Event Injection")], needs = Needs::INTEL | Needs::VMX)]
fn injected_exceptions_of_every_vector() {
    each_vector(kind::HARDWARE);
}

/// A software interrupt of every vector is delivered.
#[case(feature = VmxInjection, spec = [sdm3c("VM-Entry Control Fields"), sdm3c("Event Injection")], needs = Needs::INTEL | Needs::VMX)]
fn injected_software_interrupts_of_every_vector() {
    each_vector(kind::SOFTWARE);
}

/// A privileged software exception is delivered with its vector.
#[case(feature = VmxInjection, spec = [sdm3c("VM-Entry Control Fields"), sdm3c("Event Injection")], needs = Needs::INTEL | Needs::VMX)]
fn injected_privileged_exceptions_of_every_vector() {
    each_vector(kind::PRIVILEGED);
}

/// A software exception is delivered with its vector.
#[case(feature = VmxInjection, spec = [sdm3c("VM-Entry Control Fields"), sdm3c("Event Injection")], needs = Needs::INTEL | Needs::VMX)]
fn injected_software_exceptions_of_every_vector() {
    each_vector(kind::SOFTWARE_EXCEPTION);
}

/// The type "other event" with vector 0 is a monitor trap, if the processor has that; all else of it is refused.
#[case(feature = VmxInjection, spec = [sdm3c("VM-Entry Control Fields"), sdm3c("Injection of Pending MTF VM Exits")], needs = Needs::INTEL | Needs::VMX)]
fn injected_other_events_of_every_vector() {
    each_vector(kind::OTHER);
}

/// Each reserved bit of the interruption information is refused, and none counts while bit 31 is 0.
#[case(feature = VmxInjection, spec = sdm3c("VM-Entry Control Fields"), needs = Needs::INTEL | Needs::VMX)]
fn reserved_bits_of_an_injected_event() {
    with_gates(|guest| {
        for bit in (0..31).filter(|bit| RESERVED >> bit & 1 != 0) {
            let word = Event::of(kind::EXTERNAL, 0x40).word() | 1 << bit;
            let outcome = inject(guest, word, LENGTH).err().unwrap_or(Outcome::COMPLETED);
            guest.reset();
            check_outcome!("with bit 31", [&[]; bit], outcome, REFUSED);
            let result = inject(guest, word & !(1 << 31), 0);
            guest.reset();
            check_eq!("without bit 31", [&[]; bit], result.map_or(u32::MAX, |exit| exit.reason), reason::VMCALL);
        }
    });
}

/// An instruction's length is 1 to 15, or 0 where the processor takes that; it does not count for other types.
#[case(feature = VmxInjection, spec = sdm3c("VM-Entry Control Fields"), needs = Needs::INTEL | Needs::VMX)]
fn length_of_an_injected_event() {
    const KINDS: [u8; 6] =
        [kind::EXTERNAL, kind::NMI, kind::HARDWARE, kind::SOFTWARE, kind::PRIVILEGED, kind::SOFTWARE_EXCEPTION];
    const LENGTHS: [u32; 12] = [0, 1, 2, 7, 8, 14, 15, 16, 17, 0x100, 0x1_0001, u32::MAX];
    let offered = offered();
    with_gates(|guest| {
        for kind in KINDS {
            let event = Event::of(kind, if kind == kind::NMI { 2 } else { 3 });
            for (row, length) in LENGTHS.into_iter().enumerate() {
                let result = inject(guest, event.word(), length.into());
                let ended = result.as_ref().map_or(u64::MAX, ending);
                let pushed = stack_word(guest, 0);
                guest.reset();
                // A row's number has the type in front of the length's place.
                let row = usize::from(kind) * 100 + row;
                if event.is_legal_length(length, offered) {
                    check_eq!("delivered", [&[]; row], ended, DELIVERED + u64::from(event.vector));
                    let due = if event.has_length() { u64::from(length) } else { 0 };
                    check_eq!("pushed RIP from the start", [&[]; row], pushed.wrapping_sub(guest.start()), due);
                } else {
                    check_outcome!("refused", [&[]; row], result.err().unwrap_or(Outcome::COMPLETED), REFUSED);
                }
            }
        }
    });
}

/// Bits 31:16 of an error code must be 0, and the low 15 are pushed as they are; none counts for an event without error code.
#[case(feature = VmxInjection, spec = [sdm3c("VM-Entry Control Fields"), sdm3c("Event Injection")], needs = Needs::INTEL | Needs::VMX)]
fn error_code_of_an_injected_event() {
    with_gates(|guest| {
        for bit in (0..15).chain(16..32_u32) {
            let mut run = |event: Event| {
                gates::attach(guest);
                let _ = guest.set(field::ENTRY_INTERRUPTION, event.word().into());
                let _ = guest.set(field::ENTRY_ERROR_CODE, 1 << bit);
                let result = guest.run();
                let ended = result.as_ref().map_or(u64::MAX, ending);
                let pushed = stack_word(guest, 0);
                guest.reset();
                (result.err().unwrap_or(Outcome::COMPLETED), ended, pushed)
            };
            let (outcome, ended, pushed) = run(Event::of(kind::HARDWARE, 13));
            if bit < 15 {
                check_eq!("delivered", [&[]; bit], ended, DELIVERED + 13);
                check_eq!("error code on the stack", [&[]; bit], pushed, 1_u64 << bit);
            } else {
                check_outcome!("refused", [&[]; bit], outcome, REFUSED);
            }
            let (_, ended, _) = run(Event::of(kind::HARDWARE, 6));
            check_eq!("an exception without error code", [&[]; bit], ended, DELIVERED + 6);
        }
    });
}
