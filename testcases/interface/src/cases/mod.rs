//! The cases, by topic.

use crate::{Capability, Case, Trouble, check::Checks};
use case::{Feature, spec};
use std::panic::Location;

mod capabilities;
mod debug;
mod devices;
mod dirty;
mod events;
mod exits;
mod interrupts;
mod memory;
mod msrs;
mod rates;
mod state;

pub(crate) const TOPICS: &[&[Case]] = &[
    memory::CASES,
    dirty::CASES,
    events::CASES,
    interrupts::CASES,
    debug::CASES,
    exits::CASES,
    msrs::CASES,
    state::CASES,
    devices::CASES,
    rates::CASES,
    capabilities::CASES,
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
