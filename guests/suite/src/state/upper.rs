//! Bits 511 to 128 of ZMM registers behind instructions that write fewer, and across an exit.

use super::{
    memory::Area,
    upper_model::{
        Encoding::{self, Legacy, Other, Vector128, Vector256},
        UPPER, column,
    },
    xsetbv,
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
    },
    skip, user, user_code,
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

// ZMM0 from RDI, the instruction, ZMM0 to RDI + 64; the second function with CPUID, which exits, behind the instruction.
macro_rules! on_zmm0 {
    ($table:ident $names:ident: $($name:ident $across:ident $encoding:ident $text:literal: $assembly:literal;)*) => {
        $(
            user_code!($name: "vmovdqu64 zmm0, [rdi]", $assembly, "vmovdqu64 [rdi + 64], zmm0", "vzeroupper", "ret");
            user_code!($across: "vmovdqu64 zmm0, [rdi]", $assembly, "push rbx", "xor eax, eax", "xor ecx, ecx", "cpuid",
                "pop rbx", "vmovdqu64 [rdi + 64], zmm0", "vzeroupper", "ret");
        )*
        const $table: &[(Code, Code, Encoding)] = &[$(($name, $across, $encoding)),*];
        const $names: &[Text] = rt::names![$($text),*];
    };
}

on_zmm0! { FOUNDATION FOUNDATION_NAMES:
    movaps movaps_across Legacy "MOVAPS": "movaps xmm0, xmm1";
    vmovaps vmovaps_across Vector128 "VMOVAPS xmm": "vmovaps xmm0, xmm1";
    vmovaps_y vmovaps_y_across Vector256 "VMOVAPS ymm": "vmovaps ymm0, ymm1";
    movups movups_across Legacy "MOVUPS load": "movups xmm0, [rdi]";
    vmovups vmovups_across Vector128 "VMOVUPS load of xmm": "vmovups xmm0, [rdi]";
    vmovups_y vmovups_y_across Vector256 "VMOVUPS load of ymm": "vmovups ymm0, [rdi]";
    movss movss_across Legacy "MOVSS load": "movss xmm0, [rdi]";
    vmovss vmovss_across Vector128 "VMOVSS load": "vmovss xmm0, [rdi]";
    movd movd_across Legacy "MOVD": "movd xmm0, edi";
    vmovd vmovd_across Vector128 "VMOVD": "vmovd xmm0, edi";
    movq movq_across Legacy "MOVQ": "movq xmm0, xmm1";
    vmovq vmovq_across Vector128 "VMOVQ": "vmovq xmm0, xmm1";
    addps addps_across Legacy "ADDPS": "addps xmm0, xmm1";
    vaddps vaddps_across Vector128 "VADDPS xmm": "vaddps xmm0, xmm1, xmm1";
    vaddps_y vaddps_y_across Vector256 "VADDPS ymm": "vaddps ymm0, ymm1, ymm1";
    pxor pxor_across Legacy "PXOR": "pxor xmm0, xmm0";
    vpxor vpxor_across Vector128 "VPXOR xmm": "vpxor xmm0, xmm0, xmm0";
    vpxor_y vpxor_y_across Vector256 "VPXOR ymm": "vpxor ymm0, ymm0, ymm0";
    pinsrw pinsrw_across Legacy "PINSRW": "pinsrw xmm0, edi, 3";
    vpinsrw vpinsrw_across Vector128 "VPINSRW": "vpinsrw xmm0, xmm1, edi, 3";
    cvtsi2sd cvtsi2sd_across Legacy "CVTSI2SD": "cvtsi2sd xmm0, edi";
    vcvtsi2sd vcvtsi2sd_across Vector128 "VCVTSI2SD": "vcvtsi2sd xmm0, xmm1, edi";
    movhps movhps_across Legacy "MOVHPS": "movhps xmm0, [rdi]";
    vmovhps vmovhps_across Vector128 "VMOVHPS": "vmovhps xmm0, xmm1, [rdi]";
    vbroadcastss vbroadcastss_across Vector256 "VBROADCASTSS ymm": "vbroadcastss ymm0, [rdi]";
    vinsertf128 vinsertf128_across Vector256 "VINSERTF128": "vinsertf128 ymm0, ymm0, xmm1, 1";
    vaddsd_e vaddsd_e_across Vector128 "VADDSD, EVEX": "vaddsd xmm0, xmm16, xmm17";
    vmovd_e vmovd_e_across Vector128 "VMOVSS, EVEX": "vmovss xmm0, xmm16, xmm17";
    vzeroupper vzeroupper_across Vector128 "VZEROUPPER": "vzeroupper";
    vzeroall vzeroall_across Vector128 "VZEROALL": "vzeroall";
    nothing nothing_across Other "NOP": "nop";
    kmovw kmovw_across Other "KMOVW": "kmovw k1, edi";
}

