//! SIMD and x87 floating-point exceptions: operations that meet each of them, under all 64 masks.

use super::{
    memory::Area,
    numeric::{Leads, Meets, flag, leads},
};
use rt::{Outcome, case, check_eq, check_outcome, user, user_code};

type Code = extern "C" fn(u64) -> u64;

// At RDI: MXCSR, first operand and destination, second operand.
macro_rules! sse {
    ($($name:ident: $assembly:literal;)*) => {
        $(user_code!($name: "movq xmm0, [rdi + 8]", "movq xmm1, [rdi + 16]", "ldmxcsr [rdi]", $assembly, "ret");)*
    };
}

sse! {
    addsd: "addsd xmm0, xmm1";
    mulsd: "mulsd xmm0, xmm1";
    divsd: "divsd xmm0, xmm1";
    sqrtsd: "sqrtsd xmm0, xmm1";
}
// Afterwards: MXCSR and the destination, and MXCSR as it should be for whatever follows.
user_code!(read_back: "stmxcsr [rdi]", "movq [rdi + 8], xmm0", "mov dword ptr [rdi + 16], 0x1f80",
    "ldmxcsr [rdi + 16]", "ret");

const ONE: u64 = 0x3ff0_0000_0000_0000;
const THREE: u64 = 0x4008_0000_0000_0000;
const HALF: u64 = 0x3fe0_0000_0000_0000;
const MINUS_ONE: u64 = ONE | 1 << 63;
const LARGEST: u64 = 0x7fef_ffff_ffff_ffff;
const INFINITY: u64 = 0x7ff0_0000_0000_0000;
const SMALLEST_NORMAL: u64 = 0x0010_0000_0000_0000;
const DENORMAL: u64 = 1;
const INDEFINITE: u64 = 0xfff8_0000_0000_0000;

const NOTHING: Meets = Meets { before: 0, overflow: false, tiny: false, inexact: false };

/// Runs an operation of SSE2 under each of the 64 combinations of masks.
fn under_all_masks(code: Code, first: u64, second: u64, result: u64, meets: Meets) {
    let (operands, after) = (Area::new(0), Area::new(1));
    operands.write(8, first);
    operands.write(16, second);
    for masked in 0..64_u64 {
        operands.write(0, masked << 7);
        let outcome = Outcome::from(user::call(code, operands.address()));
        let _ = user::call(read_back, after.address());
        let Leads { faults, flags, open } = leads(meets, masked);
        check_outcome!(
            "outcome, by mask",
            [&[]; masked],
            outcome,
            if faults { Outcome::XM } else { Outcome::COMPLETED }
        );
        check_eq!("MXCSR, by mask", [&[]; masked], after.read(0) & 0xffff_ffff & !open, masked << 7 | flags);
        check_eq!("destination, by mask", [&[]; masked], after.read(8), if faults { first } else { result });
    }
}

/// 0 / 0 is invalid: masked, IE and the indefinite value; unmasked, #XM.
#[case(feature = StateSse, spec = [sdm1("SIMD Floating-Point Exceptions"), sdm1("Invalid Operation Exception (#I)")])]
fn simd_invalid() {
    under_all_masks(divsd, 0, 0, INDEFINITE, Meets { before: flag::IE, ..NOTHING });
}

/// The square root of -1 is invalid.
#[case(feature = StateSse, spec = [sdm1("SIMD Floating-Point Exceptions"), sdm1("Invalid Operation Exception (#I)")])]
fn simd_invalid_root() {
    under_all_masks(sqrtsd, ONE, MINUS_ONE, INDEFINITE, Meets { before: flag::IE, ..NOTHING });
}

/// 1 / 0 divides by zero: masked, ZE and infinity; unmasked, #XM.
#[case(feature = StateSse, spec = [sdm1("SIMD Floating-Point Exceptions"), sdm1("Divide-By-Zero Exception (#Z)")])]
fn simd_zero_divide() {
    under_all_masks(divsd, ONE, 0, INFINITY, Meets { before: flag::ZE, ..NOTHING });
}

