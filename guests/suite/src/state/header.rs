//! What XRSTOR refuses in the header, and what all of the set refuse of an address.

use super::{
    component::{bit, header_faults},
    memory::Area,
    sweep::HEADER,
    xcr0::read_supported,
    xsetbv,
};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
    },
    names, user, user_code,
    vocabulary::Needs,
};

type Code = extern "C" fn(u64) -> u64;

user_code!(xrstor: "mov eax, -1", "mov edx, -1", "xrstor64 [rdi]", "ret");
user_code!(xrstor_nothing: "xor eax, eax", "xor edx, edx", "xrstor64 [rdi]", "ret");
user_code!(xrstor_sse: "mov eax, 2", "xor edx, edx", "xrstor64 [rdi]", "ret");
user_code!(xrstor_avx: "mov eax, 4", "xor edx, edx", "xrstor64 [rdi]", "ret");
user_code!(xrstor_x87: "mov eax, 1", "xor edx, edx", "xrstor64 [rdi]", "ret");
user_code!(xsave: "mov eax, -1", "mov edx, -1", "xsave64 [rdi]", "ret");
user_code!(xsave_nothing: "xor eax, eax", "xor edx, edx", "xsave64 [rdi]", "ret");
user_code!(xgetbv: "xor ecx, ecx", "xgetbv", "ret");
user_code!(xsaveopt: "mov eax, -1", "mov edx, -1", "xsaveopt64 [rdi]", "ret");
user_code!(xsavec: "mov eax, -1", "mov edx, -1", "xsavec64 [rdi]", "ret");
user_code!(clean: "fninit", "sub rsp, 8", "mov dword ptr [rsp], 0x1f80", "ldmxcsr [rsp]", "add rsp, 8", "ret");
user_code!(fxsave: "fxsave64 [rdi]", "ret");
user_code!(fxrstor: "fxrstor64 [rdi]", "ret");

const EXPECTED: [Outcome; 2] = [Outcome::COMPLETED, Outcome::GP];

/// A processor with all components in XCR0 that this file can have initialised.
struct Machine {
    xcr0: u64,
    has_compacted: bool,
    _osxsave: With,
}

impl Machine {
    fn new() -> Option<Self> {
        let xcr0 = read_supported() & !bit::MPX & !bit::AMX;
        let osxsave = With::cr4(cr4::OSXSAVE, 0).ok()?;
        xsetbv(xcr0).ok()?;
        Some(Self { xcr0, has_compacted: read_leaf(0xd, 1).eax & 2 != 0, _osxsave: osxsave })
    }

    /// What XRSTOR does with this header, and what it should.
    fn attempt(&self, code: Code, header: [u64; 8]) -> (Outcome, Outcome) {
        let area = Area::new(0);
        area.write(24, 0x1f80);
        for (index, quadword) in header.into_iter().enumerate() {
            area.write(HEADER + index as u64 * 8, quadword);
        }
        let expected = EXPECTED[usize::from(header_faults(&header, self.xcr0, self.has_compacted))];
        (user::call(code, area.address()).into(), expected)
    }
}

fn one_byte(mut header: [u64; 8], byte: usize) -> [u64; 8] {
    header[byte / 8] |= 1 << (byte % 8 * 8);
    header
}

/// XRSTOR of the standard format raises #GP(0) for each bit of XSTATE_BV that XCR0 has not, and for each of bytes 23 to 8
/// of the header that is not zero; it ignores the rest.
#[case(feature = StateXsave, spec = sdm1("Operation of XRSTOR"), needs = Needs::XSAVE)]
fn header_of_the_standard_format() {
    let Some(machine) = Machine::new() else {
        check!("XCR0 takes all components", false);
        return;
    };
    for bit in 0..64_u64 {
        let (actual, expected) = machine.attempt(xrstor, [1 << bit, 0, 0, 0, 0, 0, 0, 0]);
        check_outcome!("bit of XSTATE_BV", [&[]; bit], actual, expected);
    }
    for byte in 8..64 {
        let (actual, expected) = machine.attempt(xrstor, one_byte([0; 8], byte));
        check_outcome!("byte", [&[]; byte], actual, expected);
        let (actual, expected) = machine.attempt(xrstor_nothing, one_byte([0; 8], byte));
        check_outcome!("byte, nothing requested", [&[]; byte], actual, expected);
    }
}

