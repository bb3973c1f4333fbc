//! Arithmetic and flags, against models written in Rust. All of it runs at CPL 3.

use super::arithmetic_model::{CF, Model, OF, OPERANDS, agrees, models};
use rt::{Outcome, case, check_eq, check_outcome, names, user, user_code, vocabulary::Needs};

type Code = extern "C" fn(u64) -> u64;

// Operands in bits 7 to 0 and 15 to 8, carry in bit 16; the result in bits 31 to 0, the flags in bits 63 to 32.
macro_rules! byte_operations {
    ($($name:ident: $assembly:literal;)*) => {
        $(user_code!($name: "mov eax, edi", "mov ecx, edi", "shr ecx, 8", "bt edi, 16", $assembly, "pushfq", "pop rcx",
                     "movzx eax, al", "shl rcx, 32", "or rax, rcx", "ret");)*
    };
}

byte_operations! {
    add: "add al, cl";
    adc: "adc al, cl";
    sub: "sub al, cl";
    sbb: "sbb al, cl";
    cmp: "cmp al, cl";
    and: "and al, cl";
    or: "or al, cl";
    xor: "xor al, cl";
    test: "test al, cl";
    inc: "inc al";
    dec: "dec al";
    neg: "neg al";
    not: "not al";
    shl: "shl al, cl";
    shr: "shr al, cl";
    sar: "sar al, cl";
    rol: "rol al, cl";
    ror: "ror al, cl";
    rcl: "rcl al, cl";
    rcr: "rcr al, cl";
}

/// Compares every first operand with these second ones; 0, or the first difference: operands and carry in bits 16 to 0,
/// result and flags as the instruction left them above.
fn first_difference(function: Code, model: Model) -> u64 {
    for first in 0..=255_u8 {
        for second in OPERANDS {
            for carry in [false, true] {
                let argument = u64::from(first) | u64::from(second) << 8 | u64::from(carry) << 16;
                let actual = function(argument);
                if !agrees(model(first, second, carry), actual as u8, actual >> 32) {
                    return 1 << 63 | argument | (actual & 0xff) << 24 | (actual >> 32 & 0xfff) << 32;
                }
            }
        }
    }
    0
}

macro_rules! sweeps {
    ($($name:ident: $function:ident, $model:expr;)*) => {
        $(extern "C" fn $name(_: u64) -> u64 {
            first_difference($function, $model)
        })*
    };
}

sweeps! {
    sweep_add: add, models::ADD;
    sweep_adc: adc, models::ADC;
    sweep_sub: sub, models::SUB;
    sweep_sbb: sbb, models::SBB;
    sweep_cmp: cmp, models::CMP;
    sweep_inc: inc, models::INC;
    sweep_dec: dec, models::DEC;
    sweep_neg: neg, models::NEG;
    sweep_and: and, models::AND;
    sweep_or: or, models::OR;
    sweep_xor: xor, models::XOR;
    sweep_test: test, models::TEST;
    sweep_not: not, models::NOT;
    sweep_shl: shl, models::SHL;
    sweep_shr: shr, models::SHR;
    sweep_sar: sar, models::SAR;
    sweep_rol: rol, models::ROL;
    sweep_ror: ror, models::ROR;
    sweep_rcl: rcl, models::RCL;
    sweep_rcr: rcr, models::RCR;
}

/// ADD, ADC, SUB, SBB, CMP, INC, DEC and NEG compute result and all six status flags as the manual says.
#[case(feature = Ring3Computation, spec = [sdm2("ADD—Add"), sdm2("SBB—Integer Subtraction With Borrow"),
       sdm1("EFLAGS Register")])]
fn additions_and_subtractions() {
    let table: [Code; 8] = [sweep_add, sweep_adc, sweep_sub, sweep_sbb, sweep_cmp, sweep_inc, sweep_dec, sweep_neg];
    for (row, function) in table.into_iter().enumerate() {
        check_eq!(
            "first difference",
            [names!["ADD", "ADC", "SUB", "SBB", "CMP", "INC", "DEC", "NEG"]; row],
            user::call(function, 0).unwrap_or(u64::MAX),
            0
        );
    }
}

