//! The rate of a guest's time-stamp counter, as the guest reads it, against the host's clock.

use super::{Done, caps, case};
use crate::{
    Case, Trouble,
    check::Checks,
    machine::{Code, END, Irqchip, Machine, Vcpu},
    requests::*,
};
use case::Feature::InterfaceClocks as CLOCKS;
use iced_x86::code_asm::*;
use kvm_bindings::{KVM_CAP_TSC_CONTROL, KVM_EXIT_IO};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Between two readings. Their own time, a hundredth of it on a quiet host, only widens what is allowed.
const DISTANCE: Duration = Duration::from_millis(10);
/// How far the rate may be off, as one in so many.
const TOLERANCE: u64 = 100;
/// How often readings are made again that the host held up, so that they allow too much.
const NR_ATTEMPTS: u32 = 8;

const READS: Code = |code| {
    let mut again = code.create_label();
    code.set_label(&mut again)?;
    code.rdtsc()?;
    code.out(u32::from(END), al)?;
    code.jmp(again)
};

/// A value of the counter, and instants before and behind the reading.
fn reading(vcpu: &Vcpu<'_>) -> Result<(u64, Instant, Instant), Trouble> {
    let before = Instant::now();
    vcpu.run_to(KVM_EXIT_IO)?;
    let after = Instant::now();
    let regs = vcpu.regs()?;
    Ok((regs.rdx << 32 | regs.rax & 0xffff_ffff, before, after))
}

/// The counter's advance between two readings must be that of the rate.
fn check_rate(checks: &mut Checks, id: &str, vcpu: &Vcpu<'_>, khz: u64) -> Done {
    let ticks = |time: Duration| u64::try_from(time.as_nanos() * u128::from(khz) / 1_000_000).unwrap_or(u64::MAX);
    // The first entry sets what the others go by.
    reading(vcpu)?;
    for attempt in 1.. {
        let (first, begin, begun) = reading(vcpu)?;
        thread::sleep(DISTANCE);
        let (second, end, ended) = reading(vcpu)?;
        let (least, most) = (ticks(end - begun), ticks(ended - begin));
        let (least, most, advance) = (least - least / TOLERANCE, most + most / TOLERANCE, second.wrapping_sub(first));
        let is_known = most - least <= least / 10;
        if is_known || !(least..=most).contains(&advance) || attempt == NR_ATTEMPTS {
            checks.within(id, least, most, advance);
            break;
        }
    }
    Ok(())
}

/// At `numerator` / `denominator` of the rate that there is.
fn at(checks: &mut Checks, id: &str, (numerator, denominator): (u64, u64)) -> Done {
    let machine = Machine::new(Irqchip::None)?;
    let vcpu = machine.with_code(READS)?;
    let khz = vcpu.handle.order(GET_TSC_KHZ, 0)? * numerator / denominator;
    if vcpu.handle.order(SET_TSC_KHZ, khz).is_err() {
        let is_promised = machine.kvm.order(CHECK_EXTENSION, KVM_CAP_TSC_CONTROL.into())? != 0;
        return if is_promised {
            checks.is(format!("{id}: taken"), true, false);
            Ok(())
        } else {
            Err(Trouble::NotOffered("KVM_CAP_TSC_CONTROL"))
        };
    }
    check_rate(checks, id, &vcpu, khz)
}

pub(crate) const CASES: &[Case] = &[
    case(
        CLOCKS,
        "tsc_has_the_rate_that_is_read",
        "A guest's time-stamp counter has the rate that KVM_GET_TSC_KHZ tells, by 1 % of the host's clock.",
        "KVM_GET_TSC_KHZ",
        caps!(KVM_CAP_GET_TSC_KHZ),
        |checks| at(checks, "rate", (1, 1)),
    ),
    case(
        CLOCKS,
        "tsc_has_a_higher_rate_that_is_set",
        "A guest's time-stamp counter has a higher rate that KVM_SET_TSC_KHZ set, where that is taken, by 1 %.",
        "KVM_SET_TSC_KHZ",
        caps!(KVM_CAP_GET_TSC_KHZ),
        |checks| {
            at(checks, "5/4", (5, 4))?;
            at(checks, "2", (2, 1))
        },
    ),
    case(
        CLOCKS,
        "tsc_has_a_lower_rate_that_is_set",
        "A guest's time-stamp counter has a lower rate that KVM_SET_TSC_KHZ set, by 1 %.",
        "KVM_SET_TSC_KHZ",
        caps!(KVM_CAP_TSC_CONTROL, KVM_CAP_GET_TSC_KHZ),
        |checks| {
            at(checks, "1/2", (1, 2))?;
            at(checks, "4/5", (4, 5))
        },
    ),
];
