//! Exceptions of x87, MMX and SSE instructions, and the control bits that decide on them.

use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::control::{self, cr0, cr4},
    names, user, user_code,
};

user_code!(x87: "fninit", "fld1", "fstp st(0)", "xor eax, eax", "ret");
user_code!(mmx: "pxor mm0, mm0", "emms", "xor eax, eax", "ret");
user_code!(sse: "xorps xmm0, xmm0", "xor eax, eax", "ret");
user_code!(sse2: "pxor xmm0, xmm0", "xor eax, eax", "ret");
user_code!(wait: "wait", "xor eax, eax", "ret");
user_code!(clean: "fninit", "xor eax, eax", "ret");

type Code = extern "C" fn(u64) -> u64;

/// Runs x87, MMX, SSE, SSE2 and WAIT at CPL 3 with these bits of CR0 and CR4 and checks what each leads to.
fn check_row(row: usize, set: u64, clear: u64, clear_cr4: u64, expected: [Outcome; 5]) {
    let _ = user::call(clean, 0);
    let cr0 = control::With::cr0(set, clear);
    let cr4 = control::With::cr4(0, clear_cr4);
    let functions: [Code; 5] = [x87, mmx, sse, sse2, wait];
    let outcomes = functions.map(|function| Outcome::from(user::call(function, 0)));
    drop((cr0, cr4));
    for (index, (actual, expected)) in outcomes.into_iter().zip(expected).enumerate() {
        check_outcome!(
            "outcome",
            [names![
                "x87",
                "MMX",
                "SSE",
                "SSE2",
                "WAIT",
                "x87, TS",
                "MMX, TS",
                "SSE, TS",
                "SSE2, TS",
                "WAIT, TS",
                "x87, TS without MP",
                "MMX, TS without MP",
                "SSE, TS without MP",
                "SSE2, TS without MP",
                "WAIT, TS without MP",
                "x87, EM",
                "MMX, EM",
                "SSE, EM",
                "SSE2, EM",
                "WAIT, EM",
                "x87, no OSFXSR",
                "MMX, no OSFXSR",
                "SSE, no OSFXSR",
                "SSE2, no OSFXSR",
                "WAIT, no OSFXSR"
            ]; row * 5 + index],
            actual,
            expected
        );
    }
}

/// CR0.TS, MP and EM and CR4.OSFXSR decide whether x87, MMX and SSE instructions and WAIT raise #NM, #UD or nothing.
#[case(feature = ExceptionVectors, spec = [sdm3a("Interrupt 7—Device Not Available Exception (#NM)"),
       sdm3a("Control Registers")])]
fn control_bits_of_floating_point() {
    const OK: Outcome = Outcome::COMPLETED;
    const NM: Outcome = Outcome::NM;
    const UD: Outcome = Outcome::UD;
    check_row(0, cr0::MP, cr0::TS | cr0::EM, 0, [OK, OK, OK, OK, OK]);
    check_row(1, cr0::MP | cr0::TS, cr0::EM, 0, [NM, NM, NM, NM, NM]);
    check_row(2, cr0::TS, cr0::EM | cr0::MP, 0, [NM, NM, NM, NM, OK]);
    check_row(3, cr0::EM | cr0::MP, cr0::TS, 0, [NM, UD, UD, UD, OK]);
    check_row(4, cr0::MP, cr0::TS | cr0::EM, cr4::OSFXSR, [OK, OK, UD, UD, OK]);
}

user_code!(pending_zero_divide: "sub rsp, 8", "fninit", "mov dword ptr [rsp], 0x037b", "fldcw [rsp]", "fld1", "fldz",
           "fdivp st(1), st(0)", "add rsp, 8", "lea rax, [rip + 2f]", "2: fwait", "fninit", "xor eax, eax", "ret");
user_code!(masked_zero_divide: "fninit", "fld1", "fldz", "fdivp st(1), st(0)", "fwait", "fnstsw ax", "fninit",
           "movzx eax, ax", "ret");

/// With CR0.NE set an unmasked x87 exception raises #MF at the next waiting instruction; a masked one raises nothing and
/// sets its flag.
#[case(feature = ExceptionVectors, spec = sdm3a("Interrupt 16—x87 FPU Floating-Point Error (#MF)"))]
fn x87_error() {
    let mut state = user::State::calling(pending_zero_divide, 0);
    let exception = user::enter(&mut state);
    check_outcome!("unmasked", exception, Outcome::MF);
    check_eq!("saved RIP", exception.rip, state.registers[user::register::RAX]);
    let _ = user::call(clean, 0);
    const ZERO_DIVIDE: u64 = 1 << 2;
    let masked = user::call(masked_zero_divide, 0);
    check_outcome!("masked", masked, Outcome::COMPLETED);
    check_eq!("ZE", masked.unwrap_or(0) & ZERO_DIVIDE, ZERO_DIVIDE);
}

