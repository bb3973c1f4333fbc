//! Page tables for excursions: 32-bit and PAE paging, by which the arena has the addresses that it has without.
//!
//! Sources: SDM vol. 3A, "32-Bit Paging", "PAE Paging".

use super::block::ARENA;
use crate::{mmio, paging::frame, tables::page_bit};

const RIGHTS: u64 = page_bit::P | page_bit::RW | page_bit::US;
/// Pages of the arena.
const NR_PAGES: u32 = 16;

/// A translation of 32-bit linear addresses, in frames of the case. The arena is mapped as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// What CR3 takes.
    pub cr3: u32,
    is_pae: bool,
    directory: u64,
    table: u64,
}

impl Tables {
    /// 32-bit paging in two frames: a directory, and the page table of the lowest 4 MiB.
    ///
    /// # Panics
    /// If the case has no such frames.
    pub fn bits_32(first_frame: usize) -> Self {
        let (directory, table) = (frame(first_frame), frame(first_frame + 1));
        let tables = Self { cr3: directory as u32, is_pae: false, directory, table };
        tables.write_directory(0, table | RIGHTS);
        tables.map_arena();
        tables
    }

    /// PAE paging in three frames: four PDPTEs, the directory of the lowest GiB, and the page table of the lowest 2 MiB.
    ///
    /// # Panics
    /// If the case has no such frames.
    pub fn pae(first_frame: usize) -> Self {
        let (pointers, directory, table) = (frame(first_frame), frame(first_frame + 1), frame(first_frame + 2));
        let tables = Self { cr3: pointers as u32, is_pae: true, directory, table };
        mmio::write_u64(pointers, directory | page_bit::P);
        for index in 1..4 {
            mmio::write_u64(pointers + index * 8, 0);
        }
        tables.write_directory(0, table | RIGHTS);
        tables.map_arena();
        tables
    }

    fn map_arena(&self) {
        for page in 0..NR_PAGES {
            let address = ARENA + page * 0x1000;
            self.write_table(address >> 12, u64::from(address) | RIGHTS);
        }
    }

    fn write(&self, table: u64, index: u32, entry: u64) {
        if self.is_pae {
            mmio::write_u64(table + u64::from(index) * 8, entry);
        } else {
            mmio::write_u32(table + u64::from(index) * 4, entry as u32);
        }
    }

    fn read(&self, table: u64, index: u32) -> u64 {
        if self.is_pae {
            mmio::read_u64(table + u64::from(index) * 8)
        } else {
            u64::from(mmio::read_u32(table + u64::from(index) * 4))
        }
    }

    /// Writes an entry of the directory: of 4 MiB each, or of 2 MiB with PAE.
    pub fn write_directory(&self, index: u32, entry: u64) {
        self.write(self.directory, index, entry);
    }

    /// Reads one.
    pub fn directory(&self, index: u32) -> u64 {
        self.read(self.directory, index)
    }

    /// Writes an entry of the page table of the lowest addresses.
    pub fn write_table(&self, index: u32, entry: u64) {
        self.write(self.table, index, entry);
    }

    /// Reads one.
    pub fn table(&self, index: u32) -> u64 {
        self.read(self.table, index)
    }

    /// Writes one of the four PDPTEs; nothing happens without PAE.
    pub fn write_pointer(&self, index: u32, entry: u64) {
        if self.is_pae {
            mmio::write_u64(u64::from(self.cr3) + u64::from(index) * 8, entry);
        }
    }
}
