//! XSAVES and XRSTORS: privilege, existence, formats.

use super::{
    component::{Save, bit},
    memory::Area,
    sweep::HEADER,
    xsetbv,
};
use rt::{
    Outcome, case, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
        msr,
    },
    instruction, user, user_code,
    vocabulary::Needs,
};

user_code!(xsaves: "mov eax, 3", "xor edx, edx", "xsaves64 [rdi]", "ret");
user_code!(xrstors: "mov eax, 3", "xor edx, edx", "xrstors64 [rdi]", "ret");
user_code!(ones: "pcmpeqd xmm0, xmm0", "movdqa xmm15, xmm0", "fninit", "fld1", "ret");
user_code!(get_xmm0: "movq rax, xmm0", "ret");

/// Bit of leaf 0DH, subleaf 1, EAX.
const XSAVES: u32 = 1 << 3;

/// XSAVES and XRSTORS raise #GP(0) at CPL 3, and #UD where CPUID does not name them or CR4.OSXSAVE is clear.
#[case(feature = StateXsaves, spec = [sdm2("XSAVES—Save Processor Extended States Supervisor"),
       sdm2("XRSTORS—Restore Processor Extended States Supervisor")], needs = Needs::XSAVE)]
fn supervisor_forms_at_cpl_3() {
    let area = Area::new(0);
    let expected = if exists() { Outcome::GP } else { Outcome::UD };
    let _osxsave = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(3);
    check_outcome!("XSAVES", user::call(xsaves, area.address()), expected);
    check_outcome!("XRSTORS", user::call(xrstors, area.address()), expected);
}

/// XSAVES at CPL 0.
fn save(address: u64, mask: u32) -> Outcome {
    Outcome::from(instruction!("xsaves64 [{}]", in(reg) address, in("eax") mask, in("edx") 0))
}

/// XRSTORS at CPL 0.
fn restore(address: u64, mask: u32) -> Outcome {
    Outcome::from(instruction!("xrstors64 [{}]", in(reg) address, in("eax") mask, in("edx") 0))
}

fn exists() -> bool {
    read_leaf(0xd, 1).eax & XSAVES != 0
}

/// XSAVES with one mask: where it is there, the compacted format with what is requested; else #UD.
fn check_save(rfbm: u64) {
    let area = Area::new(0);
    let _osxsave = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(3);
    if !exists() {
        check_outcome!("XSAVES that is not there", save(area.address(), rfbm as u32), Outcome::UD);
        return;
    }
    let _ = msr::write(msr::number::IA32_XSS, 0);
    let _ = user::call(ones, 0);
    check_outcome!("XSAVES", save(area.address(), rfbm as u32), Outcome::COMPLETED);
    check_eq!("XSTATE_BV", area.read(HEADER), Save::Xsaves.xstate_bv(0, rfbm, 3).0);
    check_eq!("XCOMP_BV", area.read(HEADER + 8), Save::Xsaves.xcomp_bv(0, rfbm));
    let expected = if rfbm & bit::SSE != 0 { u64::MAX } else { 0 };
    check_eq!("XMM0", area.read(160), expected);
    check_eq!("XMM15", area.read(400), expected);
    let expected = if rfbm & bit::X87 != 0 { 1_u64 << 63 } else { 0 };
    check_eq!("ST(0)", area.read(32), expected);
}

/// XRSTORS of an area with this header, this far off its alignment; `loaded` is XMM0 behind it.
fn check_restore(header: [u64; 3], offset: u64, expected: Outcome, loaded: u64) {
    let area = Area::new(0);
    let _osxsave = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(3);
    if !exists() {
        check_outcome!("XRSTORS that is not there", restore(area.address(), 3), Outcome::UD);
        return;
    }
    let _ = msr::write(msr::number::IA32_XSS, 0);
    area.write(0, 0x37f);
    area.write(24, 0x1f80);
    area.write(160, LOADED);
    for (index, quadword) in header.into_iter().enumerate() {
        area.write(HEADER + index as u64 * 8, quadword);
    }
    let _ = user::call(ones, 0);
    check_outcome!("XRSTORS", restore(area.address() + offset, 3), expected);
    check_eq!("XMM0 behind XRSTORS", user::call(get_xmm0, 0).unwrap_or(1), loaded);
}

const LOADED: u64 = 0x1234_5678_9abc_def0;

// A case each, so that a hypervisor that gives up over one of them is still tried with the others.
macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident $title:literal $body:expr;)+) => {$(
        $(#[$doc])*
        #[case(feature = StateXsaves, spec = sdm1($title), needs = Needs::XSAVE)]
        fn $name() {
            $body;
        }
    )+};
}

cases! {
    /// XSAVES of nothing writes a header of the compacted format.
    supervisor_save_of_nothing "Operation of XSAVES" check_save(0);
    /// XSAVES of x87 state.
    supervisor_save_of_x87 "Operation of XSAVES" check_save(bit::X87);
    /// XSAVES of SSE state.
    supervisor_save_of_sse "Operation of XSAVES" check_save(bit::SSE);
    /// XSAVES of x87 and SSE state.
    supervisor_save_of_both "Operation of XSAVES" check_save(bit::X87 | bit::SSE);
    /// XRSTORS loads what is present.
    supervisor_restore_of_all "Operation of XRSTORS" check_restore([3, bit::COMPACTED | 3, 0], 0, Outcome::COMPLETED, LOADED);
    /// XRSTORS initializes what is not present.
    supervisor_restore_of_nothing "Operation of XRSTORS" check_restore([0, bit::COMPACTED | 3, 0], 0, Outcome::COMPLETED, 0);
    /// XRSTORS refuses the standard format.
    supervisor_restore_of_standard_format "Operation of XRSTORS" check_restore([3, 0, 0], 0, Outcome::GP, u64::MAX);
    /// XRSTORS refuses the standard format with nothing in it.
    supervisor_restore_of_empty_standard_format "Operation of XRSTORS" check_restore([0, 0, 0], 0, Outcome::GP, u64::MAX);
    /// XRSTORS refuses a component that XCOMP_BV does not have.
    supervisor_restore_beyond_the_format "Operation of XRSTORS"
        check_restore([3, bit::COMPACTED | 1, 0], 0, Outcome::GP, u64::MAX);
    /// XRSTORS refuses a component of XCOMP_BV that is in neither XCR0 nor IA32_XSS.
    supervisor_restore_beyond_xcr0 "Operation of XRSTORS"
        check_restore([3, bit::COMPACTED | 7, 0], 0, Outcome::GP, u64::MAX);
    /// XRSTORS refuses a header with a reserved byte.
    supervisor_restore_with_reserved_byte "Operation of XRSTORS"
        check_restore([3, bit::COMPACTED | 3, 1], 0, Outcome::GP, u64::MAX);
    /// XRSTORS refuses an area that is not aligned to 64 bytes.
    supervisor_restore_off_alignment "Operation of XRSTORS"
        check_restore([3, bit::COMPACTED | 3, 0], 32, Outcome::GP, u64::MAX);
}
