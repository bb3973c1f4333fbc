//! virtio devices as state machines over guest memory: rings, negotiation, transports, and the devices themselves.
//!
//! Nothing here knows of KVM, threads or interrupt controllers: a transport is told accesses and notifications, and says
//! afterwards which interrupts are due. Whatever a driver writes, a device neither panics nor blocks nor grows: what breaks
//! a rule that the device needs makes it ask for a reset.
//!
//! Source: OASIS, "Virtual I/O Device (VIRTIO) Version 1.3".

pub mod common;
pub mod device;
pub mod devices;
pub mod disk;
pub mod fault;
#[cfg(any(test, feature = "hostile"))]
pub mod hostile;
pub mod mmio;
pub mod pci;
mod readiness;
pub mod ring;
#[cfg(test)]
mod testing;

pub use common::{Common, Interrupts, QueueRegisters, Status};
pub use device::{DeviceKind, Io, VirtioDevice};
pub use fault::Fault;
pub use ring::{Chain, Ring, RingError};
pub use vm_state::DeviceStateError;

/// Memory of the VM, as drivers and devices share it.
pub type Memory = vm_memory::GuestMemoryMmap<()>;

bitflags::bitflags! {
    /// Feature bits that do not belong to one kind of device (§ 6 "Reserved Feature Bits").
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u64 {
        /// A descriptor may lead to a table of descriptors.
        const INDIRECT_DESC = 1 << 28;
        /// Each side says by which position it wants to be notified.
        const EVENT_IDX = 1 << 29;
        /// The device follows version 1 of the specification or a later one.
        const VERSION_1 = 1 << 32;
        /// Addresses are translated by the platform: here they are physical ones in any case.
        const ACCESS_PLATFORM = 1 << 33;
        /// Rings may be packed.
        const RING_PACKED = 1 << 34;
        /// Buffers are used in the order in which they were made available.
        const IN_ORDER = 1 << 35;
        /// Notifications carry the position.
        const NOTIFICATION_DATA = 1 << 38;
        /// A queue can be reset by itself.
        const RING_RESET = 1 << 40;
    }
}

impl Features {
    /// What each of these devices offers.
    pub const OFFERED: Self = Self::INDIRECT_DESC
        .union(Self::EVENT_IDX)
        .union(Self::VERSION_1)
        .union(Self::RING_PACKED)
        .union(Self::RING_RESET);
}
