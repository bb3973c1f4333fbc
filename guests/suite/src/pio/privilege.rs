//! IOPL: who may use ports, CLI, STI and the IF bit.

use rt::{
    Outcome, case, check_eq, check_outcome, instruction, names, paging, user, user_code,
    vocabulary::{Text, image::board::UNCLAIMED_PORT},
};

// Each takes the port in RDI's low half and a buffer's address in its upper half.
user_code!(in_al_imm8: "in al, 0x80", "ret");
user_code!(in_eax_imm8: "in eax, 0x80", "ret");
user_code!(out_imm8_al: "out 0x80, al", "ret");
user_code!(in_al: "mov edx, edi", "in al, dx", "ret");
user_code!(in_ax: "mov edx, edi", "in ax, dx", "ret");
user_code!(in_eax: "mov edx, edi", "in eax, dx", "ret");
user_code!(out_al: "mov edx, edi", "out dx, al", "ret");
user_code!(out_ax: "mov edx, edi", "out dx, ax", "ret");
user_code!(out_eax: "mov edx, edi", "out dx, eax", "ret");
user_code!(ins: "mov edx, edi", "shr rdi, 32", "insb", "ret");
user_code!(outs: "mov edx, edi", "shr rdi, 32", "mov rsi, rdi", "outsb", "ret");
user_code!(rep_ins: "mov edx, edi", "shr rdi, 32", "mov ecx, 2", "rep insd", "ret");
user_code!(rep_outs: "mov edx, edi", "shr rdi, 32", "mov rsi, rdi", "mov ecx, 2", "rep outsd", "ret");

const FORMS: [extern "C" fn(u64) -> u64; 13] =
    [in_al_imm8, in_eax_imm8, out_imm8_al, in_al, in_ax, in_eax, out_al, out_ax, out_eax, ins, outs, rep_ins, rep_outs];
const NAMES: &[Text] = names![
    "IN AL, imm8",
    "IN EAX, imm8",
    "OUT imm8, AL",
    "IN AL, DX",
    "IN AX, DX",
    "IN EAX, DX",
    "OUT DX, AL",
    "OUT DX, AX",
    "OUT DX, EAX",
    "INSB",
    "OUTSB",
    "REP INSD",
    "REP OUTSD",
];

const IOPL_SHIFT: u64 = 12;
const IOPL_MASK: u64 = 3 << IOPL_SHIFT;
const IF: u64 = 1 << 9;

/// A port that no test board uses, and a buffer.
fn argument() -> u64 {
    paging::frame(0) << 32 | u64::from(UNCLAIMED_PORT)
}

/// At CPL 3 with IOPL 0, every access to a port whose bit in the bitmap is set raises #GP(0).
#[case(feature = PortIoPrivilege, spec = [sdm1("I/O Privilege Level"), sdm2("IN—Input From Port")])]
fn cpl_3_with_iopl_0_may_not() {
    for (row, form) in FORMS.into_iter().enumerate() {
        check_outcome!("with IOPL 0", [NAMES; row], user::call(form, argument()), Outcome::GP);
    }
}

/// At CPL 3 with IOPL 3, every access to a port is allowed, whatever the bitmap says.
#[case(feature = PortIoPrivilege, spec = [sdm1("I/O Privilege Level"), sdm1("I/O Permission Bit Map")])]
fn cpl_3_with_iopl_3_may() {
    for (row, form) in FORMS.into_iter().enumerate() {
        let result = user::call_with_flags(form, argument(), user::RFLAGS_IOPL_3);
        check_outcome!("with IOPL 3", [NAMES; row], result, Outcome::COMPLETED);
    }
}

user_code!(cli: "cli", "ret");
user_code!(sti_cli: "sti", "cli", "ret");

/// At CPL 3, IN, CLI and STI need an IOPL of 3: 0, 1 and 2 raise #GP(0).
#[case(feature = PortIoPrivilege,
       spec = [sdm1("I/O Privilege Level"), sdm2("CLI—Clear Interrupt Flag"), sdm2("STI—Set Interrupt Flag")])]
