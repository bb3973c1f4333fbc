//! XCR0, IA32_XSS and the bits that they depend on.

use super::{component::is_legal_xcr0, memory::Area, xsetbv};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        cpuid::read_leaf,
        msr,
    },
    instruction, names, user, user_code,
    vocabulary::Needs,
};

/// The bits of XCR0 that leaf 0DH names.
pub(super) fn read_supported() -> u64 {
    let leaf = read_leaf(0xd, 0);
    u64::from(leaf.edx) << 32 | u64::from(leaf.eax)
}

user_code!(get_xcr: "mov ecx, edi", "xgetbv", "shl rdx, 32", "or rax, rdx", "ret");
user_code!(set_xcr: "xor ecx, ecx", "xor edx, edx", "mov eax, edi", "xsetbv", "xor eax, eax", "ret");

const LEGAL: [Outcome; 2] = [Outcome::GP, Outcome::COMPLETED];

/// What XCR0 holds between attempts.
const X87_SSE: u64 = 3;

/// XSETBV takes the legal values of bits 7 to 0 and no other, and what it refuses leaves XCR0 as it was.
#[case(feature = StateXsave, spec = [sdm2("XSETBV—Set Extended Control Register"),
       sdm3a("Extended Control Registers (Including XCR0)")], needs = Needs::XSAVE)]
fn xcr0_takes_legal_values() {
    let supported = read_supported();
    let _set = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(X87_SSE);
    let outcomes = Area::new(0);
    for value in 0..256_u64 {
        outcomes.write(value * 8, Outcome::from(xsetbv(value)).0);
    }
    let checked = user::run(|| {
        for value in 0..256_u64 {
            let expected = LEGAL[usize::from(is_legal_xcr0(value, supported))];
            check_outcome!("XSETBV", [&[]; value], Outcome(outcomes.read(value * 8)), expected);
        }
    });
    check_outcome!("comparison", checked, Outcome::COMPLETED);
}

/// XGETBV at CPL 3 gives what XSETBV wrote, and what it gave before where XSETBV was refused.
#[case(feature = StateXsave, spec = [sdm2("XSETBV—Set Extended Control Register"),
       sdm2("XGETBV—Get Value of Extended Control Register")], needs = Needs::XSAVE)]
fn xcr0_reads_back() {
    let supported = read_supported();
    let _set = With::cr4(cr4::OSXSAVE, 0);
    // Reading it back takes a transition, so only around the boundary of what is legal.
    for value in [0, 1, 2, 3, 4, 5, 6, 7, 0x18, 0x1b, 0x23, 0x27, 0x63, 0x67, 0xe3, 0xe7_u64] {
        let _ = xsetbv(X87_SSE);
        let _ = xsetbv(value);
        let expected = if is_legal_xcr0(value, supported) { value } else { X87_SSE };
        check_eq!("XCR0 read back", [&[]; value], user::call(get_xcr, 0).unwrap_or(u64::MAX), expected);
    }
}

/// XSETBV takes a bit beyond bit 7 only where CPUID names it, alone or with its pair.
#[case(feature = StateXsave, spec = [sdm2("XSETBV—Set Extended Control Register"),
       sdm3a("Extended Control Registers (Including XCR0)")], needs = Needs::XSAVE)]
fn xcr0_high_bits() {
    let supported = read_supported();
    let _set = With::cr4(cr4::OSXSAVE, 0);
    for bit in 8..64_u64 {
        let value = X87_SSE | 1 << bit;
        let legal = is_legal_xcr0(value, supported);
        check_outcome!("one bit", [&[]; bit], xsetbv(value), LEGAL[usize::from(legal)]);
    }
    for (row, value) in [3 << 17 | 3, 1 << 9 | 1, 1 << 9, 3 << 17, u64::MAX, supported].into_iter().enumerate() {
        check_outcome!(
            "several bits",
            [names!["both of AMX", "PKRU with x87", "PKRU alone", "AMX alone", "all", "all that CPUID names"]; row],
            xsetbv(value),
            LEGAL[usize::from(is_legal_xcr0(value, supported))]
        );
    }
    let _ = xsetbv(1);
}

/// XSETBV and XGETBV raise #GP(0) for registers that do not exist, XSETBV at CPL 3, and both #UD without CR4.OSXSAVE.
#[case(feature = StateXsave, spec = [sdm2("XSETBV—Set Extended Control Register"),
       sdm2("XGETBV—Get Value of Extended Control Register")], needs = Needs::XSAVE)]
fn xcr_access() {
    check_outcome!("XSETBV, OSXSAVE clear", xsetbv(1), Outcome::UD);
    // Without OSXSAVE at CPL 3 it could be #UD or #GP(0): no manual says which comes first.
    let _set = With::cr4(cr4::OSXSAVE, 0);
    check_outcome!("XGETBV", user::call(get_xcr, 0), Outcome::COMPLETED);
    check_outcome!("XSETBV at CPL 3", user::call(set_xcr, 1), Outcome::GP);
    check_outcome!("XSETBV of an illegal value at CPL 3", user::call(set_xcr, 0), Outcome::GP);
    for (row, number) in [2, 3, 4, 0x10, 0x100, 0x8000_0000, 0xffff_ffff_u64].into_iter().enumerate() {
        const NAMES: &[rt::vocabulary::Text] = names!["2", "3", "4", "10H", "100H", "80000000H", "FFFFFFFFH"];
        check_outcome!(
            "XGETBV of a register that is not there",
            [NAMES; row],
            user::call(get_xcr, number),
            Outcome::GP
        );
        let set = instruction!("xsetbv", in("ecx") number as u32, in("eax") 1, in("edx") 0);
        check_outcome!("XSETBV of a register that is not there", [NAMES; row], set, Outcome::GP);
    }
    let set = instruction!("xsetbv", in("ecx") 1, in("eax") 1, in("edx") 0);
    check_outcome!("XSETBV of XCR1", set, Outcome::GP);
}

