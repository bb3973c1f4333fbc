//! Intercepts of exceptions: each vector with its error code, and address for page faults.

use super::{model::Row, observe, report, start_of, with_svm};
use rt::{
    case, check_eq,
    layout::UNMAPPED,
    names,
    svm::{
        Guest,
        field::{self, EXCEPTIONS},
    },
    tables::selector,
    user_code,
    vocabulary::{Needs, Text},
};

struct Exception {
    code: extern "C" fn(u64) -> u64,
    row: Row,
}

macro_rules! exceptions {
    ($($function:ident $title:literal: $($assembly:literal),+ => $row:expr;)*) => {
        $(user_code!($function: $($assembly),+);)*
        static ROWS: &[Exception] = &[$(Exception { code: $function, row: $row }),*];
        const NAMES: &[Text] = names![$($title),*];
    };
}

// RDI is an address that is not mapped, RSI one that is not canonical, RCX and RDX are zero, EBX a selector.
exceptions! {
    divide "#DE": "div ecx", "vmmcall" => Row::exception(0);
    breakpoint "#BP": "int3", "vmmcall" => Row::instruction(0x43, 0);
    invalid_opcode "#UD": "ud2", "vmmcall" => Row::exception(6);
    selector_not_present "#NP": "mov ds, ebx", "vmmcall" => Row::exception(11).with_info_1(selector::NOT_PRESENT as u64);
    stack "#SS": "push qword ptr [rsp]", "vmmcall" => Row::exception(12).with_info_1(0);
    general_protection "#GP": "mov rax, [rsi]", "vmmcall" => Row::exception(13).with_info_1(0);
    privileged_port "#GP of WRMSR": "wrmsr", "vmmcall" => Row::exception(13).with_info_1(0);
    page_fault_read "#PF of a read": "mov rax, [rdi]", "vmmcall" => Row::exception(14).with_info_1(0).with_info_2(UNMAPPED);
    page_fault_write "#PF of a write": "mov [rdi], rax", "vmmcall" => Row::exception(14).with_info_1(2).with_info_2(UNMAPPED);
    page_fault_fetch "#PF of a fetch": "jmp rdi" => Row::exception(14).with_info_2(UNMAPPED).at(UNMAPPED);
}

/// Row of the stack fault: its stack pointer is not canonical.
const STACK_FAULT: usize = 4;
/// Row of the WRMSR: an MSR that there is not.
const NO_MSR: usize = 6;
/// Row of the fetch, whose RIP is not relative to the start.
const FETCH: usize = 9;
const NOT_CANONICAL: u64 = 0x8000_0000_0000_0000;

/// Each exception exits by the bit of its vector, with its error code, at the instruction; a page fault tells its address
/// and leaves CR2 alone.
#[case(feature = SvmExceptions, spec = [apm2("Exception Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn each_exception_exits_with_its_error_code() {
    const CR2: u64 = 0x1234_5000;
    with_svm(|| {
        for (number, row) in ROWS.iter().enumerate() {
            let mut guest = Guest::new(row.code);
            guest.registers.rdi = UNMAPPED;
            guest.registers.rsi = NOT_CANONICAL;
            guest.registers.rbx = selector::NOT_PRESENT.into();
            guest.registers.rcx = if number == NO_MSR { 0x1357_9bdf } else { 0 };
            guest.write_u64(field::CR2, CR2);
            if number == STACK_FAULT {
                guest.write_u64(field::RSP, NOT_CANONICAL);
            }
            let exit = guest.run();
            let start = if number == FETCH { 0 } else { start_of(row.code) };
            report(number, &row.row, observe(&guest, exit, start));
            check_eq!("CR2", [NAMES; number], guest.read_u64(field::CR2), CR2);
        }
    });
}

user_code!(divide_in_handler: "div ecx", "vmmcall");

/// Without its own bit, an exception does not exit by the others': it is delivered to L2, whose IDT has nothing for it, and the
/// fault of that delivery exits, with the exception in EXITINTINFO.
#[case(feature = SvmExceptions, spec = [apm2("Exception Intercepts"), apm2("Interrupts during Event Delivery"), apm2("EXITINTINFO Pseudo-Code")],
       needs = Needs::SVM)]
fn fault_of_a_delivery_tells_what_was_delivered() {
    const VALID: u64 = 1 << 31;
    const EXCEPTION: u64 = 3 << 8;
    with_svm(|| {
        let mut guest = Guest::new(divide_in_handler);
        guest.write_u32(EXCEPTIONS, !1);
        // Its IDT has no gate at all: vector 0 lies beyond its limit.
        let exit = guest.run();
        let row = Row::exception(13).with_info_1(2);
        let seen = observe(&guest, exit, start_of(divide_in_handler));
        // Whether an exception counts as external (bit 0), the manuals of AMD and Intel do not agree on.
        report(0, &row, super::Observed { info_1: seen.info_1 & !1, ..seen });
        check_eq!("EXITINTINFO", exit.map_or(0, |exit| exit.interrupt_info), VALID | EXCEPTION);
    });
}
