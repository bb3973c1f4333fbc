//! FXSAVE, FXRSTOR and tags; upper halves of vector registers.

use super::{
    memory::Area,
    tags::{Extended, tag_word},
    xsetbv,
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::control::{With, cr4},
    names, user, user_code,
    vocabulary::Needs,
};

type Code = extern "C" fn(u64) -> u64;

user_code!(tags_of_image: "fxrstor64 [rdi]", "fnstenv [rdi + 1024]", "fxsave64 [rdi + 2048]", "fninit", "ret");

/// Valid, zero, infinity, NaN, denormal, without its integer bit, negative, negative zero.
const STACK: [Extended; 8] = [
    (0x3fff, 1 << 63),
    (0, 0),
    (0x7fff, 1 << 63),
    (0x7fff, 3 << 62),
    (0, 1),
    (0x3fff, 1),
    (0xbfff, u64::MAX),
    (0x8000, 0),
];

/// FXRSTOR makes tags of the abridged ones and of the registers, and FXSAVE abridges them again: every tag byte, with the
/// stack beginning at two registers.
#[case(feature = StateX87, spec = [sdm2("FXSAVE—Save x87 FPU, MMX Technology, and SSE State"),
       sdm2("FXRSTOR—Restore x87 FPU, MMX, XMM, and MXCSR State")])]
fn every_tag_byte() {
    let area = Area::new(0);
    let done = user::run(|| {
        for (index, (exponent, significand)) in STACK.into_iter().enumerate() {
            area.write(32 + index as u64 * 16, significand);
            area.write(40 + index as u64 * 16, u64::from(exponent));
        }
        area.write(24, 0x1f80);
        for top in [0, 5_usize] {
            for abridged in 0..256_u64 {
                area.write(0, abridged << 32 | (top as u64) << 27 | 0x37f);
                tags_of_image(area.address());
                let expected = u64::from(tag_word(abridged as u8, top, &STACK));
                let (tags, again) = (area.read(1032) & 0xffff, area.read(2048) >> 32 & 0xff);
                if top == 0 {
                    check_eq!("tag word, TOP of 0", [&[]; abridged], tags, expected);
                    check_eq!("abridged again, TOP of 0", [&[]; abridged], again, abridged);
                } else {
                    check_eq!("tag word, TOP of 5", [&[]; abridged], tags, expected);
                    check_eq!("abridged again, TOP of 5", [&[]; abridged], again, abridged);
                }
            }
        }
    });
    check_outcome!("no exception", done, Outcome::COMPLETED);
}

// YMM0 from RDI, the instruction, YMM0 to RDI + 64.
macro_rules! on_ymm0 {
    ($($name:ident: $assembly:literal;)*) => {
        $(user_code!($name: "vmovups ymm0, [rdi]", $assembly, "vmovups [rdi + 64], ymm0", "vzeroupper", "ret");)*
    };
}

on_ymm0! {
    movaps: "movaps xmm0, xmm1"; vmovaps: "vmovaps xmm0, xmm1";
    movups_load: "movups xmm0, [rdi]"; vmovups_load: "vmovups xmm0, [rdi]";
    movss_load: "movss xmm0, [rdi]"; vmovss_load: "vmovss xmm0, [rdi]";
    movq: "movq xmm0, xmm1"; vmovq: "vmovq xmm0, xmm1";
    movd: "movd xmm0, edi"; vmovd: "vmovd xmm0, edi";
    addps: "addps xmm0, xmm1"; vaddps: "vaddps xmm0, xmm1, xmm1";
    addsd: "addsd xmm0, xmm1"; vaddsd: "vaddsd xmm0, xmm1, xmm1";
    pxor: "pxor xmm0, xmm1"; vpxor: "vpxor xmm0, xmm1, xmm1";
    pshufd: "pshufd xmm0, xmm1, 0"; vpshufd: "vpshufd xmm0, xmm1, 0";
    cvtsi2sd: "cvtsi2sd xmm0, edi"; vcvtsi2sd: "vcvtsi2sd xmm0, xmm1, edi";
    pinsrw: "pinsrw xmm0, edi, 3"; vpinsrw: "vpinsrw xmm0, xmm1, edi, 3";
    sqrtps: "sqrtps xmm0, xmm1"; vsqrtps: "vsqrtps xmm0, xmm1";
    nothing: "nop"; vzeroupper: "vzeroupper";
}

/// Instructions of SSE keep the upper half of a YMM register; their VEX.128 forms and VZEROUPPER clear it.
#[case(feature = StateSse, spec = [sdm2("Vector Length Transition and Programming Considerations"),
       sdm2("VZEROUPPER—Zero Upper Bits of YMM and ZMM Registers")], needs = Needs::AVX | Needs::XSAVE)]
fn upper_halves() {
    let table: [(Code, Code); 13] = [
        (movaps, vmovaps),
        (movups_load, vmovups_load),
        (movss_load, vmovss_load),
        (movq, vmovq),
        (movd, vmovd),
        (addps, vaddps),
        (addsd, vaddsd),
        (pxor, vpxor),
        (pshufd, vpshufd),
        (cvtsi2sd, vcvtsi2sd),
        (pinsrw, vpinsrw),
        (sqrtps, vsqrtps),
        (nothing, vzeroupper),
    ];
    let area = Area::new(0);
    let _osxsave = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(7);
    let upper = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];
    let done = user::run(|| {
        area.write(16, upper[0]);
        area.write(24, upper[1]);
        for (row, (legacy, vex)) in table.into_iter().enumerate() {
            const NAMES: &[rt::vocabulary::Text] = names![
                "MOVAPS",
                "MOVUPS",
                "MOVSS",
                "MOVQ",
                "MOVD",
                "ADDPS",
                "ADDSD",
                "PXOR",
                "PSHUFD",
                "CVTSI2SD",
                "PINSRW",
                "SQRTPS",
                "NOP and VZEROUPPER"
            ];
            legacy(area.address());
            check_eq!("SSE, bits 191 to 128", [NAMES; row], area.read(80), upper[0]);
            check_eq!("SSE, bits 255 to 192", [NAMES; row], area.read(88), upper[1]);
            vex(area.address());
            check_eq!("VEX, bits 191 to 128", [NAMES; row], area.read(80), 0);
            check_eq!("VEX, bits 255 to 192", [NAMES; row], area.read(88), 0);
        }
    });
    check_outcome!("no exception", done, Outcome::COMPLETED);
    let _ = xsetbv(1);
}
