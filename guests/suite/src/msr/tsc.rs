//! The time-stamp counter.

use case::{Needs, Text};
use rt::{
    Outcome, case, check, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        msr::{
            self,
            number::{IA32_TIME_STAMP_COUNTER, IA32_TSC_ADJUST},
        },
    },
    instruction, names, user, user_code,
};

user_code!(rdtsc: "rdtsc", "shl rdx, 32", "or rax, rdx", "ret");
user_code!(
    /// 1 if the upper halves of RAX and RDX are zero after RDTSC.
    rdtsc_upper: "mov rax, -1", "mov rdx, -1", "rdtsc", "or rax, rdx", "shr rax, 32", "setz al", "movzx eax, al", "ret"
);

fn read_tsc() -> u64 {
    let (mut low, mut high) = (0_u32, 0_u32);
    let result = instruction!("rdtsc", out("eax") low, out("edx") high);
    if result.is_err() {
        return 0;
    }
    u64::from(high) << 32 | u64::from(low)
}

/// A bound on what the counter may advance between two lines of a case: minutes, whatever the processor.
const SOON: u64 = 1 << 40;

/// RDTSC and RDMSR read one counter, and it never goes backwards.
#[case(feature = MsrTsc, spec = [sdm3b("Time-Stamp Counter"), apm3("RDTSC")])]
fn rdtsc_and_rdmsr_agree() {
    let mut previous = read_tsc();
    const NAMES: &[Text] = names!["RDMSR", "RDTSC", "RDTSC at CPL 3", "RDMSR again"];
    for row in 0..4 {
        let value = match row {
            0 | 3 => msr::read(IA32_TIME_STAMP_COUNTER).unwrap_or(0),
            1 => read_tsc(),
            _ => user::call(rdtsc, 0).unwrap_or(0),
        };
        check!("is later than the one before", [NAMES; row], value > previous);
        check!("is not much later", [NAMES; row], value.wrapping_sub(previous) < SOON);
        previous = value;
    }
}

/// RDTSC clears the upper halves of RAX and RDX.
#[case(feature = MsrTsc, spec = [sdm2("RDTSC—Read Time-Stamp Counter"), apm3("RDTSC")])]
fn rdtsc_clears_upper_halves() {
    check_eq!("at CPL 3", user::call(rdtsc_upper, 0).unwrap_or(0), 1);
    let (mut rax, mut rdx) = (u64::MAX, u64::MAX);
    let result = instruction!("rdtsc", inout("rax") u64::MAX => rax, inout("rdx") u64::MAX => rdx);
    check_outcome!("at CPL 0", result, Outcome::COMPLETED);
    check_eq!("RAX", rax >> 32, 0);
    check_eq!("RDX", rdx >> 32, 0);
}

/// The counter goes on from the value that WRMSR wrote.
#[case(feature = MsrTsc, spec = [sdm3b("Time-Stamp Counter"), apm2("Time-Stamp Counter")])]
fn writing_the_counter() {
    // Forwards by a lot, backwards to a small value, and to one with all 64 bits in use.
    const NAMES: &[Text] = names!["far ahead", "0", "bit 63"];
    for (row, value) in [1 << 60, 0, 1 << 63].into_iter().enumerate() {
        let result = msr::write(IA32_TIME_STAMP_COUNTER, value);
        check_outcome!("WRMSR", [NAMES; row], result, Outcome::COMPLETED);
        check!("RDTSC goes on from there", [NAMES; row], read_tsc().wrapping_sub(value) < SOON);
        let counter = msr::read(IA32_TIME_STAMP_COUNTER).unwrap_or(!value);
        check!("RDMSR goes on from there", [NAMES; row], counter.wrapping_sub(value) < SOON);
        let counter = user::call(rdtsc, 0).unwrap_or(!value);
        check!("RDTSC at CPL 3 goes on from there", [NAMES; row], counter.wrapping_sub(value) < SOON);
    }
}

/// With CR4.TSD set, RDTSC raises #GP(0) at CPL 3 and works at CPL 0.
#[case(feature = MsrTsc, spec = [sdm2("RDTSC—Read Time-Stamp Counter"), apm3("RDTSC")])]
fn tsd_forbids_rdtsc_at_cpl_3() {
    check_outcome!("at CPL 3 with TSD clear", user::call(rdtsc, 0), Outcome::COMPLETED);
    let set = With::cr4(cr4::TSD, 0);
    check_outcome!("at CPL 3 with TSD set", user::call(rdtsc, 0), Outcome::GP);
    let result = instruction!("rdtsc", out("eax") _, out("edx") _);
    check_outcome!("at CPL 0 with TSD set", result, Outcome::COMPLETED);
    drop(set);
    check_outcome!("at CPL 3 with TSD clear again", user::call(rdtsc, 0), Outcome::COMPLETED);
}

/// Writing IA32_TSC_ADJUST moves the counter by the difference.
#[case(feature = MsrTsc, spec = sdm3b("IA32_TSC_ADJUST Register Support"), needs = Needs::TSC_ADJUST)]
fn tsc_adjust_moves_the_counter() {
    let adjust = msr::read(IA32_TSC_ADJUST).unwrap_or(0);
    const NAMES: &[Text] = names!["forwards", "backwards"];
    const DELTA: u64 = 1 << 50;
    for (row, delta) in [DELTA, DELTA.wrapping_neg()].into_iter().enumerate() {
        let before = read_tsc();
        let value = msr::read(IA32_TSC_ADJUST).unwrap_or(0).wrapping_add(delta);
        check_outcome!("WRMSR", [NAMES; row], msr::write(IA32_TSC_ADJUST, value), Outcome::COMPLETED);
        check_eq!("IA32_TSC_ADJUST", [NAMES; row], msr::read(IA32_TSC_ADJUST).unwrap_or(!value), value);
        check!("counter", [NAMES; row], read_tsc().wrapping_sub(before.wrapping_add(delta)) < SOON);
    }
    check_eq!("IA32_TSC_ADJUST as before", msr::read(IA32_TSC_ADJUST).unwrap_or(!adjust), adjust);
}

/// Writing the counter changes IA32_TSC_ADJUST by the difference.
#[case(feature = MsrTsc, spec = sdm3b("IA32_TSC_ADJUST Register Support"), needs = Needs::TSC_ADJUST)]
fn writing_the_counter_changes_tsc_adjust() {
    const DELTA: u64 = 1 << 50;
    let adjust = msr::read(IA32_TSC_ADJUST).unwrap_or(0);
    let value = read_tsc().wrapping_add(DELTA);
    check_outcome!("WRMSR", msr::write(IA32_TIME_STAMP_COUNTER, value), Outcome::COMPLETED);
    let change = msr::read(IA32_TSC_ADJUST).unwrap_or(0).wrapping_sub(adjust);
    // The counter advanced between being read and being written.
    check!("changed by the difference", change <= DELTA && change > DELTA - SOON);
}
