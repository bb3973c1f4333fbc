//! x87, SSE and AVX state at CPL 3.

use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::control::{self, cr4},
    instruction, mmio, names,
    paging::frame,
    user, user_code,
    vocabulary::Needs,
};

type Code = extern "C" fn(u64) -> u64;

user_code!(set_xmm: "movq xmm0, rdi", "movq xmm15, rdi", "pshufd xmm7, xmm0, 0x44", "ret");
user_code!(get_xmm: "movq rax, xmm0", "movq rcx, xmm15", "cmp rax, rcx", "jne 2f", "psrldq xmm7, 8", "movq rcx, xmm7",
           "cmp rax, rcx", "jne 2f", "ret", "2:", "xor eax, eax", "ret");
user_code!(set_mxcsr: "push rdi", "ldmxcsr [rsp]", "pop rax", "ret");
user_code!(get_mxcsr: "push 0", "stmxcsr [rsp]", "pop rax", "ret");
user_code!(load_pi: "fninit", "fldpi", "ret");
user_code!(store_top: "fstp tbyte ptr [rdi]", "mov rax, [rdi]", "ret");
user_code!(faulting: "ud2");

/// SSE registers, MXCSR and the x87 stack keep their values on the way through CPL 0.
#[case(feature = Ring3ExtendedState, spec = [sdm1("XMM Registers"), sdm1("MXCSR Control and Status Register")])]
fn state_survives_transitions() {
    let value = 0x0123_4567_89ab_cdef;
    let _ = user::call(set_xmm, value);
    let _ = user::call(set_mxcsr, 0x3f80);
    let _ = user::call(load_pi, 0);
    check_outcome!("exception between", user::call(faulting, 0), Outcome::UD);
    check_eq!("XMM0, XMM15 and high half of XMM7", user::call(get_xmm, 0).unwrap_or(0), value);
    check_eq!("MXCSR", user::call(get_mxcsr, 0).unwrap_or(0), 0x3f80);
    check_eq!("significand of the x87 top", user::call(store_top, frame(0)).unwrap_or(0), 0xc90f_daa2_2168_c235);
    check_eq!("sign and exponent", mmio::read_u16(frame(0) + 8), 0x4000);
    let _ = user::call(set_mxcsr, 0x1f80);
}

user_code!(control_word: "fninit", "push 0", "fnstcw [rsp]", "pop rax", "ret");
user_code!(status_word: "fninit", "xor eax, eax", "fnstsw ax", "ret");
user_code!(tag_word: "fninit", "sub rsp, 32", "fnstenv [rsp]", "movzx eax, word ptr [rsp + 8]", "add rsp, 32", "ret");
user_code!(tag_word_used: "fninit", "fld1", "fldz", "sub rsp, 32", "fnstenv [rsp]", "movzx eax, word ptr [rsp + 8]",
           "add rsp, 32", "fninit", "ret");

/// FNINIT sets the control word to 37FH, the status word to 0 and all tags to empty.
#[case(feature = Ring3ExtendedState, spec = sdm2("FINIT/FNINIT—Initialize Floating-Point Unit"))]
fn x87_initial_state() {
    check_eq!("control word", user::call(control_word, 0).unwrap_or(0) & 0xffff, 0x37f);
    check_eq!("status word", user::call(status_word, 0).unwrap_or(1), 0);
    check_eq!("tag word", user::call(tag_word, 0).unwrap_or(0), 0xffff);
    // Register 7 holds 1, register 6 zero.
    check_eq!("tag word with two registers in use", user::call(tag_word_used, 0).unwrap_or(0), 0x1fff);
}

// Each leaves the bits of a double in RAX.
macro_rules! x87_results {
    ($($name:ident: $($assembly:literal),+;)*) => {
        $(user_code!($name: "fninit", $($assembly,)+ "push 0", "fstp qword ptr [rsp]", "pop rax", "fninit", "ret");)*
    };
}

x87_results! {
    one: "fld1";
    zero: "fldz";
    pi: "fldpi";
    log2_e: "fldl2e";
    square_root_of_pi: "fldpi", "fsqrt";
    one_minus_pi: "fld1", "fldpi", "fsubp st(1), st(0)";
    third: "push 3", "fld1", "fidiv dword ptr [rsp]", "pop rax";
    minus_one: "fld1", "fchs";
}

