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
    instruction, names, user, user_code,
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
    let expected = if read_leaf(0xd, 1).eax & XSAVES != 0 { Outcome::GP } else { Outcome::UD };
    let _osxsave = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(3);
    check_outcome!("XSAVES", user::call(xsaves, area.address()), expected);
    check_outcome!("XRSTORS", user::call(xrstors, area.address()), expected);
}

/// At CPL 0 XSAVES writes the compacted format with what is requested, and XRSTORS loads it and refuses the standard
/// format, components that are in neither XCR0 nor IA32_XSS, and areas that are not aligned.
#[case(feature = StateXsaves, spec = [sdm1("Operation of XSAVES"), sdm1("Operation of XRSTORS")],
       needs = Needs::XSAVE)]
fn supervisor_forms_at_cpl_0() {
    let (area, exists) = (Area::new(0), read_leaf(0xd, 1).eax & XSAVES != 0);
    let _osxsave = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(3);
    let save = |address: u64, mask: u32| {
        Outcome::from(instruction!("xsaves64 [{}]", in(reg) address, in("eax") mask, in("edx") 0))
    };
    let restore = |address: u64, mask: u32| {
        Outcome::from(instruction!("xrstors64 [{}]", in(reg) address, in("eax") mask, in("edx") 0))
    };
    if !exists {
        check_outcome!("XSAVES that is not there", save(area.address(), 3), Outcome::UD);
        check_outcome!("XRSTORS that is not there", restore(area.address(), 3), Outcome::UD);
        return;
    }
    let _ = msr::write(msr::number::IA32_XSS, 0);
    for rfbm in 0..4_u64 {
        area.fill(0, 640, 0);
        let _ = user::call(ones, 0);
        check_outcome!("XSAVES", [&[]; rfbm], save(area.address(), rfbm as u32), Outcome::COMPLETED);
        check_eq!("XSTATE_BV", [&[]; rfbm], area.read(HEADER), Save::Xsaves.xstate_bv(0, rfbm, 3).0);
        check_eq!("XCOMP_BV", [&[]; rfbm], area.read(HEADER + 8), Save::Xsaves.xcomp_bv(0, rfbm));
        let expected = if rfbm & bit::SSE != 0 { u64::MAX } else { 0 };
        check_eq!("XMM0", [&[]; rfbm], area.read(160), expected);
        check_eq!("XMM15", [&[]; rfbm], area.read(400), expected);
        let expected = if rfbm & bit::X87 != 0 { 1_u64 << 63 } else { 0 };
        check_eq!("ST(0)", [&[]; rfbm], area.read(32), expected);
    }
    let headers = [
        ([3, bit::COMPACTED | 3, 0], 0, Outcome::COMPLETED),
        ([0, bit::COMPACTED | 3, 0], 0, Outcome::COMPLETED),
        ([3, 0, 0], 0, Outcome::GP),
        ([0, 0, 0], 0, Outcome::GP),
        ([3, bit::COMPACTED | 1, 0], 0, Outcome::GP),
        ([3, bit::COMPACTED | 7, 0], 0, Outcome::GP),
        ([3, bit::COMPACTED | 3, 1], 0, Outcome::GP),
        ([3, bit::COMPACTED | 3, 0], 32, Outcome::GP),
    ];
    for (row, (header, offset, expected)) in headers.into_iter().enumerate() {
        const NAMES: &[rt::vocabulary::Text] = names![
            "all present",
            "all initial",
            "standard format",
            "standard format, empty",
            "XSTATE_BV beyond XCOMP_BV",
            "XCOMP_BV beyond XCR0",
            "reserved byte",
            "32 off"
        ];
        area.fill(0, 640, 0);
        area.write(0, 0x37f);
        area.write(24, 0x1f80);
        area.write(160, 0x1234_5678_9abc_def0);
        for (index, quadword) in header.into_iter().enumerate() {
            area.write(HEADER + index as u64 * 8, quadword);
        }
        let _ = user::call(ones, 0);
        check_outcome!("XRSTORS", [NAMES; row], restore(area.address() + offset, 3), expected);
        let loaded = match row {
            0 => 0x1234_5678_9abc_def0,
            1 => 0,
            _ => u64::MAX,
        };
        check_eq!("XMM0 behind XRSTORS", [NAMES; row], user::call(get_xmm0, 0).unwrap_or(1), loaded);
    }
}
