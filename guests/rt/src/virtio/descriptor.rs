//! Descriptors, and the words around them.
//!
//! Sources: VIRTIO, "The Virtqueue Descriptor Table", "Packed Virtqueues".

/// Layout of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Descriptor table, available ring, used ring.
    Split,
    /// One ring of descriptors, and two structures that suppress events.
    Packed,
}

/// Bits of a descriptor's flags.
pub mod descriptor_flag {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const NEXT: u16 = 1;
    pub const WRITE: u16 = 2;
    pub const INDIRECT: u16 = 4;
    /// Packed: available.
    pub const AVAILABLE: u16 = 1 << 7;
    /// Packed: used.
    pub const USED: u16 = 1 << 15;
}

/// Flags by which a driver wants no notifications: of a split ring's available ring, and of a packed ring's driver area.
pub mod suppress {
    /// VIRTQ_AVAIL_F_NO_INTERRUPT and RING_EVENT_FLAGS_DISABLE.
    pub const ALL: u16 = 1;
    /// RING_EVENT_FLAGS_DESC.
    pub const AT_DESCRIPTOR: u16 = 2;
}

/// The position of a packed ring as its event suppression structures have it.
pub const fn packed_event(index: u16, wrap: bool) -> u16 {
    index | (wrap as u16) << 15
}

/// A descriptor as it stands in memory; the last field is a split ring's next index and a packed ring's buffer id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// Physical address.
    pub address: u64,
    /// Size in bytes.
    pub size: u32,
    /// Flags.
    pub flags: u16,
    /// Next index, or id.
    pub next: u16,
}

/// A part of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Physical address.
    pub address: u64,
    /// Size in bytes.
    pub size: u32,
    /// The device writes it.
    pub writable: bool,
}

impl Element {
    /// One that the device writes.
    pub const fn written(address: u64, size: u32) -> Self {
        Self { address, size, writable: true }
    }

    /// One that the device reads.
    pub const fn read(address: u64, size: u32) -> Self {
        Self { address, size, writable: false }
    }

    /// Its flag.
    pub const fn flags(self) -> u16 {
        if self.writable { descriptor_flag::WRITE } else { 0 }
    }
}

/// A buffer that the device gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Index of its first descriptor, or its id.
    pub id: u32,
    /// Bytes that the device wrote.
    pub written: u32,
}