/// XCR0 is 1 behind reset: x87 state alone.
#[case(feature = StateXsave, spec = sdm3a("Extended Control Registers (Including XCR0)"), needs = Needs::XSAVE)]
fn xcr0_behind_reset() {
    let _set = With::cr4(cr4::OSXSAVE, 0);
    check_eq!("XCR0", user::call(get_xcr, 0).unwrap_or(0), 1);
}

user_code!(sse_in_use: "pcmpeqd xmm5, xmm5", "fninit", "fld1", "mov ecx, 1", "xgetbv", "shl rdx, 32", "or rax, rdx", "fninit",
    "pxor xmm5, xmm5", "ret");

/// XGETBV of register 1 gives XCR0 and XINUSE where CPUID says that it does, and else #GP(0).
#[case(feature = StateXsave, spec = sdm2("XGETBV—Get Value of Extended Control Register"), needs = Needs::XSAVE)]
fn xgetbv_in_use() {
    let has_it = read_leaf(0xd, 1).eax & 4 != 0;
    let _set = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(X87_SSE);
    let result = user::call(sse_in_use, 0);
    check_outcome!("XGETBV of 1", result, LEGAL[usize::from(has_it)]);
    if has_it {
        check_eq!("x87 and SSE state in use", result.unwrap_or(0), X87_SSE);
    }
}

/// XGETBV of register 1 leaves out what XCR0 has not.
#[case(feature = StateXsave, spec = sdm2("XGETBV—Get Value of Extended Control Register"), needs = Needs::XSAVE)]
fn xgetbv_in_use_of_x87_alone() {
    let has_it = read_leaf(0xd, 1).eax & 4 != 0;
    let _set = With::cr4(cr4::OSXSAVE, 0);
    let _ = xsetbv(1);
    if has_it {
        check_eq!("x87 state in use", user::call(sse_in_use, 0).unwrap_or(0), 1);
    } else {
        check_outcome!("XGETBV of 1", user::call(sse_in_use, 0), Outcome::GP);
    }
}

/// CPUID shows CR4.OSXSAVE, and CR4 takes the bit only where CPUID names XSAVE.
#[case(feature = StateXsave, spec = sdm1("Enabling the XSAVE Feature Set and XSAVE-Enabled Features"))]
fn osxsave_follows_cr4() {
    const XSAVE: u32 = 1 << 26;
    const OSXSAVE: u32 = 1 << 27;
    let has_it = read_leaf(1, 0).ecx & XSAVE != 0;
    check_eq!("OSXSAVE in CPUID, clear in CR4", read_leaf(1, 0).ecx & OSXSAVE, 0);
    let set = With::cr4(cr4::OSXSAVE, 0);
    check_outcome!("CR4.OSXSAVE", set.as_ref().map(|_| ()).map_err(|exception| *exception), LEGAL[usize::from(has_it)]);
    if has_it {
        check_eq!("OSXSAVE in CPUID, set in CR4", read_leaf(1, 0).ecx & OSXSAVE, OSXSAVE);
    }
}

/// IA32_XSS takes the bits that CPUID leaf 0DH, subleaf 1 names, each alone, and raises #GP(0) for each other.
#[case(feature = StateXsaves, spec = [sdm1("Enabling the XSAVE Feature Set and XSAVE-Enabled Features"),
       sdm4("Architectural MSRs")], needs = Needs::XSAVE)]
fn xss_takes_named_bits() {
    let leaf = read_leaf(0xd, 1);
    if leaf.eax & 8 == 0 {
        let read = msr::read(msr::number::IA32_XSS).map(|_| ());
        check_outcome!("RDMSR without XSAVES", read, Outcome::GP);
        check_outcome!("WRMSR without XSAVES", msr::write(msr::number::IA32_XSS, 0), Outcome::GP);
        return;
    }
    let supported = u64::from(leaf.edx) << 32 | u64::from(leaf.ecx);
    check_eq!("behind reset", msr::read(msr::number::IA32_XSS).unwrap_or(u64::MAX), 0);
    for bit in 0..64_u64 {
        // User and supervisor components of CET, and those of shadow stacks, are bits of their own.
        let legal = supported >> bit & 1 != 0;
        let value = 1_u64 << bit;
        check_outcome!("WRMSR", [&[]; bit], msr::write(msr::number::IA32_XSS, value), LEGAL[usize::from(legal)]);
        let expected = if legal { value } else { 0 };
        check_eq!("RDMSR", [&[]; bit], msr::read(msr::number::IA32_XSS).unwrap_or(u64::MAX), expected);
        let _ = msr::write(msr::number::IA32_XSS, 0);
    }
    check_outcome!("all that CPUID names", msr::write(msr::number::IA32_XSS, supported), Outcome::COMPLETED);
    check_eq!("read back", msr::read(msr::number::IA32_XSS).unwrap_or(0), supported);
    let _ = msr::write(msr::number::IA32_XSS, 0);
    check!("no bit is of XCR0 and of IA32_XSS", supported & read_supported() == 0);
}
