//! Executors on KVM: one VM each, reused for every execution.
//!
//! The instruction runs natively (or as KVM pleases) at the addresses that [`iced_decoder::machine::window`] says. On a
//! flavour with a device the pages under test have no memory slot, so that KVM's emulator makes each access and asks for
//! it with KVM_EXIT_MMIO. Behind the instruction stands an output to a port, which leaves the guest without a change to
//! any register; exceptions go through the IDT to a handler that is one HLT. After an access to a device the rest of the
//! instruction is done by KVM_RUN with `immediate_exit`, which completes it without an entry of the guest.
//!
//! **Architecture Invariant**: page tables, descriptors and handlers never change after the first entry: a KVM with
//! shadow paging need not notice what its host edits.

mod batch;
mod device;
mod executor;
mod layout;
mod machine;
mod run;
mod state;
mod tables;
#[cfg(test)]
mod tests;

pub use executor::KvmExecutor;

use iced_decoder::machine::Mode;

/// How an executor on KVM executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// CPL 3, pages under test are memory.
    MemoryUser,
    /// CPL 3, pages under test are a device.
    MmioUser,
    /// CPL 0, pages under test are memory.
    MemorySupervisor,
    /// CPL 0, pages under test are a device.
    MmioSupervisor,
}

impl Flavour {
    /// Every flavour.
    pub const ALL: [Self; 4] = [Self::MemoryUser, Self::MmioUser, Self::MemorySupervisor, Self::MmioSupervisor];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MemoryUser => "memory-user",
            Self::MmioUser => "mmio-user",
            Self::MemorySupervisor => "memory-supervisor",
            Self::MmioSupervisor => "mmio-supervisor",
        }
    }

    /// The flavour with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flavour| flavour.name() == name)
    }

    /// Whether the pages under test are a device.
    pub const fn is_mmio(self) -> bool {
        matches!(self, Self::MmioUser | Self::MmioSupervisor)
    }

    /// Whether many inputs can be executed in one entry of the guest.
    const fn has_batches(self) -> bool {
        matches!(self, Self::MemoryUser)
    }

    /// The privilege that instructions are executed with.
    pub const fn mode(self) -> Mode {
        match self {
            Self::MemoryUser | Self::MmioUser => Mode::User,
            Self::MemorySupervisor | Self::MmioSupervisor => Mode::Supervisor,
        }
    }
}
