//! Hypervisor leaves and hypercalls.

mod clock;
mod kvm;
mod leaves;
mod privilege;
mod sweeps;
mod virtualization_off;