/// A denormal operand is found before the result: unmasked it keeps PE from being set.
#[case(feature = StateSse, spec = [sdm1("SIMD Floating-Point Exceptions"), sdm1("Denormal-Operand Exception (#D)")])]
fn simd_denormal_operand() {
    under_all_masks(addsd, ONE, DENORMAL, ONE, Meets { before: flag::DE, inexact: true, ..NOTHING });
}

/// A result that is too large sets OE and PE, or raises #XM.
#[case(feature = StateSse, spec = [sdm1("SIMD Floating-Point Exceptions"), sdm1("Numeric Overflow Exception (#O)")])]
fn simd_overflow() {
    under_all_masks(addsd, LARGEST, LARGEST, INFINITY, Meets { overflow: true, inexact: true, ..NOTHING });
}

/// A tiny result that is exact sets no flag where UE is masked, and raises #XM where it is not.
#[case(feature = StateSse, spec = [sdm1("SIMD Floating-Point Exceptions"), sdm1("Numeric Underflow Exception (#U)")])]
fn simd_underflow_exact() {
    under_all_masks(mulsd, SMALLEST_NORMAL, HALF, SMALLEST_NORMAL >> 1, Meets { tiny: true, ..NOTHING });
}

/// A tiny result that is rounded sets UE and PE, or raises #XM.
#[case(feature = StateSse, spec = [sdm1("SIMD Floating-Point Exceptions"), sdm1("Numeric Underflow Exception (#U)")])]
fn simd_underflow_rounded() {
    let meets = Meets { tiny: true, inexact: true, ..NOTHING };
    under_all_masks(divsd, SMALLEST_NORMAL, THREE, 0x0005_5555_5555_5555, meets);
}

/// A rounded result sets PE, or raises #XM.
#[case(feature = StateSse, spec = [sdm1("SIMD Floating-Point Exceptions"), sdm1("Inexact-Result (Precision) Exception (#P)")])]
fn simd_inexact() {
    under_all_masks(divsd, ONE, THREE, 0x3fd5_5555_5555_5555, Meets { inexact: true, ..NOTHING });
}

// At RDI: control word, then two operands of ten bytes, 16 apart. Afterwards the status word stands behind them, and 1 if
// WAIT raised nothing.
macro_rules! x87 {
    ($($name:ident: $($assembly:literal),+;)*) => {
        $(user_code!($name: "fninit", "fldcw [rdi]", "fld tbyte ptr [rdi + 16]", "fld tbyte ptr [rdi + 32]", $($assembly,)+
            "fnstsw [rdi + 48]", "fnstcw [rdi + 56]", "fwait", "fninit", "xor eax, eax", "ret");)*
    };
}

x87! {
    faddp: "faddp";
    fmulp: "fmulp";
    fdivp: "fdivp";
    // Both operands are gone, so the stack is empty.
    underflow_of_the_stack: "fstp st(0)", "fstp st(0)", "fadd st(0), st(1)";
    overflow_of_the_stack: "fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1";
}
user_code!(fninit: "fninit", "ret");

/// A value of 80 bits: sign and exponent, significand.
type Extended = (u64, u64);
const X_ONE: Extended = (0x3fff, 1 << 63);
const X_THREE: Extended = (0x4000, 3 << 62);
const X_ZERO: Extended = (0, 0);
const X_LARGEST: Extended = (0x7ffe, u64::MAX);
const X_SMALLEST_NORMAL: Extended = (1, 1 << 63);
const X_DENORMAL: Extended = (0, 1);

/// Status word: stack fault; error summary and busy.
const STACK_FAULT: u64 = 1 << 6;
const SUMMARY: u64 = 1 << 7 | 1 << 15;

