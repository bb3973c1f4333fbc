//! Which logical destinations include a processor. It compiles for the host too.
//!
//! Source: SDM vol. 3A, "Logical Destination Mode", "Logical Destination Mode in x2APIC Mode".

/// The model that DFR selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logical {
    Flat,
    Cluster,
}

/// Whether a message with this destination is for the processor with this logical ID, neither of which may be 0.
///
/// Of clusters, FH in a destination "guarantees a match on all clusters"; other bits beside it are not claimed to.
pub(crate) const fn includes(model: Logical, id: u8, destination: u8) -> bool {
    match model {
        Logical::Flat => id & destination != 0,
        Logical::Cluster => {
            let is_for_cluster = destination == 0xff || id >> 4 == destination >> 4;
            is_for_cluster && id & destination & 0xf != 0
        }
    }
}

/// Whether a logical message of x2APIC mode is for the processor with this x2APIC ID. Its logical ID follows from that: a cluster
/// of 16 processors in bits 31:16, and a bit of its own in bits 15:0 ("Deriving Logical x2APIC ID from the Local x2APIC ID").
pub(crate) const fn includes_x2apic(id: u32, destination: u32) -> bool {
    destination == u32::MAX || id >> 4 == destination >> 16 && destination >> (id & 0xf) & 1 != 0
}
