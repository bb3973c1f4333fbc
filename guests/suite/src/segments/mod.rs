//! Segmentation and privilege: loads, limits, gates, tasks, branches.

mod model;
mod rows;
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
