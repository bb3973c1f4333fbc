//! Arithmetic and flags, against models written in Rust. All of it runs at CPL 3.

use rt::{Outcome, case, check_eq, check_outcome, names, user, user_code, vocabulary::Needs};

const CF: u64 = 1 << 0;
const PF: u64 = 1 << 2;
const AF: u64 = 1 << 4;
const ZF: u64 = 1 << 6;
const SF: u64 = 1 << 7;
const OF: u64 = 1 << 11;
const STATUS: u64 = CF | PF | AF | ZF | SF | OF;

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

/// A result, the flags, and which of the flags are defined.
type Predicted = (u8, u64, u64);
type Model = fn(u8, u8, bool) -> Predicted;

const fn sign_zero_parity(result: u8) -> u64 {
    (if result == 0 { ZF } else { 0 })
        | (if result & 0x80 != 0 { SF } else { 0 })
        | if result.count_ones().is_multiple_of(2) { PF } else { 0 }
}

const fn when(condition: bool, flag: u64) -> u64 {
    if condition { flag } else { 0 }
}

const fn sum(a: u8, b: u8, carry: bool) -> Predicted {
    let wide = a as u16 + b as u16 + carry as u16;
    let signed = a as i8 as i16 + b as i8 as i16 + carry as i16;
    let result = wide as u8;
    let adjust = (a & 15) + (b & 15) + carry as u8 > 15;
    let flags = when(wide > 0xff, CF) | when(adjust, AF) | when(signed != result as i8 as i16, OF);
    (result, flags | sign_zero_parity(result), STATUS)
}

const fn difference(a: u8, b: u8, borrow: bool) -> Predicted {
    let wide = a as i16 - b as i16 - borrow as i16;
    let signed = a as i8 as i16 - b as i8 as i16 - borrow as i16;
    let result = wide as u8;
    let adjust = ((a & 15) as i8) - ((b & 15) as i8) - (borrow as i8) < 0;
    let flags = when(wide < 0, CF) | when(adjust, AF) | when(signed != result as i8 as i16, OF);
    (result, flags | sign_zero_parity(result), STATUS)
}

/// AF is undefined behind the logical instructions.
const fn logical(result: u8) -> Predicted {
    (result, sign_zero_parity(result), STATUS & !AF)
}

const fn keeping_carry(predicted: Predicted, carry: bool) -> Predicted {
    (predicted.0, predicted.1 & !CF | when(carry, CF), predicted.2)
}

/// Shifts: CF is the last bit shifted out, undefined where none is left; OF is defined for a count of 1; a count of 0
/// changes no flag, and BT has left only CF defined.
const fn shifted(result: u8, carry: bool, overflow: bool, count: u8, before: bool) -> Predicted {
    match count {
        0 => (result, when(before, CF), CF),
        1 => (result, sign_zero_parity(result) | when(carry, CF) | when(overflow, OF), STATUS & !AF),
        2..=7 => (result, sign_zero_parity(result) | when(carry, CF), STATUS & !(AF | OF)),
        _ => (result, sign_zero_parity(result), STATUS & !(AF | OF | CF)),
    }
}

const fn shift_left(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let wide = (a as u64) << count;
    shifted(wide as u8, wide & 0x100 != 0, (wide >> 8 ^ wide >> 7) & 1 != 0, count, before)
}

const fn shift_right(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let wide = (a as u64) << 32 >> count;
    shifted((wide >> 32) as u8, wide >> 31 & 1 != 0, a & 0x80 != 0, count, before)
}

const fn shift_right_signed(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let wide = ((a as i8 as i64) << 32) >> count;
    shifted((wide >> 32) as u8, wide >> 31 & 1 != 0, false, count, before)
}

/// Rotates change CF and OF only; OF is defined for a count of 1; a count of 0 changes nothing.
const fn rotated(result: u8, carry: bool, overflow: bool, count: u8, before: bool) -> Predicted {
    match count {
        0 => (result, when(before, CF), CF),
        1 => (result, when(carry, CF) | when(overflow, OF), CF | OF),
        _ => (result, when(carry, CF), CF),
    }
}

const fn rotate_left(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let result = a.rotate_left(count as u32);
    let carry = result & 1 != 0;
    rotated(result, carry, carry != (result & 0x80 != 0), count, before)
}

const fn rotate_right(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let result = a.rotate_right(count as u32);
    rotated(result, result & 0x80 != 0, (result >> 7 ^ result >> 6) & 1 != 0, count, before)
}

/// Nine bits, CF above the byte, rotated left; a count is taken modulo 9 after modulo 32.
const fn rotate_through_carry(a: u8, left: u8, before: bool) -> (u8, bool) {
    let wide = a as u32 | (before as u32) << 8;
    let wide = (wide << left | wide >> (9 - left)) & 0x1ff;
    (wide as u8, wide & 0x100 != 0)
}

const fn rotate_carry_left(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let (result, carry) = rotate_through_carry(a, count % 9, before);
    rotated(result, carry, carry != (result & 0x80 != 0), count, before)
}

const fn rotate_carry_right(a: u8, count: u8, before: bool) -> Predicted {
    let count = count & 31;
    let (result, carry) = rotate_through_carry(a, (9 - count % 9) % 9, before);
    rotated(result, carry, (result >> 7 ^ result >> 6) & 1 != 0, count, before)
}

const OPERANDS: [u8; 16] = [0, 1, 2, 3, 7, 8, 9, 0x0f, 0x10, 0x1f, 0x7f, 0x80, 0x81, 0xaa, 0xfe, 0xff];

/// Compares every first operand with these second ones; 0, or the first difference: operands and carry in bits 16 to 0,
/// result and flags as the instruction left them above.
fn first_difference(function: Code, model: Model) -> u64 {
    for first in 0..=255_u8 {
        for second in OPERANDS {
            for carry in [false, true] {
                let argument = u64::from(first) | u64::from(second) << 8 | u64::from(carry) << 16;
                let actual = function(argument);
                let (result, flags, defined) = model(first, second, carry);
                if actual as u8 != result || (actual >> 32 ^ flags) & defined != 0 {
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
    sweep_add: add, |a, b, _| sum(a, b, false);
    sweep_adc: adc, sum;
    sweep_sub: sub, |a, b, _| difference(a, b, false);
    sweep_sbb: sbb, difference;
    sweep_cmp: cmp, |a, b, _| (a, difference(a, b, false).1, STATUS);
    sweep_inc: inc, |a, _, carry| keeping_carry(sum(a, 1, false), carry);
    sweep_dec: dec, |a, _, carry| keeping_carry(difference(a, 1, false), carry);
    sweep_neg: neg, |a, _, _| difference(0, a, false);
    sweep_and: and, |a, b, _| logical(a & b);
    sweep_or: or, |a, b, _| logical(a | b);
    sweep_xor: xor, |a, b, _| logical(a ^ b);
    sweep_test: test, |a, b, _| (a, logical(a & b).1, STATUS & !AF);
    sweep_not: not, |a, _, carry| (!a, when(carry, CF), CF);
    sweep_shl: shl, shift_left;
    sweep_shr: shr, shift_right;
    sweep_sar: sar, shift_right_signed;
    sweep_rol: rol, rotate_left;
    sweep_ror: ror, rotate_right;
    sweep_rcl: rcl, rotate_carry_left;
    sweep_rcr: rcr, rotate_carry_right;
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
