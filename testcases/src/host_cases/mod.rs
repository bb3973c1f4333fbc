//! Cases that the host runs by itself: by looking at a virtual processor from outside, and by calling KVM.

pub(crate) mod interface;
mod reset;

use crate::{catalog::Case, chain::chain, emulation::garbled::Garbling, judge};
use case::{Feature, Needs, spec};
use reports::model::{self, Check, Verdict};
use reset::Row;
use std::{collections::HashMap, time::Instant};
use vmm::{Fields, FreshVcpu, Hypervisor, VmError};

/// The state before, where there was one, and the state that is judged.
type Observation = Result<(Option<Fields>, Fields), VmError>;

/// A case: what is done to the processor, and the table that it is compared with.
struct HostCase {
    name: &'static str,
    rule: &'static str,
    specs: &'static [spec::Spec],
    observe: fn(&Hypervisor) -> Observation,
    rows: fn() -> Vec<Row>,
}

const RESET: &[spec::Spec] =
    &[spec::sdm3a("Processor State After Reset"), spec::apm2("Processor Initialization State")];
const TIME: &[spec::Spec] = &[spec::sdm3a("Processor State After Reset"), spec::sdm3b("Time-Stamp Counter Adjustment")];
const APIC_RESET: &[spec::Spec] = &[spec::sdm3a("Local APIC State After Power-Up or Reset")];
const APIC_INIT: &[spec::Spec] = &[spec::sdm3a("Local APIC State After an INIT Reset (“Wait-for-SIPI” State)")];
const START_UP: &[spec::Spec] = &[spec::sdm3a("Multiple-Processor (MP) Initialization"), spec::apm2("Startup IPI")];

fn observe_reset(hypervisor: &Hypervisor) -> Observation {
    Ok((None, FreshVcpu::new(hypervisor)?.read()?))
}

fn observe_init(hypervisor: &Hypervisor) -> Observation {
    let vcpu = FreshVcpu::new(hypervisor)?;
    vcpu.disturb()?;
    let before = vcpu.read()?;
    vcpu.send_init()?;
    // The first read delivers it.
    vcpu.read()?;
    Ok((Some(before), vcpu.read()?))
}

/// CS, its base and RIP for each vector, in fields that are named by the vector.
fn observe_start_up(hypervisor: &Hypervisor) -> Observation {
    let mut fields = Fields::new();
    for vector in reset::START_UP_VECTORS {
        let vcpu = FreshVcpu::new(hypervisor)?;
        vcpu.send_start_up(vector)?;
        vcpu.read()?;
        let read = vcpu.read()?;
        for name in reset::START_UP_FIELDS {
            if let Some((_, value)) = read.iter().find(|(other, _)| other == name) {
                fields.push((format!("{name}, vector {vector:02X}H"), *value));
            }
        }
    }
    Ok((None, fields))
}

const CASES: &[HostCase] = &[
    HostCase {
        name: "processor_behind_reset",
        rule: "A processor that has not run holds the state after reset.",
        specs: RESET,
        observe: observe_reset,
        rows: reset::processor_behind_reset,
    },
    HostCase {
        name: "extended_state_behind_reset",
        rule: "x87, SSE and extended state of a processor that has not run is the state after reset.",
        specs: RESET,
        observe: observe_reset,
        rows: reset::extended_behind_reset,
    },
    HostCase {
        name: "time_stamp_counter_behind_reset",
        rule: "The time-stamp counter of a processor that has not run started from 0, with no adjustment.",
        specs: TIME,
        observe: observe_reset,
        rows: reset::time_behind_reset,
    },
    HostCase {
        name: "time_stamp_counter_behind_init",
        rule: "INIT leaves the time-stamp counter, its adjustment and IA32_TSC_AUX as they are.",
        specs: TIME,
        observe: observe_init,
        rows: reset::time_behind_init,
    },
    HostCase {
        name: "apic_behind_reset",
        rule: "The local APIC of a processor that has not run holds the state after reset.",
        specs: APIC_RESET,
        observe: observe_reset,
        rows: reset::apic,
    },
    HostCase {
        name: "processor_behind_init",
        rule: "INIT brings a processor into the state after INIT, whatever it held.",
        specs: RESET,
        observe: observe_init,
        rows: reset::processor_behind_init,
    },
    HostCase {
        name: "extended_state_behind_init",
        rule: "INIT leaves x87, SSE and extended state, memory types and other MSRs as they are.",
        specs: RESET,
        observe: observe_init,
        rows: reset::extended_behind_init,
    },
    HostCase {
        name: "apic_behind_init",
        rule: "INIT resets the local APIC.",
        specs: APIC_INIT,
        observe: observe_init,
        rows: reset::apic,
    },
    HostCase {
        name: "start_up_vectors",
        rule: "A start-up IPI lets a processor begin at the page that its vector names.",
        specs: START_UP,
        observe: observe_start_up,
        rows: reset::start_up,
    },
];

