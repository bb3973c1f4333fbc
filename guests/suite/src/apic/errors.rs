//! The error status register, and the interrupt for errors.

use super::{
    errors_model::{Errors, is_right},
    interrupting::{VECTORS, drain, nothing_comes},
};
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    interrupts::{self, End, GENEROUS_MICROS, Listening},
    local_apic::{
        LocalApic, Mode,
        register::{Register, esr, lvt},
    },
    vocabulary::Needs,
};

const X2APIC: Needs = Needs::LOCAL_APIC.union(Needs::X2APIC);
const _: () = assert!(errors_model_agrees(), "the model and the runtime number the errors alike");

const fn errors_model_agrees() -> bool {
    use super::errors_model::{ILLEGAL_REGISTER, RECEIVED_ILLEGAL, SENT_ILLEGAL};
    SENT_ILLEGAL == esr::SEND_ILLEGAL_VECTOR
        && RECEIVED_ILLEGAL == esr::RECEIVE_ILLEGAL_VECTOR
        && ILLEGAL_REGISTER == esr::ILLEGAL_REGISTER_ADDRESS
}

fn with(mode: Mode, body: impl FnOnce(&LocalApic)) {
    match LocalApic::in_mode(mode) {
        Ok(apic) => {
            body(&apic);
            drain(&apic);
        }
        Err(exception) => check_outcome!("to the mode", exception, Outcome::COMPLETED),
    }
}

/// Sends the vectors around the limit; those below 16 are errors.
fn walk_vectors(apic: &LocalApic, send: impl Fn(u8)) {
    let _ = apic.take_errors();
    for vector in (0..=16).chain([0x20_u8]) {
        send(vector);
        let expected = if vector < 16 { Errors::IllegalVector } else { Errors::None };
        let errors = apic.take_errors();
        check!("ESR", [&[]; vector], is_right(expected, errors));
        check_eq!("waits", [&[]; vector], u32::from(apic.is_requested(vector)), u32::from(vector >= 16));
        check_eq!("ESR once more", [&[]; vector], apic.take_errors(), 0);
    }
    // Vector 16 is that of an exception without an error code, so a handler can take it.
    let _listening = (Listening::to(16..=16, End::LocalApic), Listening::to(VECTORS, End::LocalApic));
    interrupts::wait_until(GENEROUS_MICROS, || interrupts::count(16) != 0);
    check_count!("16 is taken", interrupts::count(16), 1);
    apic.write(Register::TPR, 0xf0);
}

/// A vector below 16 that is sent by the ICR is an error, and is not requested.
#[case(feature = ApicErrors, spec = [sdm3a("Error Handling"), apm2("APIC Error Interrupts")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn illegal_vectors_by_shorthand() {
    with(Mode::XApic, |apic| walk_vectors(apic, |vector| apic.send_to_self(vector)));
}

/// A vector below 16 that is written to MSR 83FH is an error, and is not requested.
#[case(feature = ApicErrors, spec = [sdm3a("Error Handling"), sdm3a("SELF IPI Register")], needs = X2APIC, irqchip = LocalApic)]
fn illegal_vectors_by_self_ipi_register() {
    with(Mode::X2Apic, |apic| walk_vectors(apic, |vector| apic.write(Register::SELF_IPI, vector.into())));
}

/// ESR shows an error only after it was written, and forgets it with the next write.
#[case(feature = ApicErrors, spec = [sdm3a("Error Handling"), apm2("APIC Error Interrupts")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn error_status_is_updated_by_writes() {
    with(Mode::XApic, |apic| {
        let _ = apic.take_errors();
        let _ = apic.take_errors();
        apic.send_to_self(5);
        check_eq!("before the write", apic.read(Register::ESR), 0);
        apic.write(Register::ESR, 0);
        check!("after the write", is_right(Errors::IllegalVector, apic.read(Register::ESR)));
        check!("read once more", is_right(Errors::IllegalVector, apic.read(Register::ESR)));
        apic.write(Register::ESR, 0);
        check_eq!("after another write", apic.read(Register::ESR), 0);
    });
}

/// An error interrupts by its entry of the local vector table, and the next one only after ESR was written.
#[case(feature = ApicErrors, spec = [sdm3a("Error Handling"), sdm3a("Local Vector Table")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn error_interrupt() {
    with(Mode::XApic, |apic| {
        let _listening = Listening::to(VECTORS, End::LocalApic);
        let _ = apic.take_errors();
        apic.write(Register::LVT_ERROR, lvt::MASKED | 0x47);
        apic.send_to_self(3);
        check!("masked", nothing_comes());
        let _ = apic.take_errors();
        apic.write(Register::LVT_ERROR, 0x47);
        apic.send_to_self(3);
        // The error is there before the write is over, so that no long wait is due.
        let came = !nothing_comes();
        check!("taken", came);
        let _ = nothing_comes();
        let before = interrupts::count(0x47);
        apic.send_to_self(4);
        let _ = nothing_comes();
        check_count!("not again before ESR is written", interrupts::count(0x47) - before, 0);
        check!("ESR", is_right(Errors::IllegalVector, apic.take_errors()));
        apic.send_to_self(4);
        let _ = nothing_comes();
        check!("again afterwards", interrupts::count(0x47) != before);
        apic.write(Register::LVT_ERROR, lvt::MASKED);
    });
}

/// Numbers of registers that are reserved in xAPIC mode.
const RESERVED: [u8; 17] =
    [0x00, 0x01, 0x04, 0x05, 0x06, 0x07, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x3a, 0x3b, 0x3c, 0x3d, 0x3f];

/// Reading or writing a register that is reserved is an error.
#[case(feature = ApicErrors, spec = [sdm3a("Error Handling"), apm2("APIC Error Interrupts")], needs = Needs::LOCAL_APIC,
       irqchip = LocalApic)]
fn illegal_register_addresses() {
    with(Mode::XApic, |apic| {
        let _ = apic.take_errors();
        for number in RESERVED {
            let _ = apic.read(Register(number));
            check!("read", [&[]; number], is_right(Errors::IllegalRegister, apic.take_errors()));
            apic.write(Register(number), 0);
            check!("write", [&[]; number], is_right(Errors::IllegalRegister, apic.take_errors()));
        }
        let _ = apic.read(Register::TPR);
        check_eq!("a register that there is", apic.take_errors(), 0);
    });
}