/// x87 constants and the basic operations are correctly rounded.
#[case(feature = Ring3ExtendedState, spec = [sdm2("FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ—Load Constant"),
       sdm1("Precision Control Field")])]
fn x87_results() {
    let table: [(Code, u64); 8] = [
        (one, 0x3ff0_0000_0000_0000),
        (zero, 0),
        (pi, 0x4009_21fb_5444_2d18),
        (log2_e, 0x3ff7_1547_652b_82fe),
        (square_root_of_pi, 0x3ffc_5bf8_91b4_ef6b),
        (one_minus_pi, 0xc001_21fb_5444_2d18),
        (third, 0x3fd5_5555_5555_5555),
        (minus_one, 0xbff0_0000_0000_0000),
    ];
    for (row, (function, expected)) in table.into_iter().enumerate() {
        check_eq!(
            "double",
            [names!["1", "0", "pi", "log2 e", "square root of pi", "1 - pi", "1 / 3", "-1"]; row],
            user::call(function, 0).unwrap_or(u64::MAX),
            expected
        );
    }
}

// MXCSR from EDI; 1 / 3 in single precision, its bits in EAX, MXCSR behind it in the high half.
user_code!(third_by_mode: "push rdi", "ldmxcsr [rsp]", "mov eax, 0x3f800000", "movd xmm0, eax", "mov eax, 0x40400000",
           "movd xmm1, eax", "divss xmm0, xmm1", "stmxcsr [rsp]", "pop rcx", "movd eax, xmm0", "shl rcx, 32",
           "or rax, rcx", "ret");
user_code!(minus_third_by_mode: "push rdi", "ldmxcsr [rsp]", "mov eax, 0xbf800000", "movd xmm0, eax",
           "mov eax, 0x40400000", "movd xmm1, eax", "divss xmm0, xmm1", "stmxcsr [rsp]", "pop rcx", "movd eax, xmm0",
           "shl rcx, 32", "or rax, rcx", "ret");

/// All exceptions masked; the rounding field starts at bit 13; the precision flag.
const MASKED: u64 = 0x1f80;
const ROUNDING: u32 = 13;
const PRECISION: u64 = 1 << 5;

/// MXCSR.RC rounds to nearest, down, up or towards zero, and an inexact result sets PE.
#[case(feature = Ring3ExtendedState, spec = [sdm1("SIMD Floating-Point Rounding Control Field"), sdm1("Rounding")])]
fn sse_rounding() {
    let table = [
        (third_by_mode as Code, 0, 0x3eaa_aaab_u64),
        (third_by_mode, 1, 0x3eaa_aaaa),
        (third_by_mode, 2, 0x3eaa_aaab),
        (third_by_mode, 3, 0x3eaa_aaaa),
        (minus_third_by_mode, 0, 0xbeaa_aaab),
        (minus_third_by_mode, 1, 0xbeaa_aaab),
        (minus_third_by_mode, 2, 0xbeaa_aaaa),
        (minus_third_by_mode, 3, 0xbeaa_aaaa),
    ];
    for (row, (function, mode, expected)) in table.into_iter().enumerate() {
        let control = MASKED | mode << ROUNDING;
        check_eq!(
            "MXCSR and single",
            [names![
                "1/3 to nearest",
                "1/3 down",
                "1/3 up",
                "1/3 to zero",
                "-1/3 to nearest",
                "-1/3 down",
                "-1/3 up",
                "-1/3 to zero"
            ]; row],
            user::call(function, control).unwrap_or(0),
            (control | PRECISION) << 32 | expected
        );
    }
    let _ = user::call(set_mxcsr, MASKED);
}

// MXCSR in EDI bits 15 to 0; the sum of the smallest denormal and zero; the product of the smallest normal and one half.
user_code!(denormal_sum: "push rdi", "ldmxcsr [rsp]", "mov eax, 1", "movd xmm0, eax", "pxor xmm1, xmm1",
           "addss xmm0, xmm1", "pop rcx", "movd eax, xmm0", "ret");
user_code!(tiny_product: "push rdi", "ldmxcsr [rsp]", "mov eax, 0x00800000", "movd xmm0, eax", "mov eax, 0x3f000000",
           "movd xmm1, eax", "mulss xmm0, xmm1", "pop rcx", "movd eax, xmm0", "ret");

