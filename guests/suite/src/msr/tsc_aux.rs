//! IA32_TSC_AUX.

use case::{Needs, Text};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        msr::{
            self,
            number::{IA32_TIME_STAMP_COUNTER, IA32_TSC_AUX},
        },
    },
    instruction, names, user, user_code,
};

user_code!(rdtscp_aux: "mov rcx, -1", "rdtscp", "mov rax, rcx", "ret");
user_code!(rdtscp_tsc: "rdtscp", "shl rdx, 32", "or rax, rdx", "ret");
user_code!(rdpid: "mov rax, -1", "rdpid rax", "ret");

const VALUES: [u32; 3] = [0, 0x1234_5678, 0xffff_ffff];
const NAMES: &[Text] = names!["0", "12345678", "FFFFFFFF"];

/// RDTSCP puts IA32_TSC_AUX into ECX and clears the upper half of RCX.
#[case(
    feature = MsrTsc,
    spec = [sdm2("RDTSCP—Read Time-Stamp Counter and Processor ID"), apm3("RDTSCP")],
    needs = Needs::RDTSCP,
)]
fn rdtscp_reads_tsc_aux() {
    for (row, value) in VALUES.into_iter().enumerate() {
        check_outcome!("WRMSR", [NAMES; row], msr::write(IA32_TSC_AUX, u64::from(value)), Outcome::COMPLETED);
        check_eq!("IA32_TSC_AUX", [NAMES; row], msr::read(IA32_TSC_AUX).unwrap_or(1 << 32), u64::from(value));
        check_eq!("RCX at CPL 3", [NAMES; row], user::call(rdtscp_aux, 0).unwrap_or(1 << 32), u64::from(value));
    }
    let mut rcx = u64::MAX;
    let result = instruction!("rdtscp", out("rax") _, out("rdx") _, inout("rcx") u64::MAX => rcx);
    check_outcome!("RDTSCP at CPL 0", result, Outcome::COMPLETED);
    check_eq!("RCX at CPL 0", rcx, 0xffff_ffff_u64);
}

/// RDTSCP reads the same counter as RDMSR.
#[case(
    feature = MsrTsc,
    spec = [sdm2("RDTSCP—Read Time-Stamp Counter and Processor ID"), apm3("RDTSCP")],
    needs = Needs::RDTSCP,
)]
fn rdtscp_reads_the_counter() {
    let first = msr::read(IA32_TIME_STAMP_COUNTER).unwrap_or(0);
    let second = user::call(rdtscp_tsc, 0).unwrap_or(0);
    let third = msr::read(IA32_TIME_STAMP_COUNTER).unwrap_or(0);
    check!("RDTSCP is later than RDMSR before it", second > first);
    check!("RDMSR is later than RDTSCP before it", third > second);
}

/// RDPID reads IA32_TSC_AUX.
#[case(feature = MsrTsc, spec = [sdm2("RDPID—Read Processor ID"), apm3("RDPID")], needs = Needs::RDPID)]
fn rdpid_reads_tsc_aux() {
    for (row, value) in VALUES.into_iter().enumerate() {
        check_outcome!("WRMSR", [NAMES; row], msr::write(IA32_TSC_AUX, u64::from(value)), Outcome::COMPLETED);
        check_eq!("RDPID at CPL 3", [NAMES; row], user::call(rdpid, 0).unwrap_or(1 << 32), u64::from(value));
    }
}

/// With CR4.TSD set, RDTSCP raises #GP(0) at CPL 3.
#[case(
    feature = MsrTsc,
    spec = [sdm2("RDTSCP—Read Time-Stamp Counter and Processor ID"), apm3("RDTSCP")],
    needs = Needs::RDTSCP,
)]
fn tsd_forbids_rdtscp_at_cpl_3() {
    check_outcome!("with TSD clear", user::call(rdtscp_tsc, 0), Outcome::COMPLETED);
    let set = With::cr4(cr4::TSD, 0);
    check_outcome!("with TSD set", user::call(rdtscp_tsc, 0), Outcome::GP);
    drop(set);
}

/// On Intel processors the upper half of IA32_TSC_AUX is reserved: writing it raises #GP(0).
#[case(feature = MsrTsc, spec = sdm4("Architectural MSRs"), needs = Needs::INTEL | Needs::RDTSCP)]
fn tsc_aux_upper_half() {
    for bit in [32_u32, 63] {
        check_outcome!("setting bit", [&[]; bit], msr::write(IA32_TSC_AUX, 1 << bit), Outcome::GP);
    }
    check_outcome!("32 bits", msr::write(IA32_TSC_AUX, 0xffff_ffff), Outcome::COMPLETED);
}
