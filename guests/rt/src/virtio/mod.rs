//! virtio as a driver sees it: devices by PCI and by MMIO, and queues, split and packed, in memory of the image.
//!
//! A driver here can break every rule: registers are written as they are told, and descriptors and indices one by one.
//! Nothing of it is restored: a virtual machine runs one case.
//!
//! Source: VIRTIO, chapters 2 to 4.

mod area;
mod change;
mod descriptor;
mod queue;
mod transport;
mod transport_pci;
mod used;

pub use area::{BUFFER_SIZE, NR_BUFFERS, buffer, fill};
pub use change::Change;
pub use descriptor::{Descriptor, Element, Layout, Used, descriptor_flag, packed_event, suppress};
pub use queue::{Queue, SIZE_MAX, SPLIT_SIZE_MAX};
pub use transport::{Transport, mmio_register};
pub use transport_pci::{DEVICE_BASE, PciTransport, Structure, StructureKind, VENDOR, common, structure, structures};

/// Ids of kinds of devices (chapter 5).
pub mod kind {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const NETWORK: u16 = 1;
    pub const BLOCK: u16 = 2;
    pub const CONSOLE: u16 = 3;
    pub const ENTROPY: u16 = 4;
    pub const BALLOON: u16 = 5;
    pub const SCSI: u16 = 8;
    pub const GPU: u16 = 16;
    pub const SOCKET: u16 = 19;
}

/// Bits of the device status field.
pub mod status {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const ACKNOWLEDGE: u8 = 1;
    pub const DRIVER: u8 = 2;
    pub const DRIVER_OK: u8 = 4;
    pub const FEATURES_OK: u8 = 8;
    pub const DEVICE_NEEDS_RESET: u8 = 64;
    pub const FAILED: u8 = 128;
}

/// Feature bits that belong to no kind of device (chapter 6).
pub mod feature {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const INDIRECT_DESC: u64 = 1 << 28;
    pub const EVENT_IDX: u64 = 1 << 29;
    pub const VERSION_1: u64 = 1 << 32;
    pub const ACCESS_PLATFORM: u64 = 1 << 33;
    pub const RING_PACKED: u64 = 1 << 34;
    pub const RING_RESET: u64 = 1 << 40;
}

/// No vector (VIRTIO_MSI_NO_VECTOR).
pub const NO_VECTOR: u16 = 0xffff;

/// How long a device may take for a request at most, in microseconds, unless others keep it from running. A
/// flush waits for the disk of a host that others use as well.
pub const PATIENCE_MICROS: u64 = 400_000;
