//! Hypervisor leaves and hypercalls.

mod answer_model;
mod clock;
mod kvm;
mod leaves;
mod modes;
mod privilege;
mod sweeps;
mod virtualization_off;
