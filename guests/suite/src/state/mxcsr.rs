//! MXCSR_MASK against the bits that MXCSR takes.

use super::{
    memory::Area,
    mxcsr_model::{BY_DEFAULT, columns, mask},
    sweep::HEADER,
    xsetbv,
};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::control::{With, cr4},
    user, user_code,
    vocabulary::Needs,
};

type Code = extern "C" fn(u64) -> u64;

user_code!(fxsave: "fxsave64 [rdi]", "ret");
user_code!(ldmxcsr: "ldmxcsr [rdi + 24]", "stmxcsr [rdi + 1024]", "mov eax, [rdi + 1024]", "ret");
user_code!(vldmxcsr: "vldmxcsr [rdi + 24]", "vstmxcsr [rdi + 1024]", "mov eax, [rdi + 1024]", "ret");
user_code!(fxrstor: "fxrstor64 [rdi]", "stmxcsr [rdi + 1024]", "mov eax, [rdi + 1024]", "ret");
user_code!(xrstor: "mov eax, 2", "xor edx, edx", "xrstor64 [rdi]", "stmxcsr [rdi + 1024]", "mov eax, [rdi + 1024]", "ret");

/// MXCSR_MASK as FXSAVE writes it.
fn read_mask() -> u32 {
    let area = Area::new(1);
    let _ = user::call(fxsave, area.address());
    mask((area.read(24) >> 32) as u32)
}

/// Loads MXCSR with each bit beside those that mask everything.
fn every_bit(code: Code) {
    let mask = read_mask();
    let area = Area::new(0);
    area.write(0, 0x37f);
    for bit in 0..32_u32 {
        area.write(24, u64::from(BY_DEFAULT));
        area.write(HEADER, 0);
        let _ = user::call(ldmxcsr, area.address());
        area.write(24, u64::from(BY_DEFAULT | 1 << bit));
        // SSE state is present in the area of XRSTOR.
        area.write(HEADER, 2);
        let result = user::call(code, area.address());
        let read = match result {
            Ok(value) => value as u32,
            Err(_) => {
                area.write(24, u64::from(BY_DEFAULT));
                user::call(fxsave, Area::new(1).address()).map_or(0, |_| Area::new(1).read(24) as u32)
            }
        };
        let [outcome, value] = columns(mask, bit, Outcome::from(result).0, read);
        check_outcome!("outcome, by bit", [&[]; bit], Outcome(outcome.0), Outcome(outcome.1));
        check_eq!("MXCSR, by bit", [&[]; bit], value.0, value.1);
    }
    area.write(24, u64::from(BY_DEFAULT));
    let _ = user::call(ldmxcsr, area.address());
}

/// MXCSR_MASK names every bit that each processor with 64-bit mode has, and none of bits 31 to 16 but AMD's MM (17).
#[case(feature = StateSse, spec = [sdm1("Guidelines for Writing to the MXCSR Register"),
       sdm2("FXSAVE—Save x87 FPU, MMX Technology, and SSE State"), apm1("MXCSR Register")])]
fn mask_of_mxcsr() {
    const MISALIGNED_MASK: u32 = 1 << 17;
    let mask = read_mask();
    check_eq!("bits 15 to 0 but DAZ", mask & 0xffbf, 0xffbf);
    check_eq!("bits 31 to 16 but MM", mask & 0xffff_0000 & !MISALIGNED_MASK, 0);
    check!("DAZ, which every processor with SSE2 of 64-bit mode has", mask & 1 << 6 != 0);
}

// A case for each instruction that loads MXCSR.
macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident $title:literal $code:ident $(needs $need:expr, xcr0 $xcr0:literal)?;)+) => {$(
        $(#[$doc])*
        #[case(feature = StateSse, spec = [sdm1("Guidelines for Writing to the MXCSR Register"), sdm2($title)]
               $(, needs = $need)?)]
        fn $name() {
            $(
                let _osxsave = With::cr4(cr4::OSXSAVE, 0);
                let _ = xsetbv($xcr0);
            )?
            every_bit($code);
        }
    )+};
}

cases! {
    /// LDMXCSR takes exactly the bits that MXCSR_MASK names, and raises #GP(0) for each other.
    bits_of_mxcsr_by_ldmxcsr "LDMXCSR—Load MXCSR Register" ldmxcsr;
    /// VLDMXCSR takes exactly the bits that MXCSR_MASK names, and raises #GP(0) for each other.
    bits_of_mxcsr_by_vldmxcsr "LDMXCSR—Load MXCSR Register" vldmxcsr needs Needs::AVX.union(Needs::XSAVE), xcr0 7;
    /// FXRSTOR takes exactly the bits that MXCSR_MASK names, and raises #GP(0) for each other.
    bits_of_mxcsr_by_fxrstor "FXRSTOR—Restore x87 FPU, MMX, XMM, and MXCSR State" fxrstor;
    /// XRSTOR takes exactly the bits that MXCSR_MASK names, and raises #GP(0) for each other.
    bits_of_mxcsr_by_xrstor "XRSTOR—Restore Processor Extended States" xrstor needs Needs::XSAVE, xcr0 3;
}
