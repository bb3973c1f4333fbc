//! Nested page tables: an identity map of 4 GiB, whose pages can be split, and a window whose every level belongs to the case.

use super::{
    Guest, address,
    field::{NESTED_CR3, NESTED_PAGING, TLB_CONTROL},
};
use crate::{
    mmio,
    tables::{Shared, page_bit},
};

/// Number of large pages of the identity map that can be split.
const NR_SPLITS: usize = 4;

static PML4: Shared<[u64; 512]> = Shared::new([0; 512]);
static PDPT: Shared<[u64; 512]> = Shared::new([0; 512]);
static PD: Shared<[u64; 4 * 512]> = Shared::new([0; 4 * 512]);
static SPLITS: Shared<[u64; NR_SPLITS * 512]> = Shared::new([0; NR_SPLITS * 512]);
static WINDOW_PDPT: Shared<[u64; 512]> = Shared::new([0; 512]);
static WINDOW_PD: Shared<[u64; 512]> = Shared::new([0; 512]);
static WINDOW_PT: Shared<[u64; 512]> = Shared::new([0; 512]);

/// Guest-physical address of the window. It takes 40 bits.
pub const WINDOW: u64 = 1 << 39;
/// What every level allows if nothing is forbidden.
pub const ALL: u64 = page_bit::P | page_bit::RW | page_bit::US;
/// Bit of `TLB_CONTROL`: all translations are dropped.
pub const FLUSH_ALL: u8 = 1;

/// Nested page tables; one set at a time.
#[derive(Debug)]
pub struct Tables {
    nr_splits: usize,
}

impl Tables {
    /// The identity map, and a window that maps its first page to `frame`, all with every right.
    pub fn new(frame: u64) -> Self {
        for page in 0..4 * 512_u64 {
            mmio::write_u64(address(&PD) + page * 8, page << 21 | ALL | page_bit::PS);
        }
        for directory in 0..4_u64 {
            mmio::write_u64(address(&PDPT) + directory * 8, (address(&PD) + directory * 4096) | ALL);
        }
        mmio::write_u64(address(&PML4), address(&PDPT) | ALL);
        let tables = Self { nr_splits: 0 };
        tables.set_window(Self::window(frame));
        tables
    }

    /// The entries of the window, the PML4's first, that allow everything.
    pub fn window(frame: u64) -> [u64; 4] {
        [address(&WINDOW_PDPT) | ALL, address(&WINDOW_PD) | ALL, address(&WINDOW_PT) | ALL, frame | ALL]
    }

    /// Writes the entries through which the window's first page is reached.
    pub fn set_window(&self, entries: [u64; 4]) {
        for (at, entry) in Self::places().into_iter().zip(entries) {
            mmio::write_u64(at, entry);
        }
    }

    /// Reads them.
    pub fn read_window(&self) -> [u64; 4] {
        Self::places().map(mmio::read_u64)
    }

    fn places() -> [u64; 4] {
        [address(&PML4) + 8, address(&WINDOW_PDPT), address(&WINDOW_PD), address(&WINDOW_PT)]
    }

    /// Address of the entry that maps this page of 4 KiB below 4 GiB onto itself; its large page is split first.
    ///
    /// # Panics
    /// If more than four large pages would be split.
    pub fn entry_of(&mut self, page: u64) -> u64 {
        let large = address(&PD) + (page >> 21) * 8;
        let entry = mmio::read_u64(large);
        let table = if entry & page_bit::PS == 0 {
            entry & !0xfff
        } else {
            assert!(self.nr_splits < NR_SPLITS, "no table is left");
            let table = address(&SPLITS) + self.nr_splits as u64 * 4096;
            self.nr_splits += 1;
            for index in 0..512_u64 {
                mmio::write_u64(table + index * 8, ((page >> 21 << 21) + index * 4096) | ALL);
            }
            mmio::write_u64(large, table | ALL);
            table
        };
        table + (page >> 12 & 511) * 8
    }

    /// Clears the given bits in the entry of a page, and returns what undoes it: address and former entry.
    pub fn forbid(&mut self, page: u64, bits: u64) -> (u64, u64) {
        let at = self.entry_of(page);
        let entry = mmio::read_u64(at);
        mmio::write_u64(at, entry & !bits);
        (at, entry)
    }

    /// Lets L2's physical addresses be translated by these tables, with nothing cached.
    pub fn attach(&self, guest: &Guest) {
        guest.write_u64(NESTED_PAGING, guest.read_u64(NESTED_PAGING) | 1);
        guest.write_u64(NESTED_CR3, address(&PML4));
        guest.write_u8(TLB_CONTROL, FLUSH_ALL);
    }
}

/// Address of the root, for cases about nested CR3.
pub fn root() -> u64 {
    address(&PML4)
}
