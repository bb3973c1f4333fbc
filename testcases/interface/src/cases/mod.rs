//! The cases, by topic.

use crate::{Capability, Case, Trouble, check::Checks};
use case::{Feature, spec};
use std::panic::Location;

mod capabilities;
mod coalesced;
mod debug;
mod devices;
mod dirty;
mod dirty_ring;
mod eois;
mod events;
mod exits;
mod hyperv;
mod injection;
mod interrupts;
mod irqfd;
mod memory;
mod memory_limits;
mod msr_filter;
mod msrs;
mod private_memory;
mod rates;
mod registers;
mod returns;
mod routing;
mod state;
mod vcpu_events;
mod vcpu_state;

pub(crate) const TOPICS: &[&[Case]] = &[
    memory::CASES,
    memory_limits::CASES,
    private_memory::CASES,
    dirty::CASES,
    dirty_ring::CASES,
    events::CASES,
    coalesced::CASES,
    interrupts::CASES,
    irqfd::CASES,
    routing::CASES,
    eois::CASES,
    debug::CASES,
    injection::CASES,
    exits::CASES,
    returns::CASES,
    msrs::CASES,
    msr_filter::CASES,
    state::CASES,
    vcpu_events::CASES,
    vcpu_state::CASES,
    registers::CASES,
    devices::CASES,
    rates::CASES,
    capabilities::CASES,
    hyperv::CASES,
];

/// What a case does.
type Run = fn(&mut Checks) -> Result<(), Trouble>;

type Done = Result<(), Trouble>;

#[track_caller]
const fn case(
    feature: Feature,
    name: &'static str,
    rule: &'static str,
    title: &'static str,
    needs: &'static [Capability],
    run: Run,
) -> Case {
    let place = Location::caller();
    Case { name, feature, rule, spec: spec::kvm(title), needs, file: place.file(), line: place.line(), run }
}

/// Capabilities by their names.
macro_rules! caps {
    ($($name:ident),*) => {
        &[$(crate::Capability { number: kvm_bindings::$name, name: stringify!($name) }),*]
    };
}
use caps;
