//! Decode assists: what exits tell of the instruction, where the processor offers it.

use super::{end_of, nested_access, start_of, with_nested, with_svm};
use crate::paging::decision::Operation;
use rt::{
    case, check, check_eq, mmio, paging,
    svm::{
        Exit, Guest,
        field::{self, CR_READS, CR_WRITES, INTERCEPTS_1, exit, intercept_1},
        nested::WINDOW,
    },
    tables::page_bit,
    user_code,
    vocabulary::Needs,
};

type Code = extern "C" fn(u64) -> u64;

fn unwrap(exit: Result<Exit, rt::Exception>) -> Exit {
    exit.unwrap_or(Exit { code: 0xffff_fffe, info_1: 0, info_2: 0, interrupt_info: 0, rip: 0, next_rip: 0 })
}

user_code!(clts: "clts", "vmmcall");
user_code!(lmsw: "lmsw bx", "vmmcall");
user_code!(smsw: "smsw ebx", "vmmcall");

/// CLTS, LMSW and SMSW exit as accesses of CR0 that are no MOV: bit 63 of EXITINFO1 is clear.
#[case(feature = SvmControlRegisters, spec = [apm2("MOV CRx/DRx Intercepts"), apm2("Decode Assists")],
       needs = Needs::SVM | Needs::SVM_DECODE_ASSISTS)]
fn what_is_no_mov_of_cr0() {
    let rows: [(Code, u64); 3] = [(clts, exit::CR_WRITE), (lmsw, exit::CR_WRITE), (smsw, exit::CR_READ)];
    with_svm(|| {
        for (row, (code, due)) in rows.into_iter().enumerate() {
            let mut guest = Guest::new(code);
            guest.write_u16(CR_READS, 1);
            guest.write_u16(CR_WRITES, 1);
            let exit = unwrap(guest.run());
            check_eq!("exit code", [&[]; row], exit.code, due);
            check_eq!("MOV", [&[]; row], exit.info_1 >> 63, 0);
        }
    });
}

macro_rules! moves {
    ($($function:ident $number:literal $assembly:literal;)*) => {
        $(user_code!($function: $assembly, "vmmcall");)*
        const REGISTERS: [(Code, u64); 15] = [$(($function, $number)),*];
    };
}

moves! {
    from_rax 0 "mov cr3, rax"; from_rcx 1 "mov cr3, rcx"; from_rdx 2 "mov cr3, rdx"; from_rbx 3 "mov cr3, rbx";
    from_rbp 5 "mov cr3, rbp"; from_rsi 6 "mov cr3, rsi"; from_rdi 7 "mov cr3, rdi";
    from_r8 8 "mov cr3, r8"; from_r9 9 "mov cr3, r9"; from_r10 10 "mov cr3, r10"; from_r11 11 "mov cr3, r11";
    from_r12 12 "mov cr3, r12"; from_r13 13 "mov cr3, r13"; from_r14 14 "mov cr3, r14"; from_r15 15 "mov cr3, r15";
}

/// Each register of a MOV has its number in EXITINFO1.
#[case(feature = SvmControlRegisters, spec = [apm2("MOV CRx/DRx Intercepts"), apm2("Decode Assists")],
       needs = Needs::SVM | Needs::SVM_DECODE_ASSISTS)]
fn every_register_of_a_mov() {
    with_svm(|| {
        for (code, number) in REGISTERS {
            let mut guest = Guest::new(code);
            guest.write_u16(CR_WRITES, 1 << 3);
            let exit = unwrap(guest.run());
            check_eq!("exit code", [&[]; number], exit.code, exit::CR_WRITE + 3);
            check_eq!("EXITINFO1", [&[]; number], exit.info_1, 1 << 63 | number);
        }
    });
}

user_code!(interrupt_0: "int 0", "vmmcall");
user_code!(interrupt_80: "int 0x80", "vmmcall");
user_code!(interrupt_ff: "int 0xff", "vmmcall");

/// INT n tells its vector.
#[case(feature = SvmIntercepts, spec = apm2("Decode Assists"), needs = Needs::SVM | Needs::SVM_DECODE_ASSISTS)]
fn vector_of_int_n() {
    let rows: [(Code, u64); 3] = [(interrupt_0, 0), (interrupt_80, 0x80), (interrupt_ff, 0xff)];
    with_svm(|| {
        for (code, vector) in rows {
            let mut guest = Guest::new(code);
            guest.intercept(INTERCEPTS_1, intercept_1::INTN);
            let exit = unwrap(guest.run());
            check_eq!("exit code", [&[]; vector], exit.code, exit::INTR + u64::from(intercept_1::INTN));
            check_eq!("EXITINFO1", [&[]; vector], exit.info_1, vector);
        }
    });
}

/// A nested page fault of data tells the bytes of the instruction, one of a fetch tells none.
#[case(feature = SvmNestedPaging, spec = apm2("Decode Assists"),
       needs = Needs::SVM | Needs::SVM_DECODE_ASSISTS | Needs::SVM_NESTED_PAGING)]
fn bytes_of_a_nested_page_fault() {
    with_nested(|tables| {
        let linear = paging::map(0, WINDOW, paging::ALL_RIGHTS);
        let mut window = tables.read_window();
        window[3] &= !page_bit::P;
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            tables.set_window(window);
            let mut guest = nested_access::guest(operation, linear);
            let start = guest.read_u64(field::RIP);
            tables.attach(&guest);
            check_eq!("ending", [&[]; number], end_of(guest.run()), exit::NESTED_PAGE_FAULT);
            let count = u64::from(guest.read_u8(field::NR_BYTES) & 15);
            if operation == Operation::Fetch {
                check_eq!("number of bytes", [&[]; number], count, 0);
                continue;
            }
            check!("at least the instruction's", [&[]; number], count >= 3);
            for index in 0..count {
                let byte = guest.read_u8(field::INSTRUCTION_BYTES + index);
                check_eq!("byte", [&[]; (number as u64) << 4 | index], byte, mmio::read_u8(start + index));
            }
        }
    });
}

/// Other exits tell no bytes.
#[case(feature = SvmIntercepts, spec = apm2("Decode Assists"), needs = Needs::SVM | Needs::SVM_DECODE_ASSISTS)]
fn other_exits_tell_no_bytes() {
    user_code!(end: "vmmcall");
    with_svm(|| {
        let mut guest = Guest::new(end);
        let exit = unwrap(guest.run());
        check_eq!("RIP", exit.rip, start_of(end));
        check_eq!("number of bytes", guest.read_u8(field::NR_BYTES) & 15, 0);
    });
}
