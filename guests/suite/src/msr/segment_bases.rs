//! FS, GS and kernel GS base.

use super::NON_CANONICAL;
use case::{Needs, Text};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        msr::{
            self,
            number::{IA32_FS_BASE, IA32_GS_BASE, IA32_KERNEL_GS_BASE},
        },
    },
    instruction, names,
    tables::selector,
    user, user_code,
};

const BASES: [u32; 3] = [IA32_FS_BASE, IA32_GS_BASE, IA32_KERNEL_GS_BASE];
const BASE_NAMES: &[Text] = names!["FS", "GS", "kernel GS"];

/// The three base MSRs hold 64 bits of any canonical address, each its own.
#[case(
    feature = MsrSegmentBases,
    spec = [sdm4("Architectural MSRs"), apm2("FS and GS Registers in 64-Bit Mode")],
)]
fn canonical_bases_read_back() {
    const NAMES: &[Text] = names![
        "FS: 7FFFFFFFFFFF",
        "FS: FFFF800000000000",
        "FS: all ones",
        "FS: 12345678",
        "GS: 7FFFFFFFFFFF",
        "GS: FFFF800000000000",
        "GS: all ones",
        "GS: 12345678",
        "kernel GS: 7FFFFFFFFFFF",
        "kernel GS: FFFF800000000000",
        "kernel GS: all ones",
        "kernel GS: 12345678"
    ];
    for (register, number) in BASES.into_iter().enumerate() {
        let addresses = [0x7fff_ffff_ffff, 0xffff_8000_0000_0000, u64::MAX, 0x1234_5678];
        for (column, address) in addresses.into_iter().enumerate() {
            let row = register * addresses.len() + column;
            check_eq!("base", [NAMES; row], msr::try_write(number, address).unwrap_or(!address), address);
        }
    }
    for (row, value) in [0x1000_u64, 0x2000, 0x3000].into_iter().enumerate() {
        check_outcome!("WRMSR", [BASE_NAMES; row], msr::write(BASES[row], value), Outcome::COMPLETED);
    }
    for (row, value) in [0x1000_u64, 0x2000, 0x3000].into_iter().enumerate() {
        check_eq!("each its own", [BASE_NAMES; row], msr::read(BASES[row]).unwrap_or(0), value);
    }
}

/// Writing a non-canonical address into a base MSR raises #GP(0).
#[case(feature = MsrSegmentBases, spec = [sdm2("WRMSR—Write to Model Specific Register"), apm3("WRMSR")])]
fn non_canonical_bases() {
    const NAMES: &[Text] = names![
        "FS: bit 56 only",
        "FS: bit 63 only",
        "FS: all but bit 56",
        "FS: all but bit 63",
        "GS: bit 56 only",
        "GS: bit 63 only",
        "GS: all but bit 56",
        "GS: all but bit 63",
        "kernel GS: bit 56 only",
        "kernel GS: bit 63 only",
        "kernel GS: all but bit 56",
        "kernel GS: all but bit 63"
    ];
    for (register, number) in BASES.into_iter().enumerate() {
        for (column, address) in NON_CANONICAL.into_iter().enumerate() {
            let row = register * NON_CANONICAL.len() + column;
            check_outcome!("WRMSR", [NAMES; row], msr::write(number, address), Outcome::GP);
        }
        check_eq!("base afterwards", [BASE_NAMES; register], msr::read(number).unwrap_or(1), 0);
    }
}

user_code!(read_fs: "mov rax, fs:[rdi]", "ret");
user_code!(read_gs: "mov rax, gs:[rdi]", "ret");

static MARK: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];

/// An access through FS or GS adds the base that was written to the MSR, at CPL 0 and at CPL 3.
#[case(
    feature = MsrSegmentBases,
    spec = [sdm3a("Segment Loading Instructions in IA-32e Mode"), apm2("FS and GS Registers in 64-Bit Mode")],
)]
fn bases_are_added() {
    let address = MARK.as_ptr() as u64;
    // The sum wraps around: the base is negative.
    let base = address.wrapping_sub(0x4000_0000);
    check_outcome!("base of FS", msr::write(IA32_FS_BASE, base), Outcome::COMPLETED);
    check_outcome!("base of GS", msr::write(IA32_GS_BASE, base.wrapping_add(8)), Outcome::COMPLETED);
    let (mut fs, mut gs) = (0_u64, 0_u64);
    let result = instruction!("mov {0}, fs:[{1}]", out(reg) fs, in(reg) 0x4000_0000_u64);
    check_outcome!("FS at CPL 0", result, Outcome::COMPLETED);
    check_eq!("value through FS at CPL 0", fs, MARK[0]);
    let result = instruction!("mov {0}, gs:[{1}]", out(reg) gs, in(reg) 0x4000_0000_u64);
    check_outcome!("GS at CPL 0", result, Outcome::COMPLETED);
    check_eq!("value through GS at CPL 0", gs, MARK[1]);
    check_eq!("value through FS at CPL 3", user::call(read_fs, 0x4000_0000).unwrap_or(0), MARK[0]);
    check_eq!("value through GS at CPL 3", user::call(read_gs, 0x4000_0000).unwrap_or(0), MARK[1]);
}

