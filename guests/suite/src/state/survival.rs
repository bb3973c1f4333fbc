//! Registers keep what was written over everything that leaves the guest or CPL 3; see [`super::registers`].

use super::registers::{Event, Group, survive};
use rt::{case, vocabulary::Needs};

/// x87 registers, control and status word keep every quadword of three patterns over a port that exits.
#[case(feature = StateX87, spec = sdm1("x87 FPU Data Registers"),
       needs = Needs::COM1)]
fn x87_over_port() {
    survive(Group::X87, Event::Port);
}

/// x87 registers, control and status word keep every quadword of three patterns over a read of a device's page.
#[case(feature = StateX87, spec = sdm1("x87 FPU Data Registers"),
       needs = Needs::TEST_DEVICE)]
fn x87_over_mmio() {
    survive(Group::X87, Event::Mmio);
}

/// x87 registers, control and status word keep every quadword of three patterns over CPUID.
#[case(feature = StateX87, spec = sdm1("x87 FPU Data Registers"))]
fn x87_over_cpuid() {
    survive(Group::X87, Event::Cpuid);
}

/// x87 registers, control and status word keep every quadword of three patterns over a hypercall.
#[case(feature = StateX87, spec = sdm1("x87 FPU Data Registers"),
       needs = Needs::KVM)]
fn x87_over_hypercall() {
    survive(Group::X87, Event::Hypercall);
}

/// x87 registers, control and status word keep every quadword of three patterns over an exception.
#[case(feature = StateX87, spec = sdm1("x87 FPU Data Registers"))]
fn x87_over_exception() {
    survive(Group::X87, Event::Exception);
}

/// x87 registers, control and status word keep every quadword of three patterns over an interrupt.
#[case(feature = StateX87, spec = sdm1("x87 FPU Data Registers"),
       needs = Needs::X2APIC)]
fn x87_over_interrupt() {
    survive(Group::X87, Event::Interrupt);
}

/// MMX registers keep every quadword of three patterns over a port that exits.
#[case(feature = StateX87, spec = sdm1("MMX Registers"),
       needs = Needs::COM1)]
fn mmx_over_port() {
    survive(Group::Mmx, Event::Port);
}

/// MMX registers keep every quadword of three patterns over a read of a device's page.
#[case(feature = StateX87, spec = sdm1("MMX Registers"),
       needs = Needs::TEST_DEVICE)]
fn mmx_over_mmio() {
    survive(Group::Mmx, Event::Mmio);
}

/// MMX registers keep every quadword of three patterns over CPUID.
#[case(feature = StateX87, spec = sdm1("MMX Registers"))]
fn mmx_over_cpuid() {
    survive(Group::Mmx, Event::Cpuid);
}

/// MMX registers keep every quadword of three patterns over a hypercall.
#[case(feature = StateX87, spec = sdm1("MMX Registers"),
       needs = Needs::KVM)]
fn mmx_over_hypercall() {
    survive(Group::Mmx, Event::Hypercall);
}

/// MMX registers keep every quadword of three patterns over an exception.
#[case(feature = StateX87, spec = sdm1("MMX Registers"))]
fn mmx_over_exception() {
    survive(Group::Mmx, Event::Exception);
}

/// MMX registers keep every quadword of three patterns over an interrupt.
#[case(feature = StateX87, spec = sdm1("MMX Registers"),
       needs = Needs::X2APIC)]
fn mmx_over_interrupt() {
    survive(Group::Mmx, Event::Interrupt);
}

/// XMM registers and MXCSR keep every quadword of three patterns over a port that exits.
#[case(feature = StateSse, spec = sdm1("XMM Registers"),
       needs = Needs::COM1)]
fn xmm_over_port() {
    survive(Group::Xmm, Event::Port);
}

/// XMM registers and MXCSR keep every quadword of three patterns over a read of a device's page.
#[case(feature = StateSse, spec = sdm1("XMM Registers"),
       needs = Needs::TEST_DEVICE)]
fn xmm_over_mmio() {
    survive(Group::Xmm, Event::Mmio);
}

/// XMM registers and MXCSR keep every quadword of three patterns over CPUID.
#[case(feature = StateSse, spec = sdm1("XMM Registers"))]
fn xmm_over_cpuid() {
    survive(Group::Xmm, Event::Cpuid);
}

/// XMM registers and MXCSR keep every quadword of three patterns over a hypercall.
#[case(feature = StateSse, spec = sdm1("XMM Registers"),
       needs = Needs::KVM)]
fn xmm_over_hypercall() {
    survive(Group::Xmm, Event::Hypercall);
}

/// XMM registers and MXCSR keep every quadword of three patterns over an exception.
#[case(feature = StateSse, spec = sdm1("XMM Registers"))]
fn xmm_over_exception() {
    survive(Group::Xmm, Event::Exception);
}

/// XMM registers and MXCSR keep every quadword of three patterns over an interrupt.
#[case(feature = StateSse, spec = sdm1("XMM Registers"),
       needs = Needs::X2APIC)]
fn xmm_over_interrupt() {
    survive(Group::Xmm, Event::Interrupt);
}
