//! The MSRs of x2APIC mode, outside of that mode.

use rt::{
    Outcome, case, check, check_outcome,
    cpu::msr::{self, number::IA32_APIC_BASE},
};

/// First and last number of the range that belongs to the x2APIC.
const RANGE: core::ops::RangeInclusive<u32> = 0x800..=0x8ff;
const EXTD: u64 = 1 << 10;

/// Outside of x2APIC mode RDMSR of every MSR from 800H to 8FFH raises #GP(0).
#[case(
    feature = MsrTable,
    spec = [sdm3a("x2APIC Register Address Space"), apm2("x2APIC Register Address Space")],
)]
fn x2apic_reads_outside_of_x2apic_mode() {
    check!("x2APIC mode is off", msr::read(IA32_APIC_BASE).unwrap_or(0) & EXTD == 0);
    for number in RANGE {
        check_outcome!("RDMSR of 800H plus", [&[]; number - RANGE.start()], msr::read(number), Outcome::GP);
    }
}

/// Outside of x2APIC mode WRMSR to every MSR from 800H to 8FFH raises #GP(0).
#[case(
    feature = MsrTable,
    spec = [sdm3a("x2APIC Register Address Space"), apm2("x2APIC Register Address Space")],
)]
fn x2apic_writes_outside_of_x2apic_mode() {
    check!("x2APIC mode is off", msr::read(IA32_APIC_BASE).unwrap_or(0) & EXTD == 0);
    for number in RANGE {
        check_outcome!("WRMSR of 800H plus", [&[]; number - RANGE.start()], msr::write(number, 0), Outcome::GP);
    }
}
