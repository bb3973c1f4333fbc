//! The VMM wrong on purpose, one fault at a time: with it, whoever judges VMMs can be judged.
//!
//! A [`Fault`] is data. [`crate::VmConfig::fault`] gives it to a VM, and each place that could show it asks once whether there
//! is one. It never says what should notice it: that is the judge's affair.
//!
//! **Architecture Invariant**: without a fault a VM does what it would do without this module.

mod access;
mod clock;
mod event;
mod exit;
mod firmware;
mod interrupt;
mod making;
mod msr;
mod register;
mod saved;
mod vcpu;

pub use self::{
    access::{AccessEffect, AccessFault, Direction, Space},
    clock::{ClockFault, ClockOf, Skew},
    event::{EventEffect, EventFault},
    exit::{ExitFault, ExitKind},
    firmware::FirmwareFault,
    interrupt::{InjectionFault, LineEffect, LineFault, MessageEffect, MessageFault},
    making::{CpuidFault, CpuidRegister},
    msr::{MsrEffect, MsrFault},
    register::{Change, RegisterName},
    saved::SavedFault,
};
pub use ::platform::fault as model;
pub use ::virtio::fault as virtio;

pub(crate) use self::{
    access::BusFault,
    clock::Clocks,
    interrupt::Interference,
    making::{change_cpuid, change_entry},
    msr::take_msrs,
    vcpu::OfVcpu,
};

/// What is wrong with a VM.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// What CPUID tells.
    Cpuid(CpuidFault),
    /// What RDMSR reads and WRMSR writes.
    Msr(MsrFault),
    /// What accesses to devices read and write.
    Access(AccessFault),
    /// How time passes for a device.
    Clock(ClockFault),
    /// What an interrupt line does.
    Line(LineFault),
    /// What becomes of an interrupt message.
    Message(MessageFault),
    /// What becomes of an interrupt that a vCPU's thread hands over.
    Injection(InjectionFault),
    /// What the guest finds when an exception or interrupt has come.
    Event(EventFault),
    /// What has changed when the guest goes on after an exit.
    Exit(ExitFault),
    /// What is not as it should be at the entry.
    Entry(Change),
    /// What the firmware tables tell.
    Firmware(FirmwareFault),
    /// A rule of an interrupt controller or timer.
    Model(model::Fault),
    /// A rule of PCI functions and virtio devices.
    Virtio(virtio::Fault),
    /// What is lost when the VM is saved or migrated.
    Saved(SavedFault),
    /// Nothing, with all that stands ready for one of these: what such a VM gets wrong is no fault's doing.
    Idle(Idle),
}

/// Which machinery of faults runs for nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Idle {
    /// That of [`EventFault`].
    Event(u8),
    /// That of [`MsrFault`].
    Msr {
        /// The first register.
        first: u32,
        /// The last.
        last: u32,
    },
}

impl Fault {
    /// The same machinery without a fault, where that is not a VM like any other: a judge compares with it.
    pub fn idle(self) -> Option<Self> {
        match self {
            Self::Event(EventFault { vector, .. }) => Some(Self::Idle(Idle::Event(vector))),
            Self::Msr(MsrFault { first, last, effect: MsrEffect::ReadXor(_) | MsrEffect::Stale }) => {
                Some(Self::Idle(Idle::Msr { first, last }))
            }
            _ => None,
        }
    }
}