/// XRSTOR of the compacted format raises #GP(0) for each bit of XCOMP_BV that XCR0 has not, each bit of XSTATE_BV that
/// XCOMP_BV has not, and each of bytes 63 to 16 of the header that is not zero.
#[case(feature = StateXsaves, spec = sdm1("Operation of XRSTOR"), needs = Needs::XSAVE)]
fn header_of_the_compacted_format() {
    let Some(machine) = Machine::new() else {
        check!("XCR0 takes all components", false);
        return;
    };
    for bit in 0..63_u64 {
        let (actual, expected) = machine.attempt(xrstor, [0, 1 << bit | bit::COMPACTED, 0, 0, 0, 0, 0, 0]);
        check_outcome!("bit of XCOMP_BV", [&[]; bit], actual, expected);
    }
    // Of bit 63 of XSTATE_BV the compacted form's rules do not speak.
    for bit in 0..63_u64 {
        let (actual, expected) = machine.attempt(xrstor, [1 << bit, bit::COMPACTED, 0, 0, 0, 0, 0, 0]);
        check_outcome!("bit of XSTATE_BV that XCOMP_BV has not", [&[]; bit], actual, expected);
    }
    for byte in 16..64 {
        let (actual, expected) = machine.attempt(xrstor, one_byte([0, bit::COMPACTED | 3, 0, 0, 0, 0, 0, 0], byte));
        check_outcome!("byte", [&[]; byte], actual, expected);
    }
}

/// A reserved bit of MXCSR in the area raises #GP(0) exactly where MXCSR is loaded.
#[case(feature = StateXsave, spec = [sdm1("Operation of XRSTOR"), sdm1("MXCSR Control and Status Register")],
       needs = Needs::XSAVE | Needs::AVX)]
fn reserved_bits_of_mxcsr() {
    let Some(machine) = Machine::new() else {
        check!("XCR0 takes all components", false);
        return;
    };
    let area = Area::new(0);
    let attempt = |code: Code, mxcsr: u64, xstate_bv: u64, xcomp_bv: u64| {
        area.write(24, mxcsr);
        area.write(HEADER, xstate_bv);
        area.write(HEADER + 8, xcomp_bv);
        Outcome::from(user::call(code, area.address()))
    };
    area.fill(HEADER, HEADER + 64, 0);
    area.write(0, 0x37f);
    for bit in 16..32_u64 {
        // Bit 17 is a feature of AMD's processors; MXCSR_MASK tells, which another case compares.
        if bit == 17 {
            continue;
        }
        let mxcsr = 0x1f80 | 1 << bit;
        check_outcome!("SSE requested and present", [&[]; bit], attempt(xrstor_sse, mxcsr, 2, 0), Outcome::GP);
        check_outcome!("SSE requested and absent", [&[]; bit], attempt(xrstor_sse, mxcsr, 0, 0), Outcome::GP);
        check_outcome!("AVX requested", [&[]; bit], attempt(xrstor_avx, mxcsr, 0, 0), Outcome::GP);
        check_outcome!("x87 requested", [&[]; bit], attempt(xrstor_x87, mxcsr, 3, 0), Outcome::COMPLETED);
        if machine.has_compacted {
            let compacted = bit::COMPACTED | 7;
            check_outcome!("compacted, present", [&[]; bit], attempt(xrstor_sse, mxcsr, 2, compacted), Outcome::GP);
            let absent = attempt(xrstor_sse, mxcsr, 0, compacted);
            check_outcome!("compacted, absent", [&[]; bit], absent, Outcome::COMPLETED);
            let avx = attempt(xrstor_avx, mxcsr, 0, compacted);
            check_outcome!("compacted, AVX requested", [&[]; bit], avx, Outcome::COMPLETED);
        }
    }
}

/// Every instruction of the set raises #GP(0) for an area that is not aligned to 64 bytes, whatever is requested.
#[case(feature = StateXsave, spec = [sdm1("XSAVE Area"), sdm2("XSAVE—Save Processor Extended States")],
       needs = Needs::XSAVE)]
fn misaligned_areas() {
    let Some(machine) = Machine::new() else {
        check!("XCR0 takes all components", false);
        return;
    };
    let area = Area::new(0);
    let at = |code: Code, offset: u64| Outcome::from(user::call(code, area.address() + offset));
    let has_opt = read_leaf(0xd, 1).eax & 1 != 0;
    for offset in [0, 1, 2, 4, 8, 16, 32, 48, 63_u64] {
        let expected = if offset == 0 { Outcome::COMPLETED } else { Outcome::GP };
        area.fill(0, 4096, 0);
        area.write(24, 0x1f80);
        area.write(0, 0x37f);
        check_outcome!("XRSTOR", [&[]; offset], at(xrstor, offset), expected);
        check_outcome!("XRSTOR of nothing", [&[]; offset], at(xrstor_nothing, offset), expected);
        check_outcome!("XSAVE", [&[]; offset], at(xsave, offset), expected);
        check_outcome!("XSAVE of nothing", [&[]; offset], at(xsave_nothing, offset), expected);
        if has_opt {
            check_outcome!("XSAVEOPT", [&[]; offset], at(xsaveopt, offset), expected);
        }
        if machine.has_compacted {
            check_outcome!("XSAVEC", [&[]; offset], at(xsavec, offset), expected);
        }
    }
    let _ = user::call(clean, 0);
}