/// MXCSR.DAZ makes denormal operands zero and MXCSR.FZ tiny results.
#[case(feature = Ring3ExtendedState, spec = [sdm1("Denormals-Are-Zeros"), sdm1("Flush-To-Zero")])]
fn denormals() {
    const DAZ: u64 = 1 << 6;
    const FZ: u64 = 1 << 15;
    let table: [(Code, u64, u64); 4] = [
        (denormal_sum, MASKED, 1),
        (denormal_sum, MASKED | DAZ, 0),
        (tiny_product, MASKED, 0x0040_0000),
        (tiny_product, MASKED | FZ, 0),
    ];
    for (row, (function, mxcsr, expected)) in table.into_iter().enumerate() {
        check_eq!(
            "single",
            [names!["denormal operand", "DAZ", "tiny result", "FZ"]; row],
            user::call(function, mxcsr).unwrap_or(u64::MAX),
            expected
        );
    }
    let _ = user::call(set_mxcsr, MASKED);
}

user_code!(convert_nan: "mov rax, 0x7ff8000000000000", "movq xmm0, rax", "cvttsd2si rax, xmm0", "ret");
user_code!(convert_truncating: "movq xmm0, rdi", "cvttsd2si rax, xmm0", "ret");
user_code!(convert_rounding: "movq xmm0, rdi", "cvtsd2si rax, xmm0", "ret");
user_code!(maximum_with_nan: "mov rax, 0x7ff8000000000000", "movq xmm0, rax", "movq xmm1, rdi", "maxsd xmm0, xmm1",
           "movq rax, xmm0", "ret");
user_code!(zero_by_zero: "xorpd xmm0, xmm0", "xorpd xmm1, xmm1", "divsd xmm0, xmm1", "movq rax, xmm0", "ret");
user_code!(packed_add: "movq xmm0, rdi", "movq xmm1, rdi", "paddb xmm0, xmm1", "movq rax, xmm0", "ret");
user_code!(packed_saturate: "movq xmm0, rdi", "movq xmm1, rdi", "paddusb xmm0, xmm1", "movq rax, xmm0", "ret");
user_code!(packed_multiply_add: "movq xmm0, rdi", "movq xmm1, rdi", "pmaddwd xmm0, xmm1", "movq rax, xmm0", "ret");

/// SSE2 conversions, comparisons with NaN and packed arithmetic give the results of the manual.
#[case(feature = Ring3ExtendedState, spec = [
       sdm2("CVTTSD2SI—Convert With Truncation Scalar Double Precision Floating-Point Value to Signed Integer"),
       sdm2("MAXSD—Return Maximum Scalar Double Precision Floating-Point Value"),
       sdm2("PADDB/PADDW/PADDD/PADDQ—Add Packed Integers")])]
fn sse2_results() {
    const ONE: u64 = 0x3ff0_0000_0000_0000;
    const MINUS_2_5: u64 = 0xc004_0000_0000_0000;
    const INDEFINITE: u64 = 1 << 63;
    let table: [(Code, u64, u64); 8] = [
        (convert_nan, 0, INDEFINITE),
        (convert_truncating, MINUS_2_5, -2_i64 as u64),
        (convert_rounding, MINUS_2_5, -2_i64 as u64),
        (maximum_with_nan, ONE, ONE),
        (zero_by_zero, 0, 0xfff8_0000_0000_0000),
        (packed_add, 0x0180_ff7f_4001_0203, 0x0200_fefe_8002_0406),
        (packed_saturate, 0x0180_ff7f_4001_0203, 0x02ff_fffe_8002_0406),
        // Words 1, 2, -1 and 4: 1 + 4, 1 + 16.
        (packed_multiply_add, 0x0004_ffff_0002_0001, 0x0000_0011_0000_0005),
    ];
    for (row, (function, argument, expected)) in table.into_iter().enumerate() {
        check_eq!(
            "RAX",
            [names![
                "CVTTSD2SI of NaN",
                "CVTTSD2SI of -2.5",
                "CVTSD2SI of -2.5",
                "MAXSD of NaN and 1",
                "0 / 0",
                "PADDB",
                "PADDUSB",
                "PMADDWD"
            ]; row],
            user::call(function, argument).unwrap_or(0x77),
            expected
        );
    }
}

