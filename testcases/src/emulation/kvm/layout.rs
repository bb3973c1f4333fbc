//! Where everything lies in the guest: physical addresses, the linear addresses that `window` leaves open, selectors.

use iced_decoder::machine::window::{self, PAGE};

/// Size of guest memory in bytes.
pub(super) const MEMORY_SIZE: usize = 0xc_0000;

/// GDT.
pub(super) const GDT: u64 = 0x1000;
/// LDT, in the same page.
pub(super) const LDT: u64 = GDT + 0x800;
/// IDT: 256 gates of 16 bytes.
pub(super) const IDT: u64 = 0x2000;
/// TSS.
pub(super) const TSS: u64 = 0x3000;
/// One handler every [`HANDLER_STEP`] bytes.
pub(super) const HANDLERS: u64 = 0x4000;
/// Distance of two handlers in bytes.
pub(super) const HANDLER_STEP: u64 = 16;
/// The page below which every exception's frame stands.
pub(super) const FRAMES: u64 = 0x5000;
/// End of the pages above, which are mapped as they stand from [`SYSTEM`] on.
pub(super) const SYSTEM_END: u64 = 0x6000;

/// Page tables; the first is the root.
pub(super) const PAGE_TABLES: u64 = 0x8000;
/// End of the page tables.
pub(super) const PAGE_TABLES_END: u64 = 0x1_8000;

/// The pages of code.
pub(super) const CODE: u64 = 0x2_0000;
/// The pages of the stack window.
pub(super) const STACK: u64 = 0x2_2000;
/// Two pages for each data window: memory, or what a device answers with.
pub(super) const DATA: u64 = 0x2_4000;

/// Physical address of the devices; [`DATA`] is what they hold. Below 4 GiB and above any memory, clear of the APIC.
pub(super) const DEVICES: u64 = 0xd000_0000;

/// Linear address of what only ring 0 needs: the lowest of the upper half, which no instruction under test means.
pub(super) const SYSTEM: u64 = 0xffff_8000_0000_0000;

/// Physical address of the backing of a data window.
pub(super) const fn backing(window: window::Window) -> u64 {
    DATA + window as u64 * window::SIZE as u64
}

/// End of the backing of data windows.
pub(super) const DATA_END: u64 = DATA + window::Window::ALL.len() as u64 * window::SIZE as u64;

const _: () = assert!(DATA_END <= BATCH_CODE && CODE + 4 * PAGE == DATA && DATA_END <= MEMORY_SIZE as u64);
const _: () = assert!(BATCH_SLOTS as usize + super::batch::NR_SLOTS * super::batch::SLOT_SIZE <= MEMORY_SIZE);

/// Selectors, those of Linux, so that what a program sees of them is what it sees in a process there
/// (Linux, arch/x86/include/asm/segment.h).
pub(super) mod selector {
    pub(in super::super) const KERNEL_CODE_32: u16 = 0x8;
    pub(in super::super) const KERNEL_CODE: u16 = 0x10;
    pub(in super::super) const KERNEL_DATA: u16 = 0x18;
    pub(in super::super) const USER_CODE_32: u16 = 0x23;
    pub(in super::super) const USER_DATA: u16 = 0x2b;
    pub(in super::super) const USER_CODE: u16 = 0x33;
    pub(in super::super) const TSS: u16 = 0x40;
    /// Like the TSS it takes two entries.
    pub(in super::super) const LDT: u16 = 0x50;
    /// Size of the GDT in bytes.
    pub(in super::super) const GDT_SIZE: u16 = 0x60;
    /// The first entry of the LDT, where a process on Linux has its 16-bit code, for which the GDT has no place.
    pub(in super::super) const USER_CODE_16: u16 = 0b111;
    /// The second entry of the LDT.
    pub(in super::super) const KERNEL_CODE_16: u16 = 0b1100;
    /// Size of the LDT in bytes.
    pub(in super::super) const LDT_SIZE: u16 = 0x10;
}

/// The program of batches, its variables and its slots.
pub(super) const BATCH_CODE: u64 = 0x4_0000;
/// A page.
pub(super) const BATCH_VARIABLES: u64 = 0x4_1000;
/// Up to the end of memory.
pub(super) const BATCH_SLOTS: u64 = 0x4_2000;

/// Linear address of the same; below 2 GiB, so that absolute addresses reach it.
pub(super) const BATCH_CODE_LINEAR: u64 = 0x3a40_0000;
/// Linear address of the variables.
pub(super) const BATCH_VARIABLES_LINEAR: u64 = BATCH_CODE_LINEAR + BATCH_VARIABLES - BATCH_CODE;
/// Linear address of the slots.
pub(super) const BATCH_SLOTS_LINEAR: u64 = BATCH_CODE_LINEAR + BATCH_SLOTS - BATCH_CODE;
/// Where code and data windows can be written, whatever they are elsewhere: from [`CODE`] to the end of [`DATA`].
pub(super) const BATCH_ALIAS_LINEAR: u64 = BATCH_CODE_LINEAR + 0x10_0000;

/// The port that ends an execution. Its number is also the opcode of `out imm8, al`: a page full of this byte holds
/// `out 0xe6, al` at every address, which changes no register.
pub(super) const END_PORT: u16 = 0xe6;
