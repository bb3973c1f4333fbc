//! ACPI tables, as firmware or the loader left them: found, walked and summed, nothing more.
//!
//! Every read is bounded, whatever the tables say.
//!
//! Source: ACPI, "Root System Description Pointer (RSDP)", "System Description Table Header".

use crate::mmio;

/// Where the RSDP is searched for on a PC: 16-byte boundaries of this range.
pub const SEARCHED: core::ops::Range<u64> = 0xe_0000..0x10_0000;
/// Bytes of a table's header.
pub const HEADER_SIZE: u64 = 36;
/// The most bytes of a table that are looked at.
pub const TABLE_SIZE_MAX: u64 = 1 << 17;
/// The most tables of a root table that are looked at.
pub const NR_TABLES_MAX: usize = 64;

/// Four letters as they stand in memory.
pub const fn signature(letters: [u8; 4]) -> u32 {
    u32::from_le_bytes(letters)
}

/// "RSD PTR " as it stands in memory.
pub const ROOT_SIGNATURE: u64 = u64::from_le_bytes(*b"RSD PTR ");

/// Sum of the bytes of a range, modulo 256. At CPL 3 it is fast.
pub fn sum(address: u64, size: u64) -> u8 {
    let end = address.saturating_add(size.min(TABLE_SIZE_MAX));
    (address..end).fold(0_u8, |sum, address| sum.wrapping_add(mmio::read_u8(address)))
}

/// Searches the RSDP by its signature; `None` if it is not there.
pub fn search_root() -> Option<u64> {
    SEARCHED.step_by(16).find(|&address| mmio::read_u64(address) == ROOT_SIGNATURE)
}

/// The root system description pointer.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// Where it stands.
    pub address: u64,
    /// 0 of ACPI 1.0, 2 since.
    pub revision: u8,
    /// Bytes that it has: 20 of revision 0.
    pub size: u64,
    /// The table of 32-bit addresses; 0 if there is none.
    pub rsdt: u64,
    /// The table of 64-bit addresses; 0 if there is none.
    pub xsdt: u64,
}

impl Root {
    /// Reads it.
    pub fn read(address: u64) -> Self {
        let revision = mmio::read_u8(address + 15);
        let is_long = revision >= 2;
        Self {
            address,
            revision,
            size: if is_long { mmio::read_u32(address + 20).into() } else { 20 },
            rsdt: mmio::read_u32(address + 16).into(),
            xsdt: if is_long { mmio::read_u64(address + 24) } else { 0 },
        }
    }

    /// The addresses of the tables that it leads to, by the XSDT if there is one.
    pub fn tables(&self) -> impl Iterator<Item = u64> + use<> {
        let (root, entry_size) = if self.xsdt != 0 { (self.xsdt, 8) } else { (self.rsdt, 4) };
        let size = if root == 0 { 0 } else { Table(root).size() };
        let nr_tables = (size.saturating_sub(HEADER_SIZE) / entry_size).min(NR_TABLES_MAX as u64);
        (0..nr_tables).map(move |index| {
            let at = root + HEADER_SIZE + index * entry_size;
            // Entries of the XSDT lie on 4-byte boundaries.
            let low = u64::from(mmio::read_u32(at));
            if entry_size == 8 { low | u64::from(mmio::read_u32(at + 4)) << 32 } else { low }
        })
    }

    /// The first table with this signature.
    pub fn find(&self, wanted: u32) -> Option<Table> {
        self.tables().map(Table).find(|table| table.signature() == wanted)
    }
}

/// A table with a header.
#[derive(Clone, Copy, Debug)]
pub struct Table(pub u64);

impl Table {
    /// Its signature.
    pub fn signature(self) -> u32 {
        mmio::read_u32(self.0)
    }

    /// Bytes that it has, the header among them; no more than are looked at.
    pub fn size(self) -> u64 {
        u64::from(mmio::read_u32(self.0 + 4)).min(TABLE_SIZE_MAX)
    }

    /// 8 bits at an offset; 0 behind its end, as for all that a short revision does not have.
    pub fn read_u8(self, offset: u64) -> u8 {
        if offset < self.size() { mmio::read_u8(self.0 + offset) } else { 0 }
    }

    /// 16 bits at an offset.
    pub fn read_u16(self, offset: u64) -> u16 {
        u16::from(self.read_u8(offset)) | u16::from(self.read_u8(offset + 1)) << 8
    }

    /// 32 bits at an offset.
    pub fn read_u32(self, offset: u64) -> u32 {
        u32::from(self.read_u16(offset)) | u32::from(self.read_u16(offset + 2)) << 16
    }

    /// 64 bits at an offset.
    pub fn read_u64(self, offset: u64) -> u64 {
        u64::from(self.read_u32(offset)) | u64::from(self.read_u32(offset + 4)) << 32
    }

    /// The entries from `offset` on, each with its type and its size in its first two bytes: type and offset.
    pub fn entries(self, offset: u64) -> impl Iterator<Item = (u8, u64)> {
        let end = self.size();
        let mut next = offset;
        core::iter::from_fn(move || {
            let (kind, size) = (self.read_u8(next), u64::from(self.read_u8(next + 1)));
            let at = next;
            // An entry of no size would keep a case for ever.
            if at + 2 > end || size < 2 {
                return None;
            }
            next += size;
            Some((kind, at))
        })
    }
}
