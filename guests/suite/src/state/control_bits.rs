//! CR0.EM, MP and TS and CR4.OSFXSR: every combination with every kind of instruction.

use super::{
    memory::Area,
    numeric::{Class, Control, outcome},
    xcr0::read_supported,
    xsetbv,
};
use rt::{
    Outcome, case, check_outcome,
    cpu::control::{With, cr0, cr4},
    user, user_code,
    vocabulary::{Needs, Text},
};

type Code = extern "C" fn(u64) -> u64;

// A check has one text, so there is one for each combination.
macro_rules! by_combination {
    ($names:ident $number:ident $index:ident $actual:ident $expected:ident: $($value:literal $text:literal),*) => {
        match $number { $($value => check_outcome!($text, [$names; $index], $actual, $expected),)* _ => {} }
    };
}

// Each name is its instruction; RDI is the address of an area that XRSTOR and FXRSTOR accept.
macro_rules! instructions {
    ($table:ident $names:ident $report:ident: $($name:ident $class:ident $text:literal: $($assembly:literal),+;)*) => {
        $(user_code!($name: $($assembly,)+ "xor eax, eax", "ret");)*
        const $table: &[(Code, Class)] = &[$(($name, Class::$class)),*];
        const $names: &[Text] = rt::names![$($text),*];

        fn $report(number: usize, index: usize, actual: Outcome, expected: Outcome) {
            by_combination!($names number index actual expected:
                0 "OSFXSR clear", 1 "EM, OSFXSR clear", 2 "MP, OSFXSR clear", 3 "EM, MP, OSFXSR clear",
                4 "TS, OSFXSR clear", 5 "EM, TS, OSFXSR clear", 6 "MP, TS, OSFXSR clear",
                7 "EM, MP, TS, OSFXSR clear", 8 "OSFXSR", 9 "EM, OSFXSR", 10 "MP, OSFXSR", 11 "EM, MP, OSFXSR",
                12 "TS, OSFXSR", 13 "EM, TS, OSFXSR", 14 "MP, TS, OSFXSR", 15 "EM, MP, TS, OSFXSR");
        }
    };
}

instructions! { LEGACY LEGACY_NAMES report_legacy:
    fnop X87 "FNOP": "fnop";
    fninit X87 "FNINIT": "fninit";
    fnclex X87 "FNCLEX": "fnclex";
    fld_fstp X87 "FLD1": "fld1", "fstp st(0)";
    fnstsw X87 "FNSTSW": "fnstsw ax";
    fnstcw X87 "FNSTCW": "fnstcw [rdi + 1024]";
    fldcw X87 "FLDCW": "fldcw [rdi]";
    fisttp X87 "FISTTP": "fld1", "fisttp dword ptr [rdi + 1024]";
    fwait Wait "WAIT": "fwait";
    emms Mmx "EMMS": "emms";
    pxor_mm Mmx "PXOR mm": "pxor mm0, mm0", "emms";
    movq_mm Mmx "MOVQ mm": "movq mm1, [rdi + 32]", "emms";
    xorps Sse "XORPS": "xorps xmm0, xmm0";
    movups Sse "MOVUPS": "movups xmm1, [rdi]";
    ldmxcsr Sse "LDMXCSR": "ldmxcsr [rdi + 24]";
    stmxcsr Sse "STMXCSR": "stmxcsr [rdi + 1024]";
    pxor_xmm Sse "PXOR xmm": "pxor xmm0, xmm0";
    cvtsi2sd Sse "CVTSI2SD": "cvtsi2sd xmm2, edi";
    movd Sse "MOVD": "movd eax, xmm3";
    fxsave Fxsave "FXSAVE": "fxsave64 [rdi + 1024]";
    fxrstor Fxsave "FXRSTOR": "fxrstor64 [rdi]";
    sfence Unaffected "SFENCE": "sfence";
    lfence Unaffected "LFENCE": "lfence";
    prefetch Unaffected "PREFETCHNTA": "prefetchnta [rdi]";
    movnti Unaffected "MOVNTI": "movnti [rdi + 1024], eax";
    pause Unaffected "PAUSE": "pause";
}

instructions! { EXTENDED EXTENDED_NAMES report_extended:
    xsave Extended "XSAVE": "mov eax, 3", "xor edx, edx", "xsave64 [rdi + 1024]";
    xrstor Extended "XRSTOR": "mov eax, 3", "xor edx, edx", "xrstor64 [rdi]";
    vxorps Extended "VXORPS": "vxorps ymm0, ymm0, ymm0";
    vzeroupper Extended "VZEROUPPER": "vzeroupper";
    xgetbv Unaffected "XGETBV": "xor ecx, ecx", "xgetbv";
}

fn every_combination(table: &'static [(Code, Class)], report: fn(usize, usize, Outcome, Outcome)) {
    let (area, outcomes) = (Area::new(0), Area::new(1));
    area.write(0, 0x37f);
    area.write(24, 0x1f80);
    for number in 0..16 {
        let control = Control::numbered(number);
        let bit = |is_set: bool, bit: u64| if is_set { (bit, 0) } else { (0, bit) };
        let bits = [bit(control.em, cr0::EM), bit(control.mp, cr0::MP), bit(control.ts, cr0::TS)];
        let (set, clear) = bits.into_iter().fold((0, 0), |all, one| (all.0 | one.0, all.1 | one.1));
        let (osfxsr, no_osfxsr) = bit(control.osfxsr, cr4::OSFXSR);
        let cr4 = With::cr4(osfxsr, no_osfxsr);
        let cr0 = With::cr0(set, clear);
        for (index, (code, _)) in table.iter().enumerate() {
            let outcome = Outcome::from(user::call(*code, area.address()));
            outcomes.write((number * table.len() + index) as u64 * 8, outcome.0);
        }
        drop((cr0, cr4));
    }
    let done = user::run(|| {
        for number in 0..16 {
            for (index, (_, class)) in table.iter().enumerate() {
                let actual = Outcome(outcomes.read((number * table.len() + index) as u64 * 8));
                let expected = Outcome(outcome(*class, Control::numbered(number)));
                report(number, index, actual, expected);
            }
        }
    });
    check_outcome!("comparison", done, Outcome::COMPLETED);
}

/// Every combination of CR0.EM, MP and TS and CR4.OSFXSR gives x87, MMX and SSE instructions, WAIT and FXSAVE the
/// outcome of the manual's tables.
#[case(feature = StateX87, spec = [sdm3a("Interrupt 7—Device Not Available Exception (#NM)"),
       sdm3a("Control Registers"), apm2("CR0 Register")])]
fn every_combination_of_control_bits() {
    every_combination(LEGACY, report_legacy);
}

/// CR0.TS alone decides on XSAVE, XRSTOR and VEX-encoded instructions where CR4.OSXSAVE is set.
#[case(feature = StateXsave, spec = [sdm3a("Interrupt 7—Device Not Available Exception (#NM)"),
       sdm2("XSAVE—Save Processor Extended States"), sdm2("Exceptions Type 4 (>=16 Byte Mem Arg, No Alignment, No Floating-point Exceptions)")],
       needs = Needs::XSAVE | Needs::AVX)]
fn every_combination_of_control_bits_on_extended_state() {
    let supported = read_supported();
    let _osxsave = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(supported & 0xe7);
    every_combination(EXTENDED, report_extended);
}
