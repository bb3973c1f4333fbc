//! VMX: the guest as a hypervisor of its own.

mod apic_accesses;
mod apic_commands;
mod apic_interrupts;
mod apic_model;
mod apic_msrs;
mod apic_page;
mod apic_posted;
mod apic_registers;
mod apic_task_priority;
mod bitmaps;
mod capabilities;
mod capability_model;
mod control_registers;
mod entry_controls;
mod entry_data_segment_rights;
mod entry_events;
mod entry_fuzz;
mod entry_host;
mod entry_msrs;
mod entry_random;
mod entry_registers;
mod entry_segment_limits;
mod entry_segment_rights;
mod entry_segments;
mod entry_segments_by_mode;
mod entry_state;
mod entry_walk;
mod ept_access;
mod ept_events;
mod ept_exceptions;
mod ept_flags;
mod ept_invalidation;
mod ept_log;
mod ept_misconfigurations;
mod ept_model;
mod ept_modes;
mod ept_permissions;
mod ept_pointers;
mod ept_walks;
mod events_frames;
mod events_gates;
mod events_injection;
mod events_model;
mod events_vectoring;
mod events_windows;
mod exceptions;
mod exit_control_bits;
mod exit_control_model;
mod exit_forms;
mod exit_information;
mod exit_model;
mod exit_msr_maps;
mod exit_priority;
#[expect(dead_code, reason = "read where exit reasons are listed, on the host")]
mod exit_reasons;
mod exit_registers;
mod exit_slots;
mod exit_strings;
mod exits;
mod failures;
mod field_model;
mod fields;
mod functions;
mod init_and_start_up;
mod instructions;
mod interrupt_exits;
mod later_instructions;
mod legality;
mod life_cycle;
mod msr_lists;
mod pause_loops;
mod pdptes;
mod preemption;
mod privilege_modes;
mod protected_mode;
mod shadowing;
mod sub_pages;
mod task_switches;
mod vpid;

use rt::{
    Outcome, check_outcome,
    vmx::{Enabled, Guest, control, field, reason},
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
