//! Exit codes that take a state or a mode of their own: #DB, #OF, #BR, #TS, #DF, RDPMC, an armed MWAIT, and every way to a
//! shutdown.

use super::{end_of, ending::COMPLETED, start_of, with_svm};
use rt::{
    case, check_eq,
    cpu::{cpuid::read_leaf, debug},
    mmio, names, paging,
    svm::{
        Exit, Guest,
        field::{self, INTERCEPTS_1, INTERCEPTS_2, exit, intercept_1, intercept_2, segment},
        gates,
        mode::Mode,
        stack_top,
    },
    user_code,
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

const DB: u64 = exit::EXCEPTION + 1;
const DF: u64 = exit::EXCEPTION + 8;

fn unwrap(exit: Result<Exit, rt::Exception>) -> Exit {
    exit.unwrap_or(Exit { code: 0xffff_fffe, info_1: 0, info_2: 0, interrupt_info: 0, rip: 0, next_rip: 0 })
}

user_code!(rdpmc: "rdpmc", "vmmcall");
// EBX is 1 where a masked interrupt, too, ends MWAIT: an MWAIT that does not exit then waits no longer than for one.
user_code!(armed_mwait: "mov rax, rdi", "xor ecx, ecx", "xor edx, edx", "monitor", "xor eax, eax", "mov ecx, ebx", "mwait", "vmmcall");
user_code!(unarmed_mwait: "mov ecx, ebx", "xor eax, eax", "mwait", "vmmcall");

/// RDPMC exits by its bit, with the next RIP, before it reads a counter.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn rdpmc_exits() {
    with_svm(|| {
        for counter in [0, 1, 0xffff_ffff] {
            let mut guest = Guest::new(rdpmc);
            guest.intercept(INTERCEPTS_1, intercept_1::RDPMC);
            guest.registers.rcx = counter;
            guest.registers.rdx = 0x1234_5678;
            let exit = unwrap(guest.run());
            check_eq!("exit code", [&[]; counter], exit.code, exit::INTR + u64::from(intercept_1::RDPMC));
            check_eq!("RIP", [&[]; counter], exit.rip, start_of(rdpmc));
            check_eq!("RDX", [&[]; counter], guest.registers.rdx, 0x1234_5678);
        }
    });
}

/// The intercept of MWAIT that is armed takes one behind MONITOR; the one of all MWAITs comes first.
#[case(feature = SvmIntercepts, spec = [apm2("Instruction Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM | Needs::MONITOR)]
fn mwait_that_is_armed() {
    const ARMED: u32 = intercept_2::MWAIT + 1;
    const BOTH: u64 = exit::VMRUN + intercept_2::MWAIT as u64;
    const NAMES: &[Text] = names!["armed alone", "both, armed", "both, not armed"];
    let rows: [(Code, bool, u64); 3] =
        [(armed_mwait, false, exit::VMRUN + u64::from(ARMED)), (armed_mwait, true, BOTH), (unarmed_mwait, true, BOTH)];
    with_svm(|| {
        for (row, (code, both, due)) in rows.into_iter().enumerate() {
            let mut guest = Guest::new(code);
            guest.intercept(INTERCEPTS_2, ARMED);
            if both {
                guest.intercept(INTERCEPTS_2, intercept_2::MWAIT);
            }
            guest.registers.rdi = paging::frame(2);
            guest.registers.rbx = (read_leaf(5, 0).ecx >> 1 & 1).into();
            check_eq!("ending", [NAMES; row], end_of(guest.run()), due);
        }
    });
}

user_code!(step: "push 0x102", "popfq", "nop", "nop", "vmmcall");
user_code!(touch: "mov rax, [rdi]", "nop", "vmmcall");
user_code!(general_detect: "mov rax, dr7", "vmmcall");

