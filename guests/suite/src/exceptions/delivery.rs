//! Exceptions that strike while another is delivered, and gates that do not take them.

use rt::{
    Exception, Outcome, case, check_eq, check_outcome,
    gate::{Gate, Limit, gate_type},
    instruction, layout, names,
    tables::selector,
    user, user_code,
    vocabulary::Needs,
};

user_code!(ud2: "ud2");
user_code!(hlt: "hlt");
user_code!(load: "mov rax, [rdi]", "ret");
user_code!(int_80h: "int 0x80", "ret");
user_code!(divide: "xor edx, edx", "div edx", "ret");

const UD: u8 = 6;
const DF: u8 = 8;
const NP: u8 = 11;
const SS: u8 = 12;
const GP: u8 = 13;
const PF: u8 = 14;

/// Error-code bits: the event was external to the program; the index is one of the IDT.
const EXT: u32 = 1;
const IDT: u32 = 2;

const fn idt_error(vector: u8) -> u32 {
    (vector as u32) << 3 | IDT
}

const DOUBLE_FAULT: Outcome = Outcome::exception(DF, 0);

/// An exception whose gate is not present raises #NP with the gate's index and IDT in the error code, and so does INT n,
/// with EXT clear.
#[case(feature = ExceptionVectors, spec = [sdm3a("Interrupt 11—Segment Not Present (#NP)"), sdm3a("Error Code")])]
fn gate_not_present() {
    let gate = Gate::not_present(UD);
    // EXT for an earlier exception is Intel's rule; see below.
    let without_ext =
        |result: Result<u64, Exception>| result.map_err(|e| Outcome::exception(e.vector, e.error_code & !EXT));
    let result: Result<(), Exception> = instruction!("ud2");
    let expected = Outcome::exception(NP, idt_error(UD));
    check_outcome!("#UD at CPL 3", without_ext(user::call(ud2, 0)).err().unwrap_or(Outcome::COMPLETED), expected);
    check_outcome!("#UD at CPL 0", without_ext(result.map(|()| 0)).err().unwrap_or(Outcome::COMPLETED), expected);
    drop(gate);
    check_outcome!("#UD with the gate present again", user::call(ud2, 0), Outcome::UD);
    let _gate = Gate::not_present(0x80);
    check_outcome!("INT 80H at CPL 3", user::call(int_80h, 0), Outcome::exception(NP, idt_error(0x80)));
    let result: Result<(), Exception> = instruction!("int 0x80");
    check_outcome!("INT 80H at CPL 0", result, Outcome::exception(NP, idt_error(0x80)));
}

/// An exception that strikes while an earlier exception is delivered has EXT set in its error code.
#[case(feature = ExceptionVectors, spec = sdm3a("Error Code"), needs = Needs::INTEL)]
fn error_code_tells_an_earlier_exception() {
    let _gate = Gate::not_present(UD);
    let expected = Outcome::exception(NP, idt_error(UD) | EXT);
    check_outcome!("#UD at CPL 3", user::call(ud2, 0), expected);
    let result: Result<(), Exception> = instruction!("ud2");
    check_outcome!("#UD at CPL 0", result, expected);
}

/// A vector beyond the limit of the IDT raises #GP with its index and IDT in the error code.
#[case(feature = ExceptionVectors, spec = [sdm3a("Interrupt 13—General Protection Exception (#GP)"), sdm3a("Error Code")])]
fn vector_beyond_the_idt() {
    let limit = Limit::new(0x80 * 16 - 1);
    let user = user::call(int_80h, 0);
    let supervisor: Result<(), Exception> = instruction!("int 0x80");
    drop(limit);
    check_outcome!("INT 80H at CPL 3", user, Outcome::gp(idt_error(0x80)));
    check_outcome!("INT 80H at CPL 0", supervisor, Outcome::gp(idt_error(0x80)));
    // The gate's last byte counts.
    let limit = Limit::new(0x80 * 16 + 14);
    let cut = user::call(int_80h, 0);
    drop(limit);
    let limit = Limit::new(0x80 * 16 + 15);
    let whole = user::call(int_80h, 0);
    drop(limit);
    check_outcome!("limit inside of the gate", cut, Outcome::gp(idt_error(0x80)));
    check_outcome!("limit at the end of the gate", whole, Outcome::exception(0x80, 0));
}

/// INT n needs a gate whose DPL is not below CPL; else #GP with the gate's index. At CPL 0, and for exceptions, DPL does
/// not count.
#[case(feature = ExceptionVectors, spec = sdm3a("Protection of Exception- and Interrupt-Handler Procedures"))]
fn gate_privilege() {
    let _gate = Gate::with_privilege(0x80, 0);
    check_outcome!("INT 80H at CPL 3", user::call(int_80h, 0), Outcome::gp(idt_error(0x80)));
    let result: Result<(), Exception> = instruction!("int 0x80");
    check_outcome!("INT 80H at CPL 0", result, Outcome::exception(0x80, 0));
    check_outcome!("#UD at CPL 3 through a gate of DPL 0", user::call(ud2, 0), Outcome::UD);
}

/// A gate of a type that 64-bit mode does not know, or with a code segment that is null, of data, or not there, is not
/// taken: #GP with the index of the gate, or of the segment.
#[case(feature = ExceptionVectors, spec = [sdm3a("64-Bit Mode IDT"),
       sdm3a("Interrupt 13—General Protection Exception (#GP)")])]
