//! Whom an interrupt is for.

use serde::{Deserialize, Serialize};

/// Whom an interrupt is for. Numbers are 32 bits wide, as in x2APIC mode; senders that have eight make one with
/// [`Destination::narrow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// The processor with this APIC ID; all ones is everybody.
    Physical(u32),
    /// The processors whose logical ID has one of these bits, in its cluster if there are clusters; all ones is everybody.
    Logical(u32),
}

impl Destination {
    /// All ones.
    pub const BROADCAST: u32 = u32::MAX;

    /// From eight bits, whose FFH means everybody in either mode of the receiver.
    pub const fn narrow(logical: bool, bits: u8) -> Self {
        let wide = if bits == u8::MAX { Self::BROADCAST } else { bits as u32 };
        if logical { Self::Logical(wide) } else { Self::Physical(wide) }
    }

    /// Whether it means a local APIC that is known by `identity`.
    pub const fn includes(self, identity: Identity) -> bool {
        match (self, identity) {
            (Self::Physical(Self::BROADCAST) | Self::Logical(Self::BROADCAST), _) => true,
            (Self::Physical(id), Identity::XApic { id: own, .. }) => id == own as u32,
            (Self::Physical(id), Identity::X2Apic { id: own }) => id == own,
            (Self::Logical(bits), Identity::XApic { logical_id, model: LogicalModel::Flat, .. }) => {
                bits <= 0xff && bits & logical_id as u32 != 0
            }
            (Self::Logical(bits), Identity::XApic { logical_id, model: LogicalModel::Cluster, .. }) => {
                bits >> 4 == (logical_id >> 4) as u32 && bits & logical_id as u32 & 0xf != 0
            }
            (Self::Logical(bits), Identity::X2Apic { id }) => {
                let own = x2apic_logical_id(id);
                bits >> 16 == own >> 16 && bits & own & 0xffff != 0
            }
        }
    }
}

/// How logical destinations of eight bits are read: DFR bits 31:28.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogicalModel {
    /// Each bit is a processor: 1111B.
    Flat,
    /// The high four bits are a cluster, each of the low four a processor in it: 0000B.
    Cluster,
}

/// What a local APIC is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// In xAPIC mode.
    XApic {
        /// APIC ID.
        id: u8,
        /// LDR bits 31:24.
        logical_id: u8,
        /// DFR bits 31:28.
        model: LogicalModel,
    },
    /// In x2APIC mode, where the logical ID follows from the other.
    X2Apic {
        /// APIC ID.
        id: u32,
    },
}

/// The logical ID in x2APIC mode: cluster in bits 31:16, one of bits 15:0 ("Deriving Logical x2APIC ID from the Local
/// x2APIC ID").
pub const fn x2apic_logical_id(id: u32) -> u32 {
    (id >> 4) << 16 | 1 << (id & 0xf)
}

/// Who of those addressed gets an interrupt by priority: the one with the lowest. `priorities` holds those of the
/// candidates, and nothing where somebody was not addressed or is disabled. Of several, the next after `last` is taken, so
/// that all get their share. Nothing without a candidate.
pub fn lowest_priority(priorities: &[Option<u8>], last: usize) -> Option<usize> {
    let count = priorities.len();
    let first = last.wrapping_add(1).checked_rem(count)?;
    (first..count)
        .chain(0..first)
        .filter_map(|index| Some((priorities[index]?, index)))
        .min_by_key(|found| found.0)
        .map(|found| found.1)
}
