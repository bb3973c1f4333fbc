//! What stands where in the arena: offsets from its start, which are addresses in segments that have it as their base.

/// The excursion's own code, copied from the image.
pub const BLOB: u32 = 0x200;
/// Interrupt vector table of real mode: 256 entries of 4 bytes.
pub const REAL_IDT: u32 = 0xc00;
/// GDT: [`super::tables::NR_DESCRIPTORS`] descriptors.
pub const GDT: u32 = 0x1000;
/// IDT: 256 gates of 8 bytes.
pub const IDT: u32 = 0x1800;
/// LDT: as many descriptors as a case likes.
pub const LDT: u32 = 0x2000;
/// The 32-bit TSS that TR holds, with 32 bytes of interrupt redirection bitmap and an I/O bitmap behind it.
pub const TSS: u32 = 0x2200;
/// Space for the tables of a case, such as further task-state segments.
pub const SPARE: u32 = 0x2600;
/// The program.
pub const CODE: u32 = 0x4000;
/// Data of the program: three pages.
pub const DATA: u32 = 0x5000;
/// Top of the stack of ring 0.
pub const STACK_0: u32 = 0xa000;
/// Top of the stack of ring 1.
pub const STACK_1: u32 = 0xb000;
/// Top of the stack of ring 2.
pub const STACK_2: u32 = 0xc000;
/// Top of the program's own stack.
pub const STACK: u32 = 0xe000;