/// #DB exits as a trap behind the instruction that raised it, or as a fault at it.
#[case(feature = SvmExceptions, spec = [apm2("Exception Intercepts"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn debug_exceptions_exit() {
    const NAMES: &[Text] =
        names!["single step", "breakpoint on data", "breakpoint on an instruction", "general detect"];
    const GD: u64 = 1 << 13;
    // Code, DR7, whether DR0 is the data or the instruction, RIP from the start.
    let rows: [(Code, u64, Option<u64>, u64); 4] = [
        (step, 0x400, None, 7),
        (touch, 0x400 | 1 | 3 << 16 | 2 << 18, Some(paging::frame(2)), 3),
        (touch, 0x400 | 1, Some(start_of(touch) + 3), 3),
        (general_detect, 0x400 | GD, None, 0),
    ];
    with_svm(|| {
        let previous = debug::read_addresses();
        for (row, (code, dr7, address, offset)) in rows.into_iter().enumerate() {
            let mut guest = Guest::new(code);
            guest.registers.rdi = paging::frame(2);
            guest.write_u32(field::EXCEPTIONS, 1 << 1);
            guest.write_u64(field::DR7, dr7);
            if let Some(address) = address {
                debug::write_addresses([address, 0, 0, 0]);
            }
            let exit = unwrap(guest.run());
            check_eq!("exit code", [NAMES; row], exit.code, DB);
            check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(start_of(code)), offset);
        }
        debug::write_addresses(previous);
    });
}

// Bytes of 32-bit code: MOV AL, 7FH; ADD AL, 1; INTO, and BOUND EAX, [EDI].
user_code!(into: ".byte 0xb0, 0x7f, 0x04, 0x01, 0xce", "vmmcall");
user_code!(bound: ".byte 0x62, 0x07", "vmmcall");
// JMP FAR 50H:0.
user_code!(jump_to_task: ".byte 0xea", ".long 0", ".word 0x50", "vmmcall");

/// Exceptions of 32-bit code: #OF behind INTO, #BR at BOUND.
#[case(feature = SvmExceptions, spec = apm2("Exception Intercepts"), needs = Needs::SVM)]
fn exceptions_of_32_bit_code_exit() {
    const NAMES: &[Text] = names!["INTO", "BOUND"];
    let bounds = paging::frame(2);
    mmio::write_u32(bounds, 5);
    mmio::write_u32(bounds + 4, 6);
    let rows: [(Code, u64, u64); 2] = [(into, 4, 4), (bound, 5, 0)];
    with_svm(|| {
        for (row, (code, vector, offset)) in rows.into_iter().enumerate() {
            for mode in [Mode::Compatibility, Mode::Protected32] {
                let mut guest = Guest::new(code);
                guest.start_in(mode);
                guest.registers.rdi = bounds;
                guest.write_u32(field::EXCEPTIONS, 1 << vector);
                let exit = unwrap(guest.run());
                check_eq!("exit code", [NAMES; row], exit.code, exit::EXCEPTION + vector);
                if vector == 5 {
                    check_eq!("RIP from the start", [NAMES; row], exit.rip.wrapping_sub(start_of(code)), offset);
                }
            }
        }
    });
}

/// #TS: a jump to a TSS whose limit is too small, with its selector as error code.
#[case(feature = SvmExceptions, spec = [apm2("Exception Intercepts"), apm2("#TS—Invalid-TSS Exception (Vector 10)")], needs = Needs::SVM)]
fn invalid_tss_exits() {
    const TASK: u16 = 0x50;
    const TOO_SMALL: u64 = 50;
    let (table, task) = (paging::frame(4), paging::frame(5));
    for offset in (0..u64::from(rt::tables::GDT_LIMIT)).step_by(8) {
        mmio::write_u64(table + offset, mmio::read_u64(rt::layout::GDT + offset));
    }
    let low = TOO_SMALL | (task & 0x00ff_ffff) << 16 | 0x89 << 40 | (task >> 24 & 0xff) << 56;
    mmio::write_u64(table + u64::from(TASK), low);
    with_svm(|| {
        let mut guest = Guest::new(jump_to_task);
        guest.start_in(Mode::Protected32);
        guest.write_u64(field::GDTR + segment::BASE, table);
        guest.write_u32(field::GDTR + segment::LIMIT, u32::from(TASK) + 7);
        let exit = unwrap(guest.run());
        check_eq!("exit code", exit.code, exit::EXCEPTION + 10);
        check_eq!("EXITINFO1", exit.info_1 & 0xfff8, TASK);
    });
}