/// The cases, for the catalog.
pub fn all() -> Vec<Case> {
    let one = |case: &HostCase| {
        let name = (Feature::StateReset, case.name);
        let place = (module_path!(), file!(), line!());
        Case::of_host(name, case.rule.to_owned(), case.specs, Needs::PROCESSOR_STATE, place)
    };
    CASES.iter().map(one).chain(interface::all()).collect()
}

/// What a case sees wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A request of KVM's interface.
    Interface(::interface::Fault),
    /// A field of a processor's state has these bits inverted.
    Field(&'static str, u64),
    /// Each result of an emulated instruction, see [`emulation::cases`](crate::emulation::cases).
    Emulated(Garbling),
}

/// Runs a case, with something wrong if that is wanted.
pub fn run(case: &Case, hypervisor: &Hypervisor, wrong: Option<Wrong>) -> model::Case {
    let start = Instant::now();
    let (fault, field) = match wrong {
        Some(Wrong::Interface(fault)) => (Some(fault), None),
        Some(Wrong::Field(name, inverted)) => (None, Some((name, inverted))),
        Some(Wrong::Emulated(_)) | None => (None, None),
    };
    let mut result = interface::run(case, fault).unwrap_or_else(|| observe(case, hypervisor, field));
    result.duration_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    result
}

/// Looks at a processor, and compares what it sees.
fn observe(case: &Case, hypervisor: &Hypervisor, wrong: Option<(&str, u64)>) -> model::Case {
    let found = CASES.iter().find(|host_case| case.feature == Feature::StateReset && host_case.name == case.name);
    let Some(host_case) = found else {
        return judge::failed_to_run(case, "it is none of the host's cases");
    };
    match (host_case.observe)(hypervisor) {
        Ok((before, mut after)) => {
            for (name, value) in &mut after {
                *value ^= wrong.filter(|(wrong, _)| wrong == name).map_or(0, |(_, inverted)| inverted);
            }
            judge(case, &(host_case.rows)(), before.as_deref(), &after)
        }
        Err(error) => judge::failed_to_run(case, &chain(&error)),
    }
}

/// Makes a check of each row. A field that is not there is an error of the harness.
fn judge(case: &Case, rows: &[Row], before: Option<&[(String, u64)]>, after: &[(String, u64)]) -> model::Case {
    let by_name = |fields: &[(String, u64)]| fields.iter().cloned().collect::<HashMap<_, _>>();
    let (before, after) = (before.map(by_name).unwrap_or_default(), by_name(after));
    let signature = after.get("signature").copied().unwrap_or(0);
    let mut checks = Vec::new();
    for row in rows {
        let Some(&actual) = after.get(&row.field) else {
            if row.is_optional {
                continue;
            }
            return judge::failed_to_run(case, &format!("the field {} was not read", row.field));
        };
        let is_right = row.accepts(actual, before.get(&row.field).copied(), signature);
        checks.push(Check {
            id: row.id(),
            verdict: if is_right { Verdict::Pass } else { Verdict::Fail },
            expected: row.expected(before.get(&row.field).copied(), signature),
            actual: format!("{:#x}", actual & row.mask),
        });
    }
    of_checks(case, checks)
}

/// The verdict that checks lead to.
fn of_checks(case: &Case, checks: Vec<Check>) -> model::Case {
    let failing: Vec<_> = checks.iter().filter(|check| check.verdict == Verdict::Fail).collect();
    let reason = failing.first().map(|first| {
        let count = failing.len();
        format!(
            "{}: expected {}, but it is {}; {count} of {} checks fail",
            first.id,
            first.expected,
            first.actual,
            checks.len()
        )
    });
    let verdict = if reason.is_some() { Verdict::Fail } else { Verdict::Pass };
    model::Case { verdict, reason, checks, ..judge::failed_to_run(case, "") }
}

#[cfg(test)]
mod tests;
