//! Patterns of redirection entries, and destinations. It compiles for the host too.
//!
//! Sources: 82093AA, "IOREDTBL[23:0]—I/O Redirection Table Registers"; SDM vol. 3A, "Determining IPI Destination".

/// The mask bit.
pub(crate) const MASKED: u32 = 1 << 16;

/// Patterns of the low half, to be masked: each bit by itself with what is legal, then fields that say something.
pub(crate) const LOW: &[u32] = &[
    0, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff, 0x100, 0x200, 0x400, 0x500, 0x700, 0x800, 0x2000, 0x8000,
    0x8855, 0x20aa, 0xa9fe,
];

/// The low half of a pin's entry in a pattern in which no two pins have the same.
pub(crate) const fn low_of(pin: u8) -> u32 {
    MASKED | (pin as u32) << 3 | ((pin & 1) as u32) << 15 | ((pin & 2) as u32) << 12
}

/// The high half of it.
pub(crate) const fn high_of(pin: u8) -> u32 {
    ((pin.wrapping_mul(37) ^ 0x5a) as u32) << 24
}

/// A destination, and how many interrupts reach the only processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination {
    pub(crate) logical: bool,
    /// DFR.
    pub(crate) format: u32,
    /// The logical ID.
    pub(crate) id: u8,
    /// The entry's; a physical one is relative to the processor's ID.
    pub(crate) destination: u8,
    pub(crate) expected: u32,
}

/// DFR of the flat model.
pub(crate) const FLAT: u32 = u32::MAX;
/// DFR of the cluster model.
pub(crate) const CLUSTER: u32 = 0x0fff_ffff;

const fn logical(format: u32, id: u8, destination: u8, expected: u32) -> Destination {
    Destination { logical: true, format, id, destination, expected }
}

const fn physical(destination: u8, expected: u32) -> Destination {
    Destination { logical: false, format: FLAT, id: 0, destination, expected }
}

/// Destinations to try.
pub(crate) const DESTINATIONS: &[Destination] = &[
    physical(0, 1),
    physical(1, 0),
    physical(0x80, 0),
    logical(FLAT, 0x01, 0x01, 1),
    logical(FLAT, 0x01, 0xfe, 0),
    logical(FLAT, 0x80, 0xc1, 1),
    logical(FLAT, 0x24, 0x04, 1),
    logical(FLAT, 0x24, 0xdb, 0),
    logical(CLUSTER, 0x24, 0x24, 1),
    logical(CLUSTER, 0x24, 0x26, 1),
    logical(CLUSTER, 0x24, 0x2b, 0),
    logical(CLUSTER, 0x24, 0x34, 0),
    logical(CLUSTER, 0x24, 0xff, 1),
];