/// AND, OR, XOR, TEST and NOT compute result and flags as the manual says.
#[case(feature = Ring3Computation, spec = [sdm2("AND—Logical AND"), sdm2("NOT—One's Complement Negation")])]
fn logical_operations() {
    let table: [Code; 5] = [sweep_and, sweep_or, sweep_xor, sweep_test, sweep_not];
    for (row, function) in table.into_iter().enumerate() {
        check_eq!(
            "first difference",
            [names!["AND", "OR", "XOR", "TEST", "NOT"]; row],
            user::call(function, 0).unwrap_or(u64::MAX),
            0
        );
    }
}

/// Shifts and rotates take their count modulo 32 and compute result and flags as the manual says.
#[case(feature = Ring3Computation, spec = [sdm2("SAL/SAR/SHL/SHR—Shift"), sdm2("RCL/RCR/ROL/ROR—Rotate")])]
fn shifts_and_rotates() {
    let table: [Code; 7] = [sweep_shl, sweep_shr, sweep_sar, sweep_rol, sweep_ror, sweep_rcl, sweep_rcr];
    for (row, function) in table.into_iter().enumerate() {
        check_eq!(
            "first difference",
            [names!["SHL", "SHR", "SAR", "ROL", "ROR", "RCL", "RCR"]; row],
            user::call(function, 0).unwrap_or(u64::MAX),
            0
        );
    }
}

/// Operands and results of a wide operation, in memory.
#[repr(C)]
struct Wide {
    operands: [u64; 2],
    results: [u64; 2],
}

user_code!(mul_64: "mov rax, [rdi]", "mul qword ptr [rdi + 8]", "mov [rdi + 16], rax", "mov [rdi + 24], rdx", "pushfq",
           "pop rax", "ret");
user_code!(imul_64: "mov rax, [rdi]", "imul qword ptr [rdi + 8]", "mov [rdi + 16], rax", "mov [rdi + 24], rdx", "pushfq",
           "pop rax", "ret");
// Divides the 128 bits in `results` by the first operand: quotient and remainder.
user_code!(div_64: "mov rax, [rdi + 16]", "mov rdx, [rdi + 24]", "div qword ptr [rdi]", "mov [rdi + 16], rax",
           "mov [rdi + 24], rdx", "ret");

const WIDE_OPERANDS: [u64; 10] = [
    0,
    1,
    2,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
    0x0123_4567_89ab_cdef,
    0xfedc_ba98_7654_3210,
];

fn run(function: Code, wide: &mut Wide) -> u64 {
    function((&raw mut *wide) as u64)
}

/// Number of products that differ, with the flags: CF and OF tell that the high half matters.
extern "C" fn wrong_products(signed: u64) -> u64 {
    let mut wrong = 0;
    for a in WIDE_OPERANDS {
        for b in WIDE_OPERANDS {
            let mut wide = Wide { operands: [a, b], results: [0; 2] };
            let (flags, product, fits) = if signed != 0 {
                let product = i128::from(a as i64) * i128::from(b as i64);
                (run(imul_64, &mut wide), product as u128, i128::from(product as i64) == product)
            } else {
                let product = u128::from(a) * u128::from(b);
                (run(mul_64, &mut wide), product, product >> 64 == 0)
            };
            let expected_flags = if fits { 0 } else { CF | OF };
            if wide.results != [product as u64, (product >> 64) as u64] || flags & (CF | OF) != expected_flags {
                wrong += 1;
            }
        }
    }
    wrong
}

/// Number of quotients that differ, of dividends that are made as quotient times divisor plus remainder.
extern "C" fn wrong_quotients(_: u64) -> u64 {
    let mut wrong = 0;
    for divisor in WIDE_OPERANDS {
        for quotient in WIDE_OPERANDS {
            for remainder in [0, divisor.wrapping_sub(1), divisor / 2] {
                if divisor == 0 {
                    continue;
                }
                let dividend = u128::from(divisor) * u128::from(quotient) + u128::from(remainder);
                let mut wide = Wide { operands: [divisor, 0], results: [dividend as u64, (dividend >> 64) as u64] };
                run(div_64, &mut wide);
                if wide.results != [quotient, remainder] {
                    wrong += 1;
                }
            }
        }
    }
    wrong
}