user_code!(fxsave_image: "fninit", "fld1", "mov eax, 0x11223344", "movd xmm3, eax", "fxsave64 [rdi]", "fninit", "ret");
user_code!(fxrstor_image: "fxrstor64 [rdi]", "movd eax, xmm3", "fstp st(0)", "fninit", "ret");

/// FXSAVE64 writes control word, tags, MXCSR, x87 and SSE registers at their places, and FXRSTOR64 loads them.
#[case(feature = Ring3ExtendedState, spec = [sdm2("FXSAVE—Save x87 FPU, MMX Technology, and SSE State"),
       sdm2("FXRSTOR—Restore x87 FPU, MMX, XMM, and MXCSR State")])]
fn fxsave_layout() {
    let image = frame(0);
    check_outcome!("FXSAVE64", user::call(fxsave_image, image), Outcome::COMPLETED);
    check_eq!("control word", mmio::read_u16(image), 0x37f);
    // TOP is 7, and the abridged tag word has a bit for each register in use.
    check_eq!("status word", mmio::read_u16(image + 2), 7 << 11);
    check_eq!("tag byte", mmio::read_u8(image + 4), 0x80);
    check_eq!("MXCSR", mmio::read_u32(image + 24), 0x1f80);
    check_eq!("ST(0), significand", mmio::read_u64(image + 32), 1_u64 << 63);
    check_eq!("ST(0), sign and exponent", mmio::read_u16(image + 40), 0x3fff);
    check_eq!("XMM3", mmio::read_u64(image + 160 + 48), 0x1122_3344);
    mmio::write_u64(image + 160 + 48, 0x5566_7788);
    check_eq!("XMM3 behind FXRSTOR64", user::call(fxrstor_image, image).unwrap_or(0), 0x5566_7788);
    const RESERVED_MXCSR_BIT: u32 = 1 << 31;
    mmio::write_u32(image + 24, 0x1f80 | RESERVED_MXCSR_BIT);
    check_outcome!("FXRSTOR64 with a reserved bit of MXCSR", user::call(fxrstor_image, image), Outcome::GP);
}

/// XCR0 with x87, SSE and AVX state.
const XCR0_AVX: u32 = 7;

fn write_xcr0(value: u32) -> Result<(), rt::Exception> {
    instruction!("xsetbv", in("ecx") 0, in("eax") value, in("edx") 0)
}

user_code!(vex_128_clears: "vpcmpeqd xmm0, xmm0, xmm0", "vinsertf128 ymm0, ymm0, xmm0, 1", "vmovaps xmm0, xmm0",
           "vextractf128 xmm1, ymm0, 1", "vmovq rax, xmm1", "vzeroupper", "ret");
user_code!(sse_keeps: "vpcmpeqd xmm0, xmm0, xmm0", "vinsertf128 ymm0, ymm0, xmm0, 1", "xorps xmm0, xmm0",
           "vextractf128 xmm1, ymm0, 1", "vmovq rax, xmm1", "vzeroupper", "ret");
user_code!(zero_upper: "vpcmpeqd xmm0, xmm0, xmm0", "vinsertf128 ymm0, ymm0, xmm0, 1", "vzeroupper",
           "vextractf128 xmm1, ymm0, 1", "vmovq rax, xmm1", "ret");
user_code!(three_operands: "vmovq xmm1, rdi", "vmovq xmm2, rdi", "vpaddq xmm0, xmm1, xmm2", "vmovq rax, xmm0", "ret");

/// With AVX state enabled in XCR0, VEX.128 clears the upper half, a legacy SSE instruction keeps it; without, #UD.
#[case(feature = Ring3ExtendedState, spec = [sdm2("Vector Length Transition and Programming Considerations"),
       sdm1("Detection of Intel AVX Instructions")], needs = Needs::AVX | Needs::XSAVE)]
