//! Segmentation and privilege: loads, limits, gates, tasks, branches.

mod model;
mod rows;
mod walk;

mod long_rows;
mod protected_branches;
mod protected_gates;
mod protected_loads;
mod protected_returns;