/// MUL and IMUL give products of 128 bits, with CF and OF set if the high half matters; DIV inverts them.
#[case(feature = Ring3Computation, spec = [sdm2("MUL—Unsigned Multiply"), sdm2("IMUL—Signed Multiply"),
       sdm2("DIV—Unsigned Divide")])]
fn multiplications_and_divisions() {
    check_eq!("wrong products of MUL", user::call(wrong_products, 0).unwrap_or(u64::MAX), 0);
    check_eq!("wrong products of IMUL", user::call(wrong_products, 1).unwrap_or(u64::MAX), 0);
    check_eq!("wrong quotients of DIV", user::call(wrong_quotients, 0).unwrap_or(u64::MAX), 0);
}

user_code!(mov_32: "mov rax, -1", "mov eax, edi", "ret");
user_code!(mov_16: "mov rax, -1", "mov ax, di", "ret");
user_code!(mov_8: "mov rax, -1", "mov al, dil", "ret");
user_code!(mov_high_8: "mov rax, -1", "mov ecx, edi", "mov ah, cl", "ret");
user_code!(cmov_32_not_taken: "mov rax, -1", "cmp edi, edi", "cmovne eax, edi", "ret");
user_code!(movsx: "movsx rax, dil", "ret");
user_code!(movzx: "mov rax, -1", "movzx eax, di", "ret");
user_code!(movsxd: "movsxd rax, edi", "ret");
user_code!(cdqe: "mov eax, edi", "cdqe", "ret");
user_code!(bswap_32: "mov rax, rdi", "bswap eax", "ret");
user_code!(bswap_64: "mov rax, rdi", "bswap rax", "ret");
user_code!(xchg_32: "mov rax, rdi", "mov rcx, -1", "xchg eax, ecx", "ret");
user_code!(push_immediate: "push -2", "pop rax", "ret");
user_code!(lea_32: "lea eax, [rdi + rdi]", "ret");
user_code!(lea_address_32: "lea rax, [edi + 1]", "ret");

/// 32-bit results clear bits 63 to 32, 16- and 8-bit results leave them, also of CMOV whose condition does not hold.
#[case(feature = Ring3Computation, spec = [sdm1("General-Purpose Registers in 64-Bit Mode"),
       sdm2("CMOVcc—Conditional Move")])]
fn operand_sizes() {
    let table: [(Code, u64, u64); 15] = [
        (mov_32, 0x1_8765_4321, 0x8765_4321),
        (mov_16, 0x1234, 0xffff_ffff_ffff_1234),
        (mov_8, 0x12, 0xffff_ffff_ffff_ff12),
        (mov_high_8, 0x12, 0xffff_ffff_ffff_12ff),
        (cmov_32_not_taken, 5, 0xffff_ffff),
        (movsx, 0x80, 0xffff_ffff_ffff_ff80),
        (movzx, 0x1_8000, 0x8000),
        (movsxd, 0x8000_0000, 0xffff_ffff_8000_0000),
        (cdqe, 0x8000_0000, 0xffff_ffff_8000_0000),
        (bswap_32, 0xff_1122_3344, 0x4433_2211),
        (bswap_64, 0x0102_0304_0506_0708, 0x0807_0605_0403_0201),
        (xchg_32, 1, 0xffff_ffff),
        (push_immediate, 0, 0xffff_ffff_ffff_fffe),
        (lea_32, 0xffff_ffff, 0xffff_fffe),
        (lea_address_32, 0x7_ffff_ffff, 0),
    ];
    for (row, (function, argument, expected)) in table.into_iter().enumerate() {
        check_eq!(
            "RAX",
            [names![
                "MOV 32",
                "MOV 16",
                "MOV 8",
                "MOV AH",
                "CMOV 32, not taken",
                "MOVSX",
                "MOVZX",
                "MOVSXD",
                "CDQE",
                "BSWAP 32",
                "BSWAP 64",
                "XCHG 32",
                "PUSH of -2",
                "LEA 32",
                "LEA, 32-bit address"
            ]; row],
            user::call(function, argument).unwrap_or(u64::MAX),
            expected
        );
    }
}

