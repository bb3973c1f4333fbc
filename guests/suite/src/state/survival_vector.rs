//! Registers keep what was written over everything that leaves the guest or CPL 3; see [`super::registers`].

use super::registers::{Event, Group, survive};
use rt::{case, vocabulary::Needs};

/// YMM registers keep every quadword of three patterns over a port that exits.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX, FMA, and Intel AVX2"),
       needs = Needs::AVX | Needs::XSAVE | Needs::COM1)]
fn ymm_over_port() {
    survive(Group::Ymm, Event::Port);
}

/// YMM registers keep every quadword of three patterns over a read of a device's page.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX, FMA, and Intel AVX2"),
       needs = Needs::AVX | Needs::XSAVE | Needs::TEST_DEVICE)]
fn ymm_over_mmio() {
    survive(Group::Ymm, Event::Mmio);
}

/// YMM registers keep every quadword of three patterns over CPUID.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX, FMA, and Intel AVX2"),
       needs = Needs::AVX | Needs::XSAVE)]
fn ymm_over_cpuid() {
    survive(Group::Ymm, Event::Cpuid);
}

/// YMM registers keep every quadword of three patterns over a hypercall.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX, FMA, and Intel AVX2"),
       needs = Needs::AVX | Needs::XSAVE | Needs::KVM)]
fn ymm_over_hypercall() {
    survive(Group::Ymm, Event::Hypercall);
}

/// YMM registers keep every quadword of three patterns over an exception.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX, FMA, and Intel AVX2"),
       needs = Needs::AVX | Needs::XSAVE)]
fn ymm_over_exception() {
    survive(Group::Ymm, Event::Exception);
}

/// YMM registers keep every quadword of three patterns over an interrupt.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX, FMA, and Intel AVX2"),
       needs = Needs::AVX | Needs::XSAVE | Needs::X2APIC)]
fn ymm_over_interrupt() {
    survive(Group::Ymm, Event::Interrupt);
}

/// ZMM and opmask registers keep every quadword of three patterns over a port that exits.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX-512"),
       needs = Needs::AVX512F | Needs::XSAVE | Needs::COM1)]
fn zmm_over_port() {
    survive(Group::Zmm, Event::Port);
}

/// ZMM and opmask registers keep every quadword of three patterns over a read of a device's page.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX-512"),
       needs = Needs::AVX512F | Needs::XSAVE | Needs::TEST_DEVICE)]
fn zmm_over_mmio() {
    survive(Group::Zmm, Event::Mmio);
}

/// ZMM and opmask registers keep every quadword of three patterns over CPUID.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX-512"),
       needs = Needs::AVX512F | Needs::XSAVE)]
fn zmm_over_cpuid() {
    survive(Group::Zmm, Event::Cpuid);
}

/// ZMM and opmask registers keep every quadword of three patterns over a hypercall.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX-512"),
       needs = Needs::AVX512F | Needs::XSAVE | Needs::KVM)]
fn zmm_over_hypercall() {
    survive(Group::Zmm, Event::Hypercall);
}

/// ZMM and opmask registers keep every quadword of three patterns over an exception.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX-512"),
       needs = Needs::AVX512F | Needs::XSAVE)]
fn zmm_over_exception() {
    survive(Group::Zmm, Event::Exception);
}

/// ZMM and opmask registers keep every quadword of three patterns over an interrupt.
#[case(feature = StateSse, spec = sdm1("Programming With Intel AVX-512"),
       needs = Needs::AVX512F | Needs::XSAVE | Needs::X2APIC)]
fn zmm_over_interrupt() {
    survive(Group::Zmm, Event::Interrupt);
}
