//! Instructions that CPL 3 may execute, and what they leave alone there.

use rt::{
    Outcome, case, check_eq, check_outcome, cpu::cpuid::read_leaf, names, tables::selector, user, user_code,
    vocabulary::Text,
};

user_code!(pop_flags: "push rdi", "popfq", "pushfq", "pop rax", "cld", "ret");

const INTERRUPT_FLAG: u64 = 1 << 9;
const IOPL: u64 = 3 << 12;

/// POPFQ at CPL 3 with IOPL 0 changes neither IF nor IOPL, and raises nothing.
#[case(feature = Ring3Privilege, spec = sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"))]
fn popf_keeps_if_and_iopl() {
    for (row, flags) in [INTERRUPT_FLAG, IOPL, INTERRUPT_FLAG | IOPL].into_iter().enumerate() {
        let result = user::call(pop_flags, flags | user::RFLAGS_CLEAR);
        check_outcome!("POPFQ", [names!["IF", "IOPL", "both"]; row], result, Outcome::COMPLETED);
        check_eq!("RFLAGS", [names!["IF", "IOPL", "both"]; row], result.unwrap_or(0) & (INTERRUPT_FLAG | IOPL), 0);
    }
}

/// POPFQ at CPL 3 changes the status flags, DF, NT, AC and ID, and clears VIF, VIP and the bits that do not exist.
#[case(feature = Ring3Computation, spec = sdm2("POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register"))]
fn popf_changes_the_others() {
    const CHANGEABLE: [u64; 10] = [1 << 0, 1 << 2, 1 << 4, 1 << 6, 1 << 7, 1 << 10, 1 << 11, 1 << 14, 1 << 18, 1 << 21];
    for (row, flag) in CHANGEABLE.into_iter().enumerate() {
        check_eq!(
            "RFLAGS",
            [names!["CF", "PF", "AF", "ZF", "SF", "DF", "OF", "NT", "AC", "ID"]; row],
            user::call(pop_flags, flag).unwrap_or(0),
            flag | user::RFLAGS_CLEAR
        );
    }
    check_eq!(
        "bits that do not exist",
        user::call(pop_flags, 1 << 3 | 1 << 5 | 1 << 15 | 1 << 22 | 1 << 40).unwrap_or(0),
        user::RFLAGS_CLEAR
    );
}

user_code!(cpuid_0: "mov r8, rbx", "xor eax, eax", "xor ecx, ecx", "cpuid", "mov eax, ebx", "mov rbx, r8", "ret");

/// CPUID tells CPL 3 what it tells CPL 0.
#[case(feature = Ring3Privilege, spec = sdm2("CPUID—CPU Identification"))]
fn cpuid_at_cpl_3() {
    let result = user::call(cpuid_0, 0);
    check_outcome!("CPUID", result, Outcome::COMPLETED);
    check_eq!("EBX of leaf 0", result.unwrap_or(0), read_leaf(0, 0).ebx);
}

// ZF is the result: whether the selector may be used so.
user_code!(verr: "verr di", "setz al", "movzx eax, al", "ret");
user_code!(verw: "verw di", "setz al", "movzx eax, al", "ret");
user_code!(lar: "xor eax, eax", "lar eax, edi", "setz cl", "movzx ecx, cl", "shl rcx, 32", "or rax, rcx", "ret");
user_code!(lsl: "xor eax, eax", "lsl eax, edi", "setz cl", "movzx ecx, cl", "shl rcx, 32", "or rax, rcx", "ret");

const GRANTED: u64 = 1 << 32;

/// VERR and VERW tell by ZF whether CPL 3 may read or write a segment.
#[case(feature = Ring3Privilege, spec = sdm2("VERR/VERW—Verify a Segment for Reading or Writing"))]
fn verify_segments() {
    const ROWS: &[Text] = names!["data", "code", "data of CPL 0", "code of CPL 0", "null", "beyond the limit", "TSS"];
    let table = [
        (selector::USER_DATA, 1, 1),
        (selector::USER_CODE, 1, 0),
        (selector::KERNEL_DATA, 0, 0),
        (selector::KERNEL_CODE, 0, 0),
        (0, 0, 0),
        (selector::BEYOND_LIMIT, 0, 0),
        (selector::TSS, 0, 0),
    ];
    for (row, (value, readable, writable)) in table.into_iter().enumerate() {
        check_eq!("VERR", [ROWS; row], user::call(verr, u64::from(value)).unwrap_or(2), readable);
        check_eq!("VERW", [ROWS; row], user::call(verw, u64::from(value)).unwrap_or(2), writable);
    }
}

/// LAR and LSL load access rights and limit of a segment that CPL 3 may see, and clear ZF for the others.
#[case(feature = Ring3Privilege, spec = [sdm2("LAR—Load Access Rights Byte"), sdm2("LSL—Load Segment Limit")])]
fn load_rights_and_limits() {
    const ROWS: &[Text] = names!["data", "code", "32-bit code", "data of CPL 0", "null", "beyond the limit"];
    let table = [
        (selector::USER_DATA, GRANTED | 0x00cf_f300, GRANTED | 0xffff_ffff),
        (selector::USER_CODE, GRANTED | 0x00af_fb00, GRANTED | 0xffff_ffff),
        (selector::USER_CODE_32, GRANTED | 0x00cf_fb00, GRANTED | 0xffff_ffff),
        (selector::KERNEL_DATA, 0, 0),
        (0, 0, 0),
        (selector::BEYOND_LIMIT, 0, 0),
    ];
    for (row, (value, rights, limit)) in table.into_iter().enumerate() {
        // Bits 19 to 16 of what LAR loads are undefined.
        check_eq!("LAR", [ROWS; row], user::call(lar, u64::from(value)).unwrap_or(2) & !0xf_0000, rights & !0xf_0000);
        check_eq!("LSL", [ROWS; row], user::call(lsl, u64::from(value)).unwrap_or(2), limit);
    }
}