fn each_iopl_at_cpl_3() {
    const INSTRUCTIONS: &[Text] = names![
        "IN, 0", "CLI, 0", "STI, 0", "IN, 1", "CLI, 1", "STI, 1", "IN, 2", "CLI, 2", "STI, 2", "IN, 3", "CLI, 3",
        "STI, 3"
    ];
    for iopl in 0..4_u64 {
        let expected = if iopl == 3 { Outcome::COMPLETED } else { Outcome::GP };
        for (index, code) in [in_al as extern "C" fn(u64) -> u64, cli, sti_cli].into_iter().enumerate() {
            let result = user::call_with_flags(code, argument(), user::RFLAGS_CLEAR | iopl << IOPL_SHIFT);
            check_outcome!("with this IOPL", [INSTRUCTIONS; iopl * 3 + index as u64], result, expected);
        }
    }
}

/// At CPL 0, IN and OUT are allowed with an IOPL of 0 and a bitmap of ones.
#[case(feature = PortIoPrivilege, spec = sdm1("I/O Privilege Level"))]
fn cpl_0_may_always() {
    let port = u64::from(UNCLAIMED_PORT);
    let mut flags = 0_u64;
    let result = instruction!("pushfq", "pop {}", "in al, dx", "out dx, al",
        out(reg) flags, in("rdx") port, out("rax") _);
    check_eq!("IOPL", flags & IOPL_MASK, 0);
    check_outcome!("IN and OUT", result, Outcome::COMPLETED);
}

// Result: RFLAGS after POPF, or after IRETQ, of the RFLAGS in RDI.
user_code!(popf: "push rdi", "popfq", "pushfq", "pop rax", "ret");
user_code!(iret:
    "mov rax, rsp", "mov ecx, ss", "push rcx", "push rax", "push rdi", "mov ecx, cs", "push rcx",
    "lea rcx, [rip + 2f]", "push rcx", "iretq", "2:", "pushfq", "pop rax", "ret");

/// At CPL 3, POPF and IRET change neither IOPL nor, with an IOPL below 3, IF; they raise no exception either.
#[case(feature = PortIoPrivilege,
       spec = [sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"), sdm2("IRET/IRETD/IRETQ—Interrupt Return")])]
fn iopl_cannot_be_raised_at_cpl_3() {
    const ROWS: &[Text] = names!["POPFQ, 0", "IRETQ, 0", "POPFQ, 1", "IRETQ, 1", "POPFQ, 2", "IRETQ, 2"];
    for iopl in 0..3_u64 {
        for (index, code) in [popf as extern "C" fn(u64) -> u64, iret].into_iter().enumerate() {
            let row = iopl * 2 + index as u64;
            let before = user::RFLAGS_CLEAR | iopl << IOPL_SHIFT;
            let result = user::call_with_flags(code, user::RFLAGS_IOPL_3 | IF, before);
            check_outcome!("with this IOPL", [ROWS; row], result, Outcome::COMPLETED);
            check_eq!("RFLAGS", [ROWS; row], result.unwrap_or(0), before);
        }
    }
}

user_code!(popf_set_if: "push rdi", "popfq", "pushfq", "cli", "pop rax", "ret");

/// At CPL 3 with IOPL 3, POPF changes IF, but IOPL stays 3.
#[case(feature = PortIoPrivilege, spec = sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"))]
fn iopl_3_lets_popf_change_if() {
    // Interrupts that firmware left pending must not strike while IF is set.
    rt::cpu::port::write_u8(0x21, 0xff);
    rt::cpu::port::write_u8(0xa1, 0xff);
    let result = user::call_with_flags(popf_set_if, user::RFLAGS_CLEAR | IF, user::RFLAGS_IOPL_3);
    check_outcome!("POPFQ", result, Outcome::COMPLETED);
    check_eq!("RFLAGS", result.unwrap_or(0), user::RFLAGS_IOPL_3 | IF);
    let result = user::call_with_flags(popf, user::RFLAGS_CLEAR, user::RFLAGS_IOPL_3);
    check_outcome!("POPFQ of zeros", result, Outcome::COMPLETED);
    check_eq!("RFLAGS after zeros", result.unwrap_or(0), user::RFLAGS_IOPL_3);
}
