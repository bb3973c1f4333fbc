//! Segmentation and privilege: loads, limits, gates, tasks, branches.

pub(crate) mod columns;
mod compatibility_levels;
mod compatibility_model;
mod compatibility_returns;
mod long_gate_model;
mod model;
mod register_model;
pub(crate) mod reporting;
mod rows;
mod task_model;
mod virtual_8086_tasks;
mod walk;

pub(crate) mod boundaries;
mod branch_targets;
mod call_gate_parameters;
mod call_gate_stacks;
mod gate_flags;
mod limits;
mod long_gates;
mod long_rows;
mod overrides;
mod protected_branches;
mod protected_gates;
mod protected_loads;
mod protected_returns;
mod returns;
mod selectors;
mod system_registers;
mod task_state;
mod tasks;
mod user_mode_prevention;

// The models name the runtime by this, so that tests on the host can put their own in its place.
use rt as runtime;
