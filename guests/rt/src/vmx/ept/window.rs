//! A window of guest-physical addresses whose every level belongs to the case: its first page alone is mapped.

use super::{Ept, PML4, bit, table};
use crate::{mmio, tables::Shared};

/// Guest-physical address of the window. It takes 40 bits.
pub const ADDRESS: u64 = 1 << 39;

const NR_TABLES: usize = 3;

static TABLES: Shared<[[u64; 512]; NR_TABLES]> = Shared::new([[0; 512]; NR_TABLES]);

fn own_table(index: usize) -> u64 {
    TABLES.0.get() as u64 + index as u64 * 4096
}

/// Addresses of the entries through which the window's first page is reached, the PML4's first.
fn places() -> [u64; 4] {
    [table(PML4) + 8, own_table(0), own_table(1), own_table(2)]
}

/// The entries that lead to this frame and allow everything, write-back, the PML4's first.
pub fn entries(frame: u64) -> [u64; 4] {
    [own_table(0), own_table(1), own_table(2), frame | bit::WRITE_BACK].map(|entry| entry | bit::ALL)
}

impl Ept {
    /// Writes the window's entries, and invalidates nothing.
    pub fn set_window(&self, entries: [u64; 4]) {
        for (at, entry) in places().into_iter().zip(entries) {
            mmio::write_u64(at, entry);
        }
    }

    /// Reads the window's entries.
    pub fn read_window(&self) -> [u64; 4] {
        places().map(mmio::read_u64)
    }

    /// Makes a second root in a page, which differs from the first in the window alone: that leads through three other pages to `entries[3]`. Returns
    /// its EPT pointer.
    pub fn second_root(&self, root: u64, tables: [u64; 3], entries: [u64; 4]) -> u64 {
        mmio::write_u64(root, mmio::read_u64(table(PML4)));
        mmio::write_u64(root + 8, tables[0] | bit::ALL);
        mmio::write_u64(tables[0], tables[1] | bit::ALL);
        mmio::write_u64(tables[1], tables[2] | bit::ALL);
        mmio::write_u64(tables[2], entries[3]);
        root | self.pointer() & 0xfff
    }
}
