//! Hypervisor leaves and hypercalls.
