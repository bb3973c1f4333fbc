//! State that gets lost when a VM is saved or migrated.

/// What is not in the state of a VM that is saved: it has the value of a vCPU that is new, and memory that of before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedFault {
    /// XMM registers.
    Extended,
    /// Debug registers.
    Debug,
    /// An MSR.
    Msr(u32),
    /// The local APIC's task priority, where KVM has local APICs.
    TaskPriority,
    /// That NMIs are blocked.
    NmiBlocking,
    /// Each second page that was written since the last time, when a VM is migrated.
    DirtyPages,
}