/// Runs an x87 operation under each of the 64 combinations of masks.
fn x87_under_all_masks(code: Code, first: Extended, second: Extended, meets: Meets, stack_fault: u64) {
    let area = Area::new(0);
    area.write(16, first.1);
    area.write(24, first.0);
    area.write(32, second.1);
    area.write(40, second.0);
    for masked in 0..64_u64 {
        area.write(0, 0x340 | masked);
        let outcome = Outcome::from(user::call(code, area.address()));
        let _ = user::call(fninit, 0);
        let Leads { faults, flags, open } = leads(meets, masked);
        let status = area.read(48);
        check_outcome!(
            "outcome of WAIT, by mask",
            [&[]; masked],
            outcome,
            if faults { Outcome::MF } else { Outcome::COMPLETED }
        );
        check_eq!("flags, by mask", [&[]; masked], status & 0x7f & !open, flags | stack_fault);
        check_eq!("ES and B, by mask", [&[]; masked], status & SUMMARY, if faults { SUMMARY } else { 0 });
    }
}

/// x87: 0 / 0 is invalid.
#[case(feature = StateX87, spec = [sdm1("Invalid Arithmetic Operand Exception (#IA)"), sdm1("x87 FPU Floating-Point Exception Handling")])]
fn x87_invalid() {
    x87_under_all_masks(fdivp, X_ZERO, X_ZERO, Meets { before: flag::IE, ..NOTHING }, 0);
}

/// x87: an empty register as an operand sets IE and SF.
#[case(feature = StateX87, spec = [sdm1("Stack Overflow or Underflow Exception (#IS)"), sdm1("x87 FPU Floating-Point Exception Handling")])]
fn x87_stack_underflow() {
    let meets = Meets { before: flag::IE, ..NOTHING };
    x87_under_all_masks(underflow_of_the_stack, X_ONE, X_ONE, meets, STACK_FAULT);
}

/// x87: a load into a register that is in use sets IE and SF.
#[case(feature = StateX87, spec = [sdm1("Stack Overflow or Underflow Exception (#IS)"), sdm1("x87 FPU Floating-Point Exception Handling")])]
fn x87_stack_overflow() {
    let meets = Meets { before: flag::IE, ..NOTHING };
    x87_under_all_masks(overflow_of_the_stack, X_ONE, X_ONE, meets, STACK_FAULT);
}

/// x87: 1 / 0 divides by zero.
#[case(feature = StateX87, spec = [sdm1("Divide-By-Zero Exception (#Z)"), sdm1("x87 FPU Floating-Point Exception Handling")])]
fn x87_zero_divide() {
    x87_under_all_masks(fdivp, X_ONE, X_ZERO, Meets { before: flag::ZE, ..NOTHING }, 0);
}

/// x87: a denormal operand is found before the result.
#[case(feature = StateX87, spec = [sdm1("Denormal Operand Exception (#D)"), sdm1("x87 FPU Floating-Point Exception Handling")])]
fn x87_denormal_operand() {
    x87_under_all_masks(faddp, X_ONE, X_DENORMAL, Meets { before: flag::DE, inexact: true, ..NOTHING }, 0);
}

/// x87: a result that is too large.
#[case(feature = StateX87, spec = [sdm1("Numeric Overflow Exception (#O)"), sdm1("x87 FPU Floating-Point Exception Handling")])]
fn x87_overflow() {
    x87_under_all_masks(fmulp, X_LARGEST, X_LARGEST, Meets { overflow: true, inexact: true, ..NOTHING }, 0);
}

/// x87: a tiny result that is rounded.
#[case(feature = StateX87, spec = [sdm1("Numeric Underflow Exception (#U)"), sdm1("x87 FPU Floating-Point Exception Handling")])]
fn x87_underflow_rounded() {
    x87_under_all_masks(fdivp, X_SMALLEST_NORMAL, X_THREE, Meets { tiny: true, inexact: true, ..NOTHING }, 0);
}

/// x87: a rounded result.
#[case(feature = StateX87, spec = [sdm1("Inexact-Result (Precision) Exception (#P)"), sdm1("x87 FPU Floating-Point Exception Handling")])]
fn x87_inexact() {
    x87_under_all_masks(fdivp, X_ONE, X_THREE, Meets { inexact: true, ..NOTHING }, 0);
}