/// Loading FS or GS with the selector of a data segment loads the base of its descriptor, all 64 bits of it.
#[case(
    feature = MsrSegmentBases,
    spec = [sdm3a("Segment Loading Instructions in IA-32e Mode"), apm2("FS and GS Registers in 64-Bit Mode")],
)]
fn loading_a_selector_loads_the_base() {
    for (row, number) in [IA32_FS_BASE, IA32_GS_BASE].into_iter().enumerate() {
        check_outcome!("WRMSR", [BASE_NAMES; row], msr::write(number, 0x1234_5678_9abc), Outcome::COMPLETED);
        let result = if number == IA32_FS_BASE {
            instruction!("mov fs, {0:e}", in(reg) u32::from(selector::KERNEL_DATA))
        } else {
            instruction!("mov gs, {0:e}", in(reg) u32::from(selector::KERNEL_DATA))
        };
        check_outcome!("MOV to the segment register", [BASE_NAMES; row], result, Outcome::COMPLETED);
        check_eq!("base afterwards", [BASE_NAMES; row], msr::read(number).unwrap_or(1), 0);
    }
}

user_code!(rdfsbase: "rdfsbase rax", "ret");
user_code!(rdgsbase: "rdgsbase rax", "ret");
user_code!(rdfsbase_32: "mov rax, -1", "rdfsbase eax", "ret");
user_code!(wrfsbase: "wrfsbase rdi", "xor eax, eax", "ret");
user_code!(wrgsbase: "wrgsbase rdi", "xor eax, eax", "ret");
user_code!(wrfsbase_32: "wrfsbase edi", "xor eax, eax", "ret");

/// RDFSBASE, RDGSBASE, WRFSBASE and WRGSBASE at CPL 3 read and write what the MSRs hold.
#[case(
    feature = MsrSegmentBases,
    spec = [
        sdm2("RDFSBASE/RDGSBASE—Read FS/GS Segment Base"),
        sdm2("WRFSBASE/WRGSBASE—Write FS/GS Segment Base"),
        apm3("WRFSBASE, WRGSBASE"),
    ],
    needs = Needs::FSGSBASE
)]
fn fsgsbase_instructions() {
    const VALUE: u64 = 0x1234_5678_9abc;
    let enabled = With::cr4(cr4::FSGSBASE, 0);
    check!("CR4.FSGSBASE can be set", enabled.is_ok());
    check_outcome!("WRMSR of FS", msr::write(IA32_FS_BASE, VALUE), Outcome::COMPLETED);
    check_outcome!("WRMSR of GS", msr::write(IA32_GS_BASE, !VALUE), Outcome::COMPLETED);
    check_eq!("RDFSBASE", user::call(rdfsbase, 0).unwrap_or(0), VALUE);
    check_eq!("RDGSBASE", user::call(rdgsbase, 0).unwrap_or(0), !VALUE);
    check_eq!("RDFSBASE of 32 bits", user::call(rdfsbase_32, 0).unwrap_or(0), VALUE & 0xffff_ffff);
    check_outcome!("WRFSBASE", user::call(wrfsbase, VALUE + 1), Outcome::COMPLETED);
    check_eq!("IA32_FS_BASE after it", msr::read(IA32_FS_BASE).unwrap_or(0), VALUE + 1);
    check_outcome!("WRGSBASE", user::call(wrgsbase, VALUE + 2), Outcome::COMPLETED);
    check_eq!("IA32_GS_BASE after it", msr::read(IA32_GS_BASE).unwrap_or(0), VALUE + 2);
    check_outcome!("WRFSBASE of 32 bits", user::call(wrfsbase_32, u64::MAX), Outcome::COMPLETED);
    check_eq!("IA32_FS_BASE after that", msr::read(IA32_FS_BASE).unwrap_or(0), 0xffff_ffff);
    drop(enabled);
}

/// WRFSBASE and WRGSBASE of a non-canonical address raise #GP(0) and change nothing.
#[case(
    feature = MsrSegmentBases,
    spec = [sdm2("WRFSBASE/WRGSBASE—Write FS/GS Segment Base"), apm3("WRFSBASE, WRGSBASE")],
    needs = Needs::FSGSBASE
)]
fn fsgsbase_of_non_canonical_addresses() {
    const NAMES: &[Text] = names!["bit 56 only", "bit 63 only", "all but bit 56", "all but bit 63"];
    let enabled = With::cr4(cr4::FSGSBASE, 0);
    check!("CR4.FSGSBASE can be set", enabled.is_ok());
    for (row, address) in NON_CANONICAL.into_iter().enumerate() {
        check_outcome!("WRFSBASE", [NAMES; row], user::call(wrfsbase, address), Outcome::GP);
        check_outcome!("WRGSBASE", [NAMES; row], user::call(wrgsbase, address), Outcome::GP);
    }
    check_eq!("IA32_FS_BASE", msr::read(IA32_FS_BASE).unwrap_or(1), 0);
    check_eq!("IA32_GS_BASE", msr::read(IA32_GS_BASE).unwrap_or(1), 0);
    drop(enabled);
}