user_code!(unmasked_sse: "sub rsp, 8", "mov [rsp], edi", "ldmxcsr [rsp]", "xorps xmm1, xmm1", "mov eax, 0x3f800000",
           "movd xmm0, eax", "lea rax, [rip + 2f]", "2: divss xmm0, xmm1", "mov dword ptr [rsp], 0x1f80",
           "stmxcsr [rsp]", "mov eax, [rsp]", "add rsp, 8", "ret");
user_code!(reset_mxcsr: "sub rsp, 8", "mov dword ptr [rsp], 0x1f80", "ldmxcsr [rsp]", "add rsp, 8", "ret");

/// An unmasked SSE exception raises #XM at the instruction, or #UD while CR4.OSXMMEXCPT is clear; a masked one sets its
/// flag in MXCSR.
#[case(feature = ExceptionVectors, spec = sdm3a("Interrupt 19—SIMD Floating-Point Exception (#XM)"))]
fn sse_exception() {
    /// All exceptions masked, and all but that by a division by zero.
    const MASKED: u64 = 0x1f80;
    const UNMASKED: u64 = MASKED & !(1 << 9);
    const ZERO_DIVIDE: u64 = 1 << 2;
    let mut state = user::State::calling(unmasked_sse, UNMASKED);
    let exception = user::enter(&mut state);
    check_outcome!("unmasked", exception, Outcome::XM);
    check_eq!("saved RIP", exception.rip, state.registers[user::register::RAX]);
    let osxmmexcpt = control::With::cr4(0, cr4::OSXMMEXCPT);
    let without = user::call(unmasked_sse, UNMASKED);
    drop(osxmmexcpt);
    check_outcome!("OSXMMEXCPT clear", without, Outcome::UD);
    let masked = user::call(unmasked_sse, MASKED);
    check_outcome!("masked", masked, Outcome::COMPLETED);
    check_eq!("MXCSR", masked.unwrap_or(0), MASKED | ZERO_DIVIDE);
    let _ = user::call(reset_mxcsr, 0);
}

user_code!(load_mxcsr: "sub rsp, 8", "mov [rsp], edi", "ldmxcsr [rsp]", "add rsp, 8", "ret");
user_code!(aligned_load: "movaps xmm0, [rdi]", "ret");
user_code!(unaligned_load: "movups xmm0, [rdi]", "ret");
user_code!(aligned_operand: "addps xmm0, [rdi]", "ret");
user_code!(misaligned_fxsave: "fxsave64 [rdi]", "ret");

/// Reserved bits of MXCSR and operands of 16 bytes that are not aligned raise #GP(0).
#[case(feature = ExceptionVectors, spec = [sdm3a("Interrupt 13—General Protection Exception (#GP)"),
       sdm2("LDMXCSR—Load MXCSR Register")])]
fn sse_operands() {
    let at = rt::paging::frame(0);
    let table: [(Code, u64, Outcome); 8] = [
        (load_mxcsr, 0x1f80, Outcome::COMPLETED),
        (load_mxcsr, 0x1f80 | 1 << 31, Outcome::GP),
        (load_mxcsr, 0x1f80 | 1 << 18, Outcome::GP),
        (aligned_load, at, Outcome::COMPLETED),
        (aligned_load, at + 8, Outcome::GP),
        (aligned_operand, at + 1, Outcome::GP),
        (unaligned_load, at + 1, Outcome::COMPLETED),
        (misaligned_fxsave, at + 8, Outcome::GP),
    ];
    for (row, (function, argument, expected)) in table.into_iter().enumerate() {
        check_outcome!(
            "CPL 3",
            [names![
                "LDMXCSR",
                "LDMXCSR, bit 31",
                "LDMXCSR, bit 18",
                "MOVAPS",
                "MOVAPS, 8 off",
                "ADDPS, 1 off",
                "MOVUPS, 1 off",
                "FXSAVE, 8 off"
            ]; row],
            user::call(function, argument),
            expected
        );
    }
    let _ = user::call(reset_mxcsr, 0);
}
