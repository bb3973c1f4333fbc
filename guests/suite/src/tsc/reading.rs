//! RDTSC, RDTSCP and RDPID, by processor and in order.

use crate::smp::PROCESSORS;
use case::Needs;
use rt::{
    Outcome, case, check, check_count, check_eq, check_outcome,
    cpu::{
        control::{With, cr4},
        msr::{self, number::IA32_TSC_AUX},
    },
    smp::{self, Processors},
    user, user_code,
};

user_code!(
    /// Reads by RDTSC, RDTSCP and RDTSC, RDI times; how often one was before the one before it.
    disorder: "xor r8d, r8d",
    "2:", "lfence", "rdtsc", "shl rdx, 32", "lea r9, [rax + rdx]", "lfence", "rdtscp", "shl rdx, 32", "lea r10, [rax + rdx]",
    "lfence", "rdtsc", "shl rdx, 32", "lea r11, [rax + rdx]",
    "cmp r9, r10", "jbe 3f", "inc r8", "3:", "cmp r10, r11", "jbe 4f", "inc r8", "4:", "dec rdi", "jnz 2b",
    "mov rax, r8", "ret"
);
user_code!(aux_by_rdtscp: "rdtscp", "mov rax, rcx", "ret");
user_code!(aux_by_rdpid: "rdpid rax", "ret");
user_code!(rdtsc: "rdtsc", "ret");

/// RDTSC and RDTSCP read one counter, in the order of the program.
#[case(
    feature = TscReading,
    spec = [sdm2("RDTSCP—Read Time-Stamp Counter and Processor ID"), sdm2("RDTSC—Read Time-Stamp Counter")],
    needs = Needs::RDTSCP,
)]
fn one_counter_in_program_order() {
    check_count!("readings before the one before", user::call(disorder, 20_000).unwrap_or(u64::MAX), 0);
}

fn own_value() -> u64 {
    0xa5a5_0000 + smp::index() as u64
}

fn write_own(_: u64) -> u64 {
    u64::from(msr::write(IA32_TSC_AUX, own_value()).is_ok())
}

/// Each processor's RDTSCP and RDPID tell what that processor's IA32_TSC_AUX holds.
#[case(
    feature = TscReading,
    spec = [sdm2("RDTSCP—Read Time-Stamp Counter and Processor ID"), apm3("RDTSCP")],
    needs = Needs::RDTSCP | Needs::LOCAL_APIC,
    vcpus = 4,
    time = 5,
)]
fn rdtscp_tells_the_processor() {
    on_each(aux_by_rdtscp_of);
}

/// Each processor's RDPID tells what that processor's IA32_TSC_AUX holds.
#[case(
    feature = TscReading,
    spec = [sdm2("RDPID—Read Processor ID"), apm3("RDPID")],
    needs = Needs::RDPID | Needs::RDTSCP | Needs::LOCAL_APIC,
    vcpus = 4,
    time = 5,
)]
fn rdpid_tells_the_processor() {
    on_each(aux_by_rdpid_of);
}

fn aux_by_rdtscp_of(_: u64) -> u64 {
    user::call(aux_by_rdtscp, 0).unwrap_or(0)
}

fn aux_by_rdpid_of(_: u64) -> u64 {
    user::call(aux_by_rdpid, 0).unwrap_or(0)
}

fn on_each(read: smp::Function) {
    let started = Processors::start(3);
    check!("three processors start", started.is_ok());
    let Ok(processors) = started else { return };
    for (index, result) in processors.on_all(write_own).into_iter().enumerate() {
        check_eq!("WRMSR", [PROCESSORS; index], result.unwrap_or(0), 1);
    }
    for (index, result) in processors.on_all(read).into_iter().enumerate() {
        check_eq!("IA32_TSC_AUX", [PROCESSORS; index], result.unwrap_or(0), 0xa5a5_0000 + index);
    }
}

fn with_tsd(_: u64) -> u64 {
    let _set = With::cr4(cr4::TSD, 0);
    Outcome::from(user::call(rdtsc, 0)).0
}

/// CR4.TSD forbids RDTSC at CPL 3 on the processor where it is set, and on no other.
#[case(
    feature = TscReading,
    spec = [sdm2("RDTSC—Read Time-Stamp Counter"), sdm3a("Control Registers")],
    needs = Needs::LOCAL_APIC,
    vcpus = 2,
    time = 5,
)]
fn tsd_belongs_to_a_processor() {
    let started = Processors::start(1);
    check!("a processor starts", started.is_ok());
    let Ok(processors) = started else { return };
    let set = With::cr4(cr4::TSD, 0);
    check_outcome!("here, set", user::call(rdtsc, 0), Outcome::GP);
    let there = processors.run_on(1, |_| Outcome::from(user::call(rdtsc, 0)).0, 0);
    check_outcome!("there, clear", there.map_or(Outcome(0), Outcome), Outcome::COMPLETED);
    drop(set);
    let there = processors.run_on(1, with_tsd, 0);
    check_outcome!("there, set", there.map_or(Outcome(0), Outcome), Outcome::GP);
    check_outcome!("here, clear", user::call(rdtsc, 0), Outcome::COMPLETED);
}
