//! MSI-X: a table of messages, a mask for each and for all, and pending bits.
//!
//! Source: PCI, "MSI-X Capability and Table Structure".

use super::{Bar, Function, capability};
use crate::{mmio, signals::Message};

/// Bits of message control.
pub mod control {
    /// Number of entries less one.
    pub const SIZE: u16 = 0x7ff;
    /// All vectors are masked.
    pub const FUNCTION_MASK: u16 = 1 << 14;
    /// MSI-X is used.
    pub const ENABLE: u16 = 1 << 15;
}

/// Offsets in an entry of the table.
pub mod entry {
    #![expect(missing_docs, reason = "the specification's own names")]
    pub const ADDRESS: u64 = 0;
    pub const UPPER_ADDRESS: u64 = 4;
    pub const DATA: u64 = 8;
    pub const VECTOR_CONTROL: u64 = 12;
    /// Size of an entry in bytes.
    pub const SIZE: u64 = 16;
}

/// MSI-X of a function whose memory is placed below 4 GiB and decoded.
#[derive(Clone, Copy, Debug)]
pub struct MsiX {
    function: Function,
    /// Offset of the capability.
    pub offset: u16,
    /// Address of the table.
    pub table: u64,
    /// Address of the pending bits.
    pub pending: u64,
}

impl MsiX {
    /// That of a function, if it has the capability.
    pub fn of(function: Function) -> Option<Self> {
        let offset = function.capability(capability::MSI_X)?;
        let address = |register: u32| {
            let index = (register & 7) as u8;
            let bar = Bar { function, index, kind: super::BarKind::Memory32, size: 0 };
            bar.address() + u64::from(register & !7)
        };
        let (table, pending) = (function.read_u32(offset + 4), function.read_u32(offset + 8));
        Some(Self { function, offset, table: address(table), pending: address(pending) })
    }

    /// Message control.
    pub fn control(&self) -> u16 {
        self.function.read_u16(self.offset + 2)
    }

    /// Writes message control.
    pub fn set_control(&self, bits: u16) {
        self.function.write_u16(self.offset + 2, bits);
    }

    /// How many vectors there are.
    pub fn nr_vectors(&self) -> u16 {
        (self.control() & control::SIZE) + 1
    }

    /// Address of a register of an entry.
    pub fn entry(&self, vector: u16, register: u64) -> u64 {
        self.table + u64::from(vector) * entry::SIZE + register
    }

    /// Writes an entry's message.
    pub fn set_message(&self, vector: u16, message: Message) {
        mmio::write_u32(self.entry(vector, entry::ADDRESS), message.address);
        mmio::write_u32(self.entry(vector, entry::UPPER_ADDRESS), 0);
        mmio::write_u32(self.entry(vector, entry::DATA), message.data);
    }

    /// Masks an entry or not.
    pub fn mask(&self, vector: u16, masked: bool) {
        mmio::write_u32(self.entry(vector, entry::VECTOR_CONTROL), masked.into());
    }

    /// Whether a vector's pending bit is set; for the first 32.
    pub fn is_pending(&self, vector: u16) -> bool {
        mmio::read_u32(self.pending) >> vector & 1 != 0
    }
}