user_code!(invalid_opcode: "ud2", "vmmcall");
user_code!(page_fault: "mov rax, [rdi]", "vmmcall");
user_code!(protection: "mov rax, [rsi]", "vmmcall");
user_code!(end: "vmmcall");

/// Codes whose first exception finds no gate, so that a second and third follow.
const CODES: [Code; 3] = [invalid_opcode, page_fault, protection];
const CODE_NAMES: &[Text] = names!["#UD", "#PF", "#GP"];

fn failing(code: Code) -> Guest {
    let mut guest = Guest::new(code);
    guest.registers.rdi = rt::layout::UNMAPPED;
    guest.registers.rsi = 1 << 63;
    guest
}

/// Exceptions without gates end in a double fault, which exits by its bit with an error code of 0, at the instruction.
#[case(feature = SvmExceptions, spec = [apm2("Exception Intercepts"), apm2("#DF—Double-Fault Exception (Vector 8)")], needs = Needs::SVM)]
fn double_faults_exit() {
    with_svm(|| {
        for (row, code) in CODES.into_iter().enumerate() {
            let mut guest = failing(code);
            guest.write_u32(field::EXCEPTIONS, 1 << 8);
            let exit = unwrap(guest.run());
            check_eq!("exit code", [CODE_NAMES; row], exit.code, DF);
            check_eq!("EXITINFO1", [CODE_NAMES; row], exit.info_1, 0);
            check_eq!("RIP", [CODE_NAMES; row], exit.rip, start_of(code));
            check_eq!("RSP", [CODE_NAMES; row], guest.read_u64(field::RSP), stack_top());
        }
    });
}

/// A double fault that nothing intercepts goes through its gate, with an error code of 0.
#[case(feature = SvmExceptions, spec = apm2("#DF—Double-Fault Exception (Vector 8)"), needs = Needs::SVM)]
fn double_faults_are_delivered() {
    with_svm(|| {
        gates::fill();
        for vector in [6, 13, 14] {
            gates::set(vector, gates::INTERRUPT_GATE & !gates::PRESENT);
        }
        gates::set(11, gates::INTERRUPT_GATE & !gates::PRESENT);
        for (row, code) in CODES.into_iter().enumerate() {
            let mut guest = failing(code);
            guest.use_gates();
            check_eq!("ending", [CODE_NAMES; row], end_of(guest.run()), super::ending::delivered(8));
            check_eq!("error code", [CODE_NAMES; row], guest.stack_word(0), 0);
        }
    });
}

/// Whatever leads to a third exception is a shutdown, and the next guest runs as ever; an event that is injected does, too.
#[case(feature = SvmIntercepts, spec = [apm2("Shutdown Intercept"), apm2("SVM Intercept Codes")], needs = Needs::SVM)]
fn every_way_to_a_shutdown() {
    with_svm(|| {
        for (row, code) in CODES.into_iter().enumerate() {
            let mut guest = failing(code);
            guest.write_u32(field::EXCEPTIONS, 0);
            check_eq!("ending", [CODE_NAMES; row], end_of(guest.run()), exit::SHUTDOWN);
            check_eq!("ending of the next", [CODE_NAMES; row], end_of(Guest::new(end).run()), COMPLETED);
        }
        for event in [field::event::of(0, 0x40), field::event::of(2, 2), field::event::with_error_code(3, 8, 0)] {
            let mut guest = Guest::new(end);
            guest.write_u32(field::EXCEPTIONS, 0);
            guest.write_u64(field::EVENT_INJECTION, event);
            check_eq!("ending by an event", [&[]; event], end_of(guest.run()), exit::SHUTDOWN);
            check_eq!("ending of the next", [&[]; event], end_of(Guest::new(end).run()), COMPLETED);
        }
    });
}
