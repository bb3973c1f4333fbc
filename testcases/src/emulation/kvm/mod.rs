//! Executors on KVM: one VM each, reused for every execution.
//!
//! The instruction runs natively (or as KVM pleases) at the addresses that [`iced_decoder::machine::window`] says. On a
//! flavour with a device the pages under test have no memory slot, so that KVM's emulator makes each access and asks for
//! it with KVM_EXIT_MMIO. On a forced one KVM's prefix stands before the instruction. Behind it stands an output to a
//! port, which leaves the guest without a change to any register, or INT3 where a processor keeps CPL 3 from the port;
//! exceptions go through the IDT to a handler that is one HLT. After an access to a device the rest of the instruction is
//! done by KVM_RUN with `immediate_exit`, which completes it without an entry of the guest.
//!
//! **Architecture Invariant**: page tables, descriptors and handlers never change after the first entry: a KVM with
//! shadow paging need not notice what its host edits.

mod batch;
mod device;
mod executor;
mod forced;
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
    /// CPL 3, pages under test are memory, and KVM's emulator executes behind its forced-emulation prefix.
    ForcedUser,
    /// CPL 0, pages under test are memory, and KVM's emulator executes behind its forced-emulation prefix.
    ForcedSupervisor,
}

/// What there is to know of a flavour.
struct Facts {
    name: &'static str,
    about: &'static str,
    mode: Mode,
    is_mmio: bool,
    is_forced: bool,
}

impl Flavour {
    /// Every flavour.
    pub const ALL: [Self; 6] = [
        Self::MmioUser,
        Self::MmioSupervisor,
        Self::MemoryUser,
        Self::MemorySupervisor,
        Self::ForcedUser,
        Self::ForcedSupervisor,
    ];

    const fn facts(self) -> Facts {
        let (name, about, mode, is_mmio, is_forced) = match self {
            Self::MmioUser => ("mmio-user", "CPL 3, with a device", Mode::User, true, false),
            Self::MmioSupervisor => ("mmio-supervisor", "CPL 0, with a device", Mode::Supervisor, true, false),
            Self::MemoryUser => ("memory-user", "CPL 3, with memory", Mode::User, false, false),
            Self::MemorySupervisor => ("memory-supervisor", "CPL 0, with memory", Mode::Supervisor, false, false),
            Self::ForcedUser => {
                ("forced-user", "CPL 3, with memory, emulated (kvm.force_emulation_prefix=1)", Mode::User, false, true)
            }
            Self::ForcedSupervisor => (
                "forced-supervisor",
                "CPL 0, with memory, emulated (kvm.force_emulation_prefix=1)",
                Mode::Supervisor,
                false,
                true,
            ),
        };
        Facts { name, about, mode, is_mmio, is_forced }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// What it is, in a few words for users.
    pub const fn about(self) -> &'static str {
        self.facts().about
    }

    /// The flavour with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flavour| flavour.name() == name)
    }

    /// Whether the pages under test are a device.
    pub const fn is_mmio(self) -> bool {
        self.facts().is_mmio
    }

    /// Whether KVM is made to emulate by its prefix.
    pub const fn is_forced(self) -> bool {
        self.facts().is_forced
    }

    /// Whether many inputs can be executed in one entry of the guest.
    const fn has_batches(self) -> bool {
        matches!(self, Self::MemoryUser)
    }

    /// The privilege that instructions are executed with.
    pub const fn mode(self) -> Mode {
        self.facts().mode
    }
}