/// FXSAVE and FXRSTOR raise #GP(0) for an area that is not aligned to 16 bytes.
#[case(feature = StateX87, spec = [sdm2("FXSAVE—Save x87 FPU, MMX Technology, and SSE State"),
       sdm2("FXRSTOR—Restore x87 FPU, MMX, XMM, and MXCSR State")])]
fn misaligned_fxsave() {
    let area = Area::new(0);
    for offset in [0, 1, 2, 4, 8, 15, 16_u64] {
        let expected = if offset % 16 == 0 { Outcome::COMPLETED } else { Outcome::GP };
        area.fill(0, 1024, 0);
        check_outcome!("FXSAVE", [&[]; offset], user::call(fxsave, area.address() + offset), expected);
        area.fill(0, 1024, 0);
        check_outcome!("FXRSTOR", [&[]; offset], user::call(fxrstor, area.address() + offset), expected);
    }
    let _ = user::call(clean, 0);
}

/// What is requested beyond XCR0 is neither written nor marked.
#[case(feature = StateXsave, spec = sdm1("Operation of XSAVE"), needs = Needs::XSAVE)]
fn requests_beyond_xcr0() {
    const MARK: u64 = 0x1122_3344_5566_7788;
    const OFFSETS: [u64; 6] = [0, 24, 32, 160, 400, 576];
    let Ok(_osxsave) = With::cr4(cr4::OSXSAVE, 0) else {
        check!("CR4 takes OSXSAVE", false);
        return;
    };
    let area = Area::new(0);
    for (row, xcr0) in [1, 3].into_iter().enumerate() {
        check_outcome!("XSETBV", [names!["XCR0 of 1", "XCR0 of 3"]; row], xsetbv(xcr0), Outcome::COMPLETED);
        area.fill(0, 1024, MARK);
        area.write(HEADER, 0);
        check_outcome!("XSAVE", [&[]; row], user::call(xsave, area.address()), Outcome::COMPLETED);
        check_eq!("bits of XSTATE_BV beyond XCR0", [&[]; row], area.read(HEADER) & !xcr0, 0);
        for (index, offset) in OFFSETS.into_iter().enumerate() {
            let is_kept = area.read(offset) == MARK;
            let component = [0, 1, 0, 1, 1, 2][index];
            check_eq!(
                "memory is left alone",
                [names![
                    "control word, XCR0 of 1",
                    "MXCSR, XCR0 of 1",
                    "ST(0), XCR0 of 1",
                    "XMM0, XCR0 of 1",
                    "XMM15, XCR0 of 1",
                    "extended region, XCR0 of 1",
                    "control word, XCR0 of 3",
                    "MXCSR, XCR0 of 3",
                    "ST(0), XCR0 of 3",
                    "XMM0, XCR0 of 3",
                    "XMM15, XCR0 of 3",
                    "extended region, XCR0 of 3"
                ]; row * 6 + index],
                is_kept,
                xcr0 >> component & 1 == 0
            );
        }
    }
}

/// Every instruction of the set raises #UD without CR4.OSXSAVE, and with it where CPUID does not name it.
#[case(feature = StateXsave, spec = sdm1("Enabling the XSAVE Feature Set and XSAVE-Enabled Features"), needs = Needs::XSAVE)]
fn set_follows_osxsave() {
    let area = Area::new(0);
    let bits = read_leaf(0xd, 1).eax;
    let table: [(Code, bool); 5] =
        [(xsave, true), (xrstor, true), (xsaveopt, bits & 1 != 0), (xsavec, bits & 2 != 0), (xgetbv, true)];
    for osxsave in [false, true] {
        let set = if osxsave { With::cr4(cr4::OSXSAVE, 0).ok() } else { None };
        if osxsave {
            let _ = xsetbv(3);
        }
        for (row, (code, exists)) in table.into_iter().enumerate() {
            area.fill(0, 1024, 0);
            area.write(24, 0x1f80);
            let expected = if osxsave && exists { Outcome::COMPLETED } else { Outcome::UD };
            check_outcome!(
                "outcome",
                [names![
                    "XSAVE, OSXSAVE clear",
                    "XRSTOR, OSXSAVE clear",
                    "XSAVEOPT, OSXSAVE clear",
                    "XSAVEC, OSXSAVE clear",
                    "XGETBV, OSXSAVE clear",
                    "XSAVE, OSXSAVE set",
                    "XRSTOR, OSXSAVE set",
                    "XSAVEOPT, OSXSAVE set",
                    "XSAVEC, OSXSAVE set",
                    "XGETBV, OSXSAVE set"
                ]; usize::from(osxsave) * 5 + row],
                user::call(code, area.address()),
                expected
            );
        }
        drop(set);
    }
}