user_code!(compare_exchange_16: "mov r8, rbx", "mov rax, [rdi + 16]", "mov rdx, [rdi + 24]", "mov ebx, 1", "mov ecx, 2",
           "lock cmpxchg16b [rdi]", "setz cl", "mov [rdi + 16], rax", "mov [rdi + 24], rdx", "movzx eax, cl",
           "mov rbx, r8", "ret");

/// CMPXCHG16B stores RCX:RBX and sets ZF if RDX:RAX equals memory, else loads RDX:RAX; it demands alignment.
#[case(feature = Ring3Computation, spec = sdm2("CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes"),
       needs = Needs::CMPXCHG16B)]
fn compare_and_exchange_16_bytes() {
    use rt::{mmio, paging::frame};
    let memory = |offset: u64| mmio::read_u64(frame(0) + offset);
    let set = |values: [u64; 4]| {
        for (value, offset) in values.into_iter().zip([0, 8, 16, 24]) {
            mmio::write_u64(frame(0) + offset, value);
        }
    };
    set([5, 6, 5, 6]);
    check_eq!("equal: ZF", user::call(compare_exchange_16, frame(0)).unwrap_or(2), 1);
    check_eq!("equal: low half", memory(0), 1);
    check_eq!("equal: high half", memory(8), 2);
    set([5, 6, 5, 7]);
    check_eq!("different: ZF", user::call(compare_exchange_16, frame(0)).unwrap_or(2), 0);
    check_eq!("different: low half", memory(0), 5);
    check_eq!("different: high half", memory(8), 6);
    check_eq!("different: RDX", memory(24), 6);
    check_outcome!("8 off", user::call(compare_exchange_16, frame(0) + 8), Outcome::GP);
}

user_code!(bsf: "mov eax, 99", "bsf rax, rdi", "ret");
user_code!(bsr: "mov eax, 99", "bsr rax, rdi", "ret");
user_code!(bts_memory: "push 0", "push 0", "bts qword ptr [rsp], rdi", "pop rax", "pop rcx", "sub rax, rcx", "ret");
user_code!(popcnt: "popcnt rax, rdi", "ret");

/// BSF and BSR find the lowest and highest bit; BTS on memory with a register counts bits across quadwords.
#[case(feature = Ring3Computation, spec = [sdm2("BSF—Bit Scan Forward"), sdm2("BTS—Bit Test and Set")])]
fn bit_scans_and_strings() {
    let table: [(Code, u64, u64); 7] = [
        (bsf, 1 << 63, 63),
        (bsf, 0xffff_0000, 16),
        (bsr, 1, 0),
        (bsr, 0x8000_0000_0000_0001, 63),
        (bts_memory, 3, 8),
        (bts_memory, 63, 1 << 63),
        // The second quadword, subtracted.
        (bts_memory, 64 + 4, 0_u64.wrapping_sub(16)),
    ];
    for (row, (function, argument, expected)) in table.into_iter().enumerate() {
        check_eq!(
            "RAX",
            [names![
                "BSF of bit 63",
                "BSF of bit 16",
                "BSR of bit 0",
                "BSR of bit 63",
                "BTS of bit 3",
                "BTS of bit 63",
                "BTS of bit 68"
            ]; row],
            user::call(function, argument).unwrap_or(u64::MAX),
            expected
        );
    }
}

extern "C" fn wrong_popcnt(_: u64) -> u64 {
    let mut wrong = 0;
    for bit in 0..64 {
        for value in [1 << bit, u64::MAX << bit, 0x5555_5555_5555_5555 >> bit] {
            let expected = (0..64).filter(|index| value >> index & 1 != 0).count() as u64;
            wrong += u64::from(popcnt(value) != expected);
        }
    }
    wrong
}

/// POPCNT counts the bits that are set.
#[case(feature = Ring3Computation, spec = sdm2("POPCNT—Return the Count of Number of Bits Set to 1"),
       needs = Needs::POPCNT)]
fn population_count() {
    check_eq!("wrong counts", user::call(wrong_popcnt, 0).unwrap_or(u64::MAX), 0);
    check_eq!("POPCNT of 0", user::call(popcnt, 0).unwrap_or(u64::MAX), 0);
}
