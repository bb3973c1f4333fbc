//! Paging structures of a case's own: frames as tables, and any entry of the boot tables.

use super::invalidate;
use crate::{cpu::control, mmio};

/// Number of entries of a table.
pub const NR_ENTRIES: usize = 512;

/// Writes an entry of the table at this address, and invalidates nothing.
///
/// # Panics
/// If `index` is [`NR_ENTRIES`] or more.
pub fn write(table: u64, index: usize, entry: u64) {
    assert!(index < NR_ENTRIES, "a table has 512 entries");
    mmio::write_u64(table + index as u64 * 8, entry);
}

/// Reads an entry of the table at this address.
///
/// # Panics
/// If `index` is [`NR_ENTRIES`] or more.
pub fn read(table: u64, index: usize) -> u64 {
    assert!(index < NR_ENTRIES, "a table has 512 entries");
    mmio::read_u64(table + index as u64 * 8)
}

/// The linear address that these indices select, from the PML4 down: bits 63 to 48 repeat bit 47.
pub const fn linear_address(indices: [usize; 4], offset: u64) -> u64 {
    let address = (indices[0] as u64) << 39 | (indices[1] as u64) << 30 | (indices[2] as u64) << 21;
    let address = address | (indices[3] as u64) << 12 | offset;
    ((address << 16) as i64 >> 16) as u64
}

/// The same with five levels, from the PML5 down: bits 63 to 57 repeat bit 56.
pub const fn linear_address_5(indices: [usize; 5], offset: u64) -> u64 {
    let [pml5, pml4, pdpt, pd, pt] = indices;
    let low = linear_address([pml4, pdpt, pd, pt], offset) & 0xffff_ffff_ffff;
    ((((pml5 as u64) << 48 | low) << 7) as i64 >> 7) as u64
}

/// Writes CR3 with what it holds: drops every cached translation that is not global.
pub fn reload_cr3() {
    // Writing back what CR3 holds faults only on a subject that is broken already; the case's own checks tell that.
    let _ = control::write_cr3(control::read_cr3());
}

/// Writes an entry of the table at this address, and executes INVLPG for `address`.
pub fn write_and_invalidate(table: u64, index: usize, entry: u64, address: u64) {
    write(table, index, entry);
    invalidate(address);
}
