//! CPUID.

mod basic;