on_zmm0! { LENGTHS LENGTHS_NAMES:
    vpaddd_x vpaddd_x_across Vector128 "VPADDD xmm, EVEX": "vpaddd xmm0, xmm16, xmm17";
    vpaddd_y vpaddd_y_across Vector256 "VPADDD ymm, EVEX": "vpaddd ymm0, ymm16, ymm17";
    vmovdqu64_x vmovdqu64_x_across Vector128 "VMOVDQU64 load of xmm": "vmovdqu64 xmm0, [rdi]";
    vmovdqu64_y vmovdqu64_y_across Vector256 "VMOVDQU64 load of ymm": "vmovdqu64 ymm0, [rdi]";
    vpaddd_k vpaddd_k_across Vector128 "VPADDD xmm {k}": "vpaddd xmm0{{k1}}, xmm16, xmm17";
    vpaddd_ky vpaddd_ky_across Vector256 "VPADDD ymm {k}": "vpaddd ymm0{{k1}}, ymm16, ymm17";
}

/// x87, SSE, AVX and AVX-512 state.
const XCR0: u64 = 0xe7;

macro_rules! walk {
    ($table:ident $names:ident) => {{
        let area = Area::new(0);
        let _osxsave = With::cr4(cr4::OSXSAVE, 0);
        let _ = xsetbv(XCR0);
        let done = user::run(|| {
            for (index, quadword) in (2..).zip(UPPER) {
                area.write(index * 8, quadword);
            }
            let read = || [10, 11, 12, 13, 14, 15].map(|index| area.read(index * 8));
            for (row, (code, across, encoding)) in $table.iter().enumerate() {
                code(area.address());
                let (actual, expected) = column(*encoding, &read());
                check_eq!("quadwords that changed or are not zero", [$names; row], actual, expected);
                across(area.address());
                let (actual, expected) = column(*encoding, &read());
                check_eq!("the same across CPUID", [$names; row], actual, expected);
            }
        });
        check_outcome!("no exception", done, Outcome::COMPLETED);
    }};
}

/// SSE keeps bits 511 to 128 of a ZMM register; VEX clears them from bit 128 or 256 on; an exit changes neither.
#[case(feature = StateSse, spec = [sdm2("Vector Length Transition and Programming Considerations"), sdm1("512-Bit Wide SIMD Register Support"),
       sdm2("VZEROUPPER—Zero Upper Bits of YMM and ZMM Registers")], needs = Needs::AVX512F | Needs::XSAVE)]
fn upper_bits_of_zmm_registers() {
    walk!(FOUNDATION FOUNDATION_NAMES);
}

/// EVEX instructions of 128 and 256 bits clear what is above, also under a mask.
#[case(feature = StateSse, spec = sdm1("512-Bit Wide SIMD Register Support"), needs = Needs::AVX512F | Needs::XSAVE)]
fn upper_bits_and_evex_lengths() {
    if read_leaf(7, 0).ebx >> 31 == 0 {
        skip!("no AVX-512VL");
        return;
    }
    walk!(LENGTHS LENGTHS_NAMES);
}

user_code!(high_and_vzeroupper: "vmovdqu64 zmm16, [rdi]", "vmovdqu64 zmm31, [rdi]", "vzeroupper",
    "vmovdqu64 [rdi + 64], zmm16", "vmovdqu64 [rdi + 128], zmm31", "vpxorq zmm16, zmm16, zmm16",
    "vpxorq zmm31, zmm31, zmm31", "ret");
user_code!(high_and_vzeroall: "vmovdqu64 zmm16, [rdi]", "vmovdqu64 zmm31, [rdi]", "vzeroall",
    "vmovdqu64 [rdi + 64], zmm16", "vmovdqu64 [rdi + 128], zmm31", "vpxorq zmm16, zmm16, zmm16",
    "vpxorq zmm31, zmm31, zmm31", "ret");

/// VZEROUPPER and VZEROALL leave ZMM16 to ZMM31 alone.
#[case(feature = StateSse, spec = [sdm2("VZEROUPPER—Zero Upper Bits of YMM and ZMM Registers"),
       sdm2("VZEROALL—Zero XMM, YMM, and ZMM Registers")], needs = Needs::AVX512F | Needs::XSAVE)]
fn high_registers_and_vzeroupper() {
    let area = Area::new(0);
    let _osxsave = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(XCR0);
    for (index, quadword) in (2..).zip(UPPER) {
        area.write(index * 8, quadword);
    }
    for (row, code) in [high_and_vzeroupper as Code, high_and_vzeroall].into_iter().enumerate() {
        const NAMES: &[Text] = rt::names!["VZEROUPPER", "VZEROALL"];
        check_outcome!("exception", [NAMES; row], user::call(code, area.address()), Outcome::COMPLETED);
        for (number, first) in [10, 18].into_iter().enumerate() {
            let seen = [0, 1, 2, 3, 4, 5].map(|index| area.read((first + index) * 8));
            let (actual, expected) = column(Other, &seen);
            if number == 0 {
                check_eq!("quadwords of ZMM16 that changed", [NAMES; row], actual, expected);
            } else {
                check_eq!("quadwords of ZMM31 that changed", [NAMES; row], actual, expected);
            }
        }
    }
}
