//! What a local APIC is put through besides accesses to its page: MSRs, interrupts from others, pins, another counter.

use crate::{
    local_apic::{
        Config, DEFAULT_ADDRESS, LocalApic, MSR_APIC_BASE, MSR_TSC_DEADLINE, MSR_X2APIC_FIRST, TimeStampCounter,
    },
    message::{DeliveryMode, Trigger},
    model::Model,
    time::Nanoseconds,
};

/// The most time between two steps.
const PASS_MAX: Nanoseconds = 1_000_000;
/// Offset of the spurious-interrupt vector register, and the value that enables.
const SPURIOUS: (u64, u64) = (0xf0, 0x1ff);
/// Bits of IA32_APIC_BASE that choose the mode.
const MODE_SHIFT: u32 = 10;
/// More requests and outputs than may wait.
const OUTPUTS: usize = 5;

/// One thing that happens to a local APIC.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "hostile", derive(arbitrary::Arbitrary))]
pub struct Step {
    /// What happens, taken modulo the number of things.
    pub what: u8,
    /// Which register, vector or pin.
    pub number: u8,
    /// A value.
    pub value: u64,
    /// How much time has passed since the step before.
    pub time: u32,
}

/// A local APIC that has all there is, enabled in xAPIC mode.
pub fn enabled() -> LocalApic {
    const GIGAHERTZ: u64 = 1_000_000_000;
    let mut apic = LocalApic::new(Config {
        id: 2,
        bootstrap: true,
        x2apic: true,
        tsc_deadline: true,
        eoi_suppression: true,
        cmci: true,
        timer_frequency: GIGAHERTZ,
        tsc: TimeStampCounter { frequency: GIGAHERTZ, offset: 0 },
        physical_address_bits: 40,
    });
    apic.write(0, SPURIOUS.0, 4, SPURIOUS.1);
    apic
}

/// Does the steps, and accepts every interrupt that is due after each.
///
/// # Panics
/// If what is refused changes something, an interrupt of a vector below 16 is due, the priority of the processor is below
/// what is in service, or more outputs wait than may.
pub fn survive(steps: &[Step]) {
    let mut apic = enabled();
    let mut now = 0;
    for step in steps {
        now += Nanoseconds::from(step.time) % PASS_MAX;
        one(&mut apic, step, now);
        apic = super::restored(&apic);
        if let Some(vector) = apic.highest_pending() {
            assert!(vector >= 16, "vector {vector} is due");
            apic.accept(vector);
            assert!(apic.processor_priority() >= vector & 0xf0, "vector {vector} is in service");
        }
        let nr_outputs = std::iter::from_fn(|| apic.take()).take(OUTPUTS).count();
        assert!(nr_outputs <= 2, "{nr_outputs} outputs");
        let nr_requests = std::iter::from_fn(|| apic.take_request()).take(OUTPUTS).count();
        assert!(nr_requests < OUTPUTS, "requests have no end");
    }
}

fn one(apic: &mut LocalApic, step: &Step, now: Nanoseconds) {
    let Step { what, number, value, .. } = *step;
    let msr = match number % 8 {
        0 => MSR_APIC_BASE,
        1 => MSR_TSC_DEADLINE,
        _ => MSR_X2APIC_FIRST + u32::from(number % 0x41),
    };
    match what % 7 {
        0 => {
            apic.advance(now);
            let advanced = apic.clone();
            let refused = apic.write_msr(now, msr, value).is_err();
            assert!(!refused || *apic == advanced, "what is refused changes nothing");
        }
        // Refused or not: `0` looks at that.
        1 => drop(apic.read_msr(now, msr)),
        2 => drop(apic.write_msr(now, MSR_APIC_BASE, DEFAULT_ADDRESS | (value & 3) << MODE_SHIFT)),
        3 => {
            let delivery = DeliveryMode::from_bits(value as u32).unwrap_or(DeliveryMode::Fixed);
            let trigger = if value & 0x100 == 0 { Trigger::Edge } else { Trigger::Level };
            apic.deliver(now, delivery, number, trigger);
        }
        4 => apic.set_pin(now, number % 3, value & 1 == 1),
        5 => apic.write(now, u64::from(number) * 16, 4, value),
        _ => apic.set_tsc_offset(now, value),
    }
}
