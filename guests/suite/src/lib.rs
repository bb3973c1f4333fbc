//! The cases, by area (folder) and topic (file).
//!
//! **Architecture invariant:** a case states a rule of a manual and would pass on correct hardware. It knows no
//! subject, holds no unsafe code but what the runtime's macros write, and waits for nothing without a bound.

#![no_std]

mod apic;
mod apic_timer;
mod boot;
mod clocks;
mod cover;
mod cpuid;
mod exceptions;
mod firmware;
mod fuzz;
mod hpet;
mod hypercall;
mod inputs;
mod ioapic;
mod kvmclock;
mod mmio;
mod modes;
mod msi;
mod msr;
mod nmi;
mod paging;
mod paravirtual;
mod pci;
mod pic;
mod pio;
mod pit;
mod pmtimer;
mod random;
mod rates;
mod ring3;
mod rtc;
mod segments;
mod smp;
mod state;
mod string;
mod svm;
mod syscall;
mod tsc;
mod virtio;
mod vmx;
