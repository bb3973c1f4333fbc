//! A window of 512 pages of 4 KiB whose page table belongs to the case, and frames to put behind them.

#![expect(unsafe_code, reason = "page tables are memory that the processor walks")]
// UNSAFETY: volatile accesses to the window's own tables, which no Rust code refers to otherwise.

use crate::{
    cpu::cpuid,
    layout,
    tables::{Shared, page_bit},
};
use core::arch::asm;

/// Frames of 4 KiB that belong to the case, zero at first. All of them lie in one large page of any size.
pub const NR_FRAMES: usize = 16;

#[repr(align(0x1_0000))]
struct Frames(Shared<[[u8; 4096]; NR_FRAMES]>);

const _: () = assert!(align_of::<Frames>() == size_of::<Frames>(), "an aligned whole crosses no border");

static FRAMES: Frames = Frames(Shared::new([[0; 4096]; NR_FRAMES]));

/// Physical (and identity-mapped linear) address of a frame.
///
/// # Panics
/// If `index` is [`NR_FRAMES`] or more.
pub fn frame(index: usize) -> u64 {
    assert!(index < NR_FRAMES, "no such frame");
    FRAMES.0.0.get() as u64 + (index as u64) * 4096
}

/// A table on the way to a page of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The entry of the page table: one page of 4 KiB.
    Pt,
    /// The entry of the page directory: all of the window's first 2 MiB.
    Pd,
    /// The entry of the page-directory-pointer table: the window's first GiB.
    Pdpt,
    /// The entry of the PML4: the whole window.
    Pml4,
}

/// Linear address of a page of the window.
///
/// # Panics
/// If `page` is 512 or more.
pub fn address(page: usize) -> u64 {
    assert!(page < 512, "the window has 512 pages");
    layout::WINDOW + (page as u64) * 4096
}

fn entry_pointer(level: Level, page: usize) -> *mut u64 {
    assert!(page < 512, "the window has 512 pages");
    let (table, index) = match level {
        Level::Pt => (layout::WINDOW_PT, page),
        Level::Pd => (layout::WINDOW_PD, 0),
        Level::Pdpt => (layout::WINDOW_PDPT, 0),
        Level::Pml4 => (layout::PML4, 1),
    };
    (table as *mut u64).wrapping_add(index)
}

/// Reads the entry through which `page` is reached at `level`.
pub fn read_entry(level: Level, page: usize) -> u64 {
    // SAFETY: the pointer names an entry of a boot table; the processor may write A and D, hence volatile.
    unsafe { entry_pointer(level, page).read_volatile() }
}

/// Writes the entry through which `page` is reached at `level`, and invalidates nothing.
pub fn write_entry_only(level: Level, page: usize, entry: u64) {
    // SAFETY: the window's entries map nothing that Rust code refers to.
    unsafe { entry_pointer(level, page).write_volatile(entry) }
}

/// Writes the entry through which `page` is reached at `level`, and executes INVLPG for the page.
pub fn write_entry(level: Level, page: usize, entry: u64) {
    write_entry_only(level, page, entry);
    invalidate(address(page));
}

/// Maps a page of the window to a frame with these bits, and returns its linear address.
pub fn map(page: usize, frame_address: u64, bits: u64) -> u64 {
    write_entry(Level::Pt, page, frame_address | bits);
    address(page)
}

/// Present, writable, for supervisor and user: the most that a page allows.
pub const ALL_RIGHTS: u64 = page_bit::P | page_bit::RW | page_bit::US;

/// INVLPG.
pub fn invalidate(address: u64) {
    // SAFETY: drops cached translations; those of the runtime's memory are the same afterwards.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

pub mod five_level;
pub mod supervisor;
pub mod table;

/// Number of bits of a physical address (CPUID leaf 80000008H, EAX bits 7 to 0). It exits to the hypervisor.
pub fn read_physical_address_bits() -> u32 {
    cpuid::read_leaf(0x8000_0008, 0).eax & 0xff
}
