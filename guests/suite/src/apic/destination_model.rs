//! Which logical destinations of xAPIC mode include a processor. It compiles for the host too.
//!
//! Source: SDM vol. 3A, "Logical Destination Mode".

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
