//! VMX: the guest as a hypervisor of its own.

mod bitmaps;
mod capabilities;
mod capability_model;
mod control_registers;
mod ept_access;
mod ept_events;
mod ept_flags;
mod ept_invalidation;
mod ept_log;
mod ept_misconfigurations;
mod ept_model;
mod ept_modes;
mod ept_permissions;
mod ept_pointers;
mod ept_walks;
mod exceptions;
mod exit_model;
mod exits;
mod failures;
mod field_model;
mod fields;
mod instructions;
mod life_cycle;

use rt::{
    Outcome, check_outcome,
    vmx::{Enabled, Guest, field, reason},
};

/// Runs `body` in VMX root operation; where that cannot be entered, that is the case's failure.
fn with_vmx(body: impl FnOnce(&Enabled)) {
    match Enabled::new() {
        Ok(enabled) => body(&enabled),
        Err(outcome) => check_outcome!("VMX operation can be entered", outcome, Outcome::COMPLETED),
    }
}

/// Runs `body` with an L2 that starts at `function`; where there can be none, that is the case's failure.
fn with_guest(function: extern "C" fn(u64) -> u64, body: impl FnOnce(&mut Guest)) {
    with_vmx(|enabled| match Guest::new(enabled, function) {
        Ok(mut guest) => body(&mut guest),
        Err(outcome) => check_outcome!("a guest can be made", outcome, Outcome::COMPLETED),
    });
}