fn avx_upper_halves() {
    check_outcome!("OSXSAVE clear", user::call(three_operands, 1), Outcome::UD);
    let _set = control::With::cr4(cr4::OSXSAVE, 0);
    check_outcome!("XCR0 of 3", write_xcr0(3), Outcome::COMPLETED);
    check_outcome!("AVX state not enabled", user::call(three_operands, 1), Outcome::UD);
    check_outcome!("XCR0 of 7", write_xcr0(XCR0_AVX), Outcome::COMPLETED);
    check_eq!("VPADDQ", user::call(three_operands, 21).unwrap_or(0), 42);
    check_eq!("upper half behind VEX.128", user::call(vex_128_clears, 0).unwrap_or(1), 0);
    check_eq!("upper half behind SSE", user::call(sse_keeps, 0).unwrap_or(1), u64::MAX);
    check_eq!("upper half behind VZEROUPPER", user::call(zero_upper, 0).unwrap_or(1), 0);
}

/// XSETBV refuses XCR0 without x87 state, AVX without SSE state, bits that CPUID does not tell, and registers that do
/// not exist.
#[case(feature = Ring3ExtendedState, spec = [sdm2("XSETBV—Set Extended Control Register"),
       sdm3a("Extended Control Registers (Including XCR0)")], needs = Needs::XSAVE)]
fn xcr0_refuses() {
    use rt::cpu::cpuid::read_leaf;
    let _set = control::With::cr4(cr4::OSXSAVE, 0);
    let supported = read_leaf(0xd, 0);
    for (row, value) in [0, 2, 4, 5, 6].into_iter().enumerate() {
        check_outcome!(
            "XSETBV",
            [names!["0", "SSE alone", "AVX alone", "AVX without SSE", "without x87"]; row],
            write_xcr0(value),
            Outcome::GP
        );
    }
    for bit in 0..32 {
        if supported.eax >> bit & 1 == 0 {
            check_outcome!("bit that CPUID does not tell", [&[]; bit], write_xcr0(3 | 1 << bit), Outcome::GP);
            break;
        }
    }
    check_outcome!("XCR0 of 1", write_xcr0(1), Outcome::COMPLETED);
    check_outcome!("XCR0 of 3", write_xcr0(3), Outcome::COMPLETED);
    let other = instruction!("xsetbv", in("ecx") 5, in("eax") 1, in("edx") 0);
    check_outcome!("XCR5", other, Outcome::GP);
    let mut xcr0 = 0_u64;
    let _ = instruction!("xgetbv", "shl rdx, 32", "or rax, rdx", "mov [{}], rax", in(reg) &raw mut xcr0, in("ecx") 0,
                         out("rax") _, out("rdx") _);
    check_eq!("XCR0 behind them", xcr0, 3);
}

user_code!(xsave_all: "mov eax, -1", "mov edx, -1", "xsave64 [rdi]", "ret");
user_code!(xrstor_initial: "mov eax, -1", "mov edx, -1", "xrstor64 [rdi]", "movq rax, xmm0", "ret");
user_code!(ones_in_xmm0: "pcmpeqd xmm0, xmm0", "ret");

/// XSAVE marks the components in use in XSTATE_BV, and XRSTOR initialises those whose bit is clear.
#[case(feature = Ring3ExtendedState, spec = [sdm1("Operation of XSAVE"), sdm1("Operation of XRSTOR")],
       needs = Needs::XSAVE)]
fn xsave_and_xrstor() {
    const SSE: u64 = 1 << 1;
    let _set = control::With::cr4(cr4::OSXSAVE, 0);
    let _ = write_xcr0(3);
    let (image, header) = (frame(0), frame(0) + 512);
    let _ = user::call(ones_in_xmm0, 0);
    check_outcome!("XSAVE64", user::call(xsave_all, image), Outcome::COMPLETED);
    check_eq!("SSE in XSTATE_BV", mmio::read_u64(header) & SSE, SSE);
    check_eq!("XMM0 in the image", mmio::read_u64(image + 160), u64::MAX);
    mmio::write_u64(header, mmio::read_u64(header) & !SSE);
    check_eq!("XMM0 behind XRSTOR64 with SSE clear", user::call(xrstor_initial, image).unwrap_or(1), 0);
    mmio::write_u64(header, mmio::read_u64(header) | SSE);
    check_eq!("XMM0 behind XRSTOR64 with SSE set", user::call(xrstor_initial, image).unwrap_or(1), u64::MAX);
    mmio::write_u64(header, 1 << 62);
    check_outcome!("bit of XSTATE_BV that XCR0 has not", user::call(xrstor_initial, image), Outcome::GP);
    check_outcome!("image 8 off", user::call(xsave_all, image + 8), Outcome::GP);
}
