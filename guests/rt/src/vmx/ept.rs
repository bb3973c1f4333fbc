//! Extended page tables, on pages of the image: 4 GiB mapped onto themselves, in pages of 2 MiB, some of them split.
//!
//! Source: SDM vol. 3C, "The Extended Page Table Mechanism (EPT)".

pub mod window;

use super::{Guest, control::secondary, field, instruction};
use crate::{Outcome, mmio, tables::Shared};

/// Bits of an entry.
#[expect(missing_docs, reason = "the manual's own names")]
pub mod bit {
    pub const READ: u64 = 1 << 0;
    pub const WRITE: u64 = 1 << 1;
    pub const EXECUTE: u64 = 1 << 2;
    /// All rights.
    pub const ALL: u64 = READ | WRITE | EXECUTE;
    pub const WRITE_BACK: u64 = 6 << 3;
    pub const IGNORE_PAT: u64 = 1 << 6;
    /// The entry maps a page.
    pub const LARGE: u64 = 1 << 7;
    pub const ACCESSED: u64 = 1 << 8;
    pub const DIRTY: u64 = 1 << 9;
    pub const USER_EXECUTE: u64 = 1 << 10;
    pub const SUPPRESS_EXCEPTION: u64 = 1 << 63;
}

/// Bits of the EPT pointer.
#[expect(missing_docs, reason = "the manual's own names")]
pub mod pointer {
    pub const WRITE_BACK: u64 = 6;
    /// Four levels: their number less one.
    pub const FOUR_LEVELS: u64 = 3 << 3;
    pub const ACCESSED_DIRTY: u64 = 1 << 6;
}

/// Pages of 4 KiB that [`Ept::split`] may make tables of.
const NR_SPLITS: usize = 4;
const NR_TABLES: usize = 6 + NR_SPLITS;
const PML4: usize = 0;
const PDPT: usize = 1;
const PD: usize = 2;
const SPLITS: usize = 6;

static TABLES: Shared<[[u64; 512]; NR_TABLES]> = Shared::new([[0; 512]; NR_TABLES]);

fn table(index: usize) -> u64 {
    TABLES.0.get() as u64 + index as u64 * 4096
}

/// The level of an entry: what the table is that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the manual's own names")]
pub enum Level {
    Pt,
    Pd,
    Pdpt,
    Pml4,
}

/// Tables that map the first 4 GiB onto themselves with all rights, write-back.
#[derive(Debug)]
pub struct Ept {
    nr_splits: usize,
}

impl Ept {
    /// Makes the tables; there is one set of them.
    pub fn new() -> Self {
        mmio::write_u64(table(PML4), table(PDPT) | bit::ALL);
        for gib in 0..4 {
            mmio::write_u64(table(PDPT) + gib * 8, table(PD + gib as usize) | bit::ALL);
            for index in 0..512 {
                let address = gib << 30 | index << 21;
                mmio::write_u64(
                    table(PD + gib as usize) + index * 8,
                    address | bit::ALL | bit::WRITE_BACK | bit::LARGE,
                );
            }
        }
        Self { nr_splits: 0 }
    }

    /// The EPT pointer.
    pub fn pointer(&self) -> u64 {
        table(PML4) | pointer::WRITE_BACK | pointer::FOUR_LEVELS
    }

    /// Makes a guest use them, until its [`Guest::reset`].
    pub fn attach(&self, guest: &mut Guest) {
        let _ = guest.set(field::EPT_POINTER, self.pointer());
        guest.activate(secondary::EPT);
    }

    /// Where the entry stands that a guest-physical address below 4 GiB uses at a level; 0 if there is none because the page
    /// of 2 MiB is not split.
    pub fn entry_address(&self, level: Level, address: u64) -> u64 {
        let pd = table(PD + (address >> 30 & 3) as usize) + (address >> 21 & 511) * 8;
        match level {
            Level::Pml4 => table(PML4) + (address >> 39 & 511) * 8,
            Level::Pdpt => table(PDPT) + (address >> 30 & 511) * 8,
            Level::Pd => pd,
            Level::Pt => match mmio::read_u64(pd) {
                entry if entry & bit::LARGE != 0 => 0,
                entry => (entry & crate::tables::page_bit::ADDRESS) + (address >> 12 & 511) * 8,
            },
        }
    }

    /// Maps the page of 2 MiB around an address in pages of 4 KiB, with the same rights. `None` behind four of them.
    pub fn split(&mut self, address: u64) -> Option<()> {
        let at = self.entry_address(Level::Pd, address);
        let entry = mmio::read_u64(at);
        if entry & bit::LARGE == 0 {
            return Some(());
        }
        if self.nr_splits == NR_SPLITS {
            return None;
        }
        let page_table = table(SPLITS + self.nr_splits);
        self.nr_splits += 1;
        for index in 0..512 {
            mmio::write_u64(page_table + index * 8, (entry & !bit::LARGE) + (index << 12));
        }
        mmio::write_u64(at, page_table | bit::ALL);
        Some(())
    }

    /// Reads an entry; 0 where there is none.
    pub fn read(&self, level: Level, address: u64) -> u64 {
        match self.entry_address(level, address) {
            0 => 0,
            at => mmio::read_u64(at),
        }
    }

    /// Writes an entry, and invalidates nothing. Without one nothing is written.
    pub fn write(&self, level: Level, address: u64, entry: u64) {
        match self.entry_address(level, address) {
            0 => {}
            at => mmio::write_u64(at, entry),
        }
    }

    /// Sets bits in every entry of the identity map, on all levels: flags, or a user's right to execute.
    pub fn set_everywhere(&self, bits: u64) {
        let own = (0..NR_TABLES).flat_map(|index| (0..512).map(move |entry| table(index) + entry * 8));
        for at in own {
            match mmio::read_u64(at) {
                0 => {}
                entry => mmio::write_u64(at, entry | bits),
            }
        }
    }

    /// Drops all cached translations of these tables (single-context INVEPT).
    pub fn invalidate(&self) -> Outcome {
        instruction::invalidate_ept(1, [self.pointer(), 0])
    }
}

impl Default for Ept {
    fn default() -> Self {
        Self::new()
    }
}