fn gate_that_cannot_be_taken() {
    type Change = fn() -> Gate;
    let table: [(Change, Outcome); 6] = [
        (|| Gate::with_type(0x80, gate_type::TASK), Outcome::gp(idt_error(0x80))),
        (|| Gate::with_type(0x80, 0), Outcome::gp(idt_error(0x80))),
        (|| Gate::with_selector(0x80, 0), Outcome::GP),
        (|| Gate::with_selector(0x80, selector::KERNEL_DATA), Outcome::gp(selector::KERNEL_DATA as u32)),
        (|| Gate::with_selector(0x80, selector::BEYOND_LIMIT), Outcome::gp(selector::BEYOND_LIMIT as u32)),
        // A 32-bit code segment cannot hold a handler in 64-bit mode.
        (|| Gate::with_selector(0x80, selector::KERNEL_CODE_32), Outcome::gp(selector::KERNEL_CODE_32 as u32)),
    ];
    for (row, (change, expected)) in table.into_iter().enumerate() {
        let gate = change();
        let result = user::call(int_80h, 0);
        drop(gate);
        check_outcome!(
            "INT 80H",
            [names![
                "task gate",
                "type 0",
                "null segment",
                "data segment",
                "segment beyond the limit",
                "32-bit code segment"
            ]; row],
            result,
            expected
        );
    }
}

/// A contributory exception while a contributory one is delivered is a double fault, with an error code of 0.
#[case(feature = ExceptionVectors, spec = sdm3a("Interrupt 8—Double Fault Exception (#DF)"))]
fn contributory_exceptions_double_fault() {
    let gate = Gate::not_present(GP);
    check_outcome!("#NP while delivering #GP at CPL 3", user::call(hlt, 0), DOUBLE_FAULT);
    let sel = selector::BEYOND_LIMIT;
    let result: Result<(), Exception> = instruction!("mov ds, {0:x}", in(reg) sel);
    check_outcome!("#NP while delivering #GP at CPL 0", result, DOUBLE_FAULT);
    drop(gate);
    let gate = Gate::with_type(0, gate_type::TASK);
    check_outcome!("#GP while delivering #DE", user::call(divide, 0), DOUBLE_FAULT);
    drop(gate);
    check_outcome!("#DE with its gate again", user::call(divide, 0), Outcome::DE);
}

/// A contributory exception while #PF is delivered is a double fault, but #PF while a contributory one is delivered is
/// handled.
#[case(feature = ExceptionVectors, spec = sdm3a("Interrupt 8—Double Fault Exception (#DF)"))]
fn page_fault_and_contributory_exceptions() {
    let gate = Gate::not_present(PF);
    check_outcome!("#NP while delivering #PF at CPL 3", user::call(load, layout::UNMAPPED), DOUBLE_FAULT);
    let at = layout::UNMAPPED;
    let result = instruction!("mov rax, [{}]", in(reg) at, out("rax") _);
    check_outcome!("#NP while delivering #PF at CPL 0", result, DOUBLE_FAULT);
    drop(gate);
    // The stack of #GP at an address that is not mapped: its delivery pushes the frame there.
    let table_entry = Gate::with_interrupt_stack(GP, 7);
    let stack = rt::gate::Stack::interrupt(7, layout::UNMAPPED + 0x1000);
    let result = user::call(hlt, 0);
    drop((stack, table_entry));
    check_outcome!("#PF while delivering #GP", result, Outcome::pf(2));
}

/// A second #PF while #PF is delivered is a double fault.
#[case(feature = ExceptionVectors, spec = sdm3a("Interrupt 8—Double Fault Exception (#DF)"))]
fn page_fault_during_page_fault() {
    let table_entry = Gate::with_interrupt_stack(PF, 7);
    let stack = rt::gate::Stack::interrupt(7, layout::UNMAPPED + 0x1000);
    let user = user::call(load, layout::UNMAPPED);
    let at = layout::UNMAPPED;
    let supervisor = instruction!("mov rax, [{}]", in(reg) at, out("rax") _);
    drop((stack, table_entry));
    check_outcome!("CPL 3", user, DOUBLE_FAULT);
    check_outcome!("CPL 0", supervisor, DOUBLE_FAULT);
    check_outcome!("with its stack again", user::call(load, layout::UNMAPPED), Outcome::pf(4));
}

/// A benign exception makes no double fault: what its delivery raises is handled.
#[case(feature = ExceptionVectors, spec = sdm3a("Interrupt 8—Double Fault Exception (#DF)"))]
fn benign_exceptions_do_not_double_fault() {
    let table_entry = Gate::with_interrupt_stack(UD, 7);
    let stack = rt::gate::Stack::interrupt(7, layout::UNMAPPED + 0x1000);
    let page_fault = user::call(ud2, 0);
    drop(stack);
    let stack = rt::gate::Stack::interrupt(7, 0x8000_0000_1000);
    let non_canonical = user::call(ud2, 0);
    drop((stack, table_entry));
    check_outcome!("#PF while delivering #UD", page_fault, Outcome::pf(2));
    check_eq!("vector of a stack that is not canonical", non_canonical.map_or_else(|e| e.vector, |_| 0), SS);
}
