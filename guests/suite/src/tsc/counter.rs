//! The counter on one processor: it never goes backwards, and it has the rate that it is said to have.

use super::model::{follows, rate_is_possible};
use case::{Needs, Text};
use core::hint::black_box;
use rt::{
    case, check, check_count,
    clock::{self, Source, now},
    cpu::{
        cpuid,
        msr::{self, number::IA32_TIME_STAMP_COUNTER},
        port,
    },
    mmio, names, note, skip,
    smp::{
        self,
        apic::{self, Message, To},
    },
    trap::{self, TrapFrame},
    user, user_code,
};

user_code!(
    /// Reads the counter RDI times; how often it was before the reading before it.
    backwards: "xor r8d, r8d", "xor r9d, r9d",
    "2:", "rdtsc", "shl rdx, 32", "or rax, rdx", "cmp rax, r9", "jae 3f", "inc r8",
    "3:", "mov r9, rax", "dec rdi", "jnz 2b", "mov rax, r8", "ret"
);

/// Readings in a row at CPL 3 never go backwards.
#[case(feature = TscCounter, spec = [sdm3b("Time-Stamp Counter"), apm2("Time-Stamp Counter")])]
fn never_backwards_at_cpl_3() {
    check_count!("readings before the one before", user::call(backwards, 100_000).unwrap_or(u64::MAX), 0);
}

const VECTOR: u8 = 0x71;

fn ended(_: &mut TrapFrame) {
    apic::end_interrupt();
}

/// What happens between two readings.
const EXITS: &[Text] = names![
    "nothing",
    "CPUID",
    "a port",
    "a page that no device claims",
    "RDMSR",
    "CPL 3",
    "an exception",
    "HLT and an interrupt",
];

fn happen(row: usize) {
    match row {
        1 => drop(black_box(cpuid::read_leaf(0, 0))),
        2 => drop(black_box(port::read_u8(case::image::board::UNCLAIMED_PORT))),
        3 => drop(black_box(mmio::read_u32(case::image::board::UNCLAIMED_MMIO))),
        4 => drop(black_box(msr::read(IA32_TIME_STAMP_COUNTER))),
        5 => drop(black_box(user::call(backwards, 1))),
        6 => drop(black_box(rt::instruction!("ud2"))),
        7 => {
            // It waits until STI lets it in, so HLT ends whatever the order.
            apic::send(To::Own, Message::Fixed(VECTOR));
            smp::wait_for_interrupt();
        }
        _ => {}
    }
}

/// The counter goes on, and does not jump, over everything that may leave the guest.
#[case(
    feature = TscCounter,
    spec = [sdm3b("Time-Stamp Counter"), sdm3b("Invariant TSC")],
    needs = Needs::LOCAL_APIC | Needs::UNCLAIMED,
    irqchip = LocalApic,
    time = 2,
)]
fn no_jump_over_exits() {
    let _handling = trap::handle(VECTOR, ended);
    apic::enable();
    for (row, _) in EXITS.iter().enumerate() {
        for turn in 0..8 {
            let before = now();
            happen(row);
            let after = now();
            check!("goes on", [EXITS; row], before < after && follows(before, after));
            // Only the first of several readings can differ in kind.
            if row == 0 && turn != 0 {
                break;
            }
        }
    }
}

/// How long a measurement of the rate takes, in microseconds.
const MICROS: u64 = 4_000;

/// What three measurements leave possible.
fn measured_khz() -> Option<[(u64, u64); 3]> {
    let [first, second, third] = [(); 3].map(|()| clock::bound_by_pm_timer(MICROS));
    let measured = [first?, second?, third?];
    note!("least rate in kHz", measured[0].0.max(measured[1].0).max(measured[2].0));
    note!("greatest rate in kHz", measured[0].1.min(measured[1].1).min(measured[2].1));
    Some(measured)
}

/// The counter has the rate that CPUID leaf 15H tells, measured against the ACPI timer.
#[case(
    feature = TscCounter,
    spec = [sdm2("CPUID—CPU Identification"), sdm3b("Determining the Processor Base Frequency")],
    needs = Needs::PM_TIMER,
    irqchip = LocalApic,
    time = 4,
)]
fn rate_of_leaf_15h() {
    let Some(told) = clock::read_cpuid_khz() else {
        skip!("CPUID leaf 15H leaves the rate open");
        return;
    };
    let measured = measured_khz();
    check!("the ACPI timer counts", measured.is_some());
    check!("within a hundredth", measured.is_some_and(|measured| rate_is_possible(told, &measured)));
}

/// The counter has the rate that the hypervisor's leaf 40000010H tells, measured against the ACPI timer.
#[case(
    feature = TscCounter,
    spec = kvm("KVM CPUID bits"),
    needs = Needs::PM_TIMER | Needs::HYPERVISOR,
    irqchip = LocalApic,
    time = 4,
)]
fn rate_of_leaf_40000010h() {
    let Some(told) = clock::read_hypervisor_khz() else {
        skip!("there is no leaf 40000010H");
        return;
    };
    let measured = measured_khz();
    check!("the ACPI timer counts", measured.is_some());
    check!("within a hundredth", measured.is_some_and(|measured| rate_is_possible(told, &measured)));
}

/// The counter has the rate that the host tells, measured against the ACPI timer.
#[case(
    feature = TscCounter,
    spec = [sdm3b("Invariant TSC"), acpi("Power Management Timer")],
    needs = Needs::PM_TIMER | Needs::INVARIANT_TSC,
    irqchip = LocalApic,
    time = 4,
)]
fn rate_of_the_host() {
    let (told, source) = clock::rate();
    if source != Source::CommandLine {
        skip!("the host does not tell the rate");
        return;
    }
    let measured = measured_khz();
    check!("the ACPI timer counts", measured.is_some());
    check!("within a hundredth", measured.is_some_and(|measured| rate_is_possible(told, &measured)));
}
