//! GDT, IDT, TSS and page tables, complete in the image: nothing is built at run time.
//!
//! Sources: SDM vol. 3A, "Segment Descriptors", "Task Management in 64-bit Mode", "64-Bit Mode IDT", "4-Level Paging
//! and 5-Level Paging".

#![expect(unsafe_code, reason = "tables stand at fixed addresses, in sections of their own")]
// UNSAFETY: link sections, each with one static whose size and place `link.ld` asserts.

use crate::layout;
use core::cell::UnsafeCell;

/// Selectors in the GDT.
pub mod selector {
    /// 64-bit code at CPL 0.
    pub const KERNEL_CODE: u16 = 0x08;
    /// Data at CPL 0.
    pub const KERNEL_DATA: u16 = 0x10;
    /// 32-bit code at CPL 3: what SYSRET to compatibility mode loads.
    pub const USER_CODE_32: u16 = 0x18 | 3;
    /// Data at CPL 3.
    pub const USER_DATA: u16 = 0x20 | 3;
    /// 64-bit code at CPL 3.
    pub const USER_CODE: u16 = 0x28 | 3;
    /// 32-bit code at CPL 0.
    pub const KERNEL_CODE_32: u16 = 0x30;
    /// The 64-bit TSS, which takes two slots.
    pub const TSS: u16 = 0x38;
    /// A data segment that is not present.
    pub const NOT_PRESENT: u16 = 0x48;
    /// The first selector beyond the limit of the GDT.
    pub const BEYOND_LIMIT: u16 = 0x50;
}

/// Limit of the GDT, as LGDT takes it.
pub const GDT_LIMIT: u16 = selector::BEYOND_LIMIT - 1;
/// Limit of the IDT, as LIDT takes it.
pub const IDT_LIMIT: u16 = 4095;
/// Offset of the I/O permission bitmap in the TSS.
pub const IO_BITMAP_OFFSET: u16 = 104;
/// Size of the I/O permission bitmap with its final byte of ones.
pub const IO_BITMAP_SIZE: usize = 8193;
/// Limit of the TSS: it ends behind the I/O permission bitmap.
pub const TSS_LIMIT: u32 = IO_BITMAP_OFFSET as u32 + IO_BITMAP_SIZE as u32 - 1;

/// Size of each stack in bytes.
pub const STACK_SIZE: usize = 16 * 1024;

/// Memory that the processor reads and writes behind the compiler's back.
#[repr(C, align(4096))]
pub(crate) struct Shared<T>(pub(crate) UnsafeCell<T>);

// SAFETY: Rust code only reaches the content through raw pointers, in `unsafe` code that says why.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }
}

const CODE: u64 = 0x00af_9a00_0000_ffff;
const CODE_32: u64 = 0x00cf_9a00_0000_ffff;
const DATA: u64 = 0x00cf_9200_0000_ffff;
const ACCESSED: u64 = 1 << 40;
const DPL_3: u64 = 3 << 45;
const PRESENT: u64 = 1 << 47;

const fn tss_descriptor() -> [u64; 2] {
    let (base, limit) = (layout::TSS, TSS_LIMIT as u64);
    let available_64_bit_tss = 0x89_u64 << 40;
    let low = (limit & 0xffff)
        | (base & 0xff_ffff) << 16
        | available_64_bit_tss
        | (limit >> 16 & 0xf) << 48
        | (base >> 24 & 0xff) << 56;
    [low, base >> 32]
}

/// Content of the GDT, with a TSS that is available.
pub(crate) const GDT_ENTRIES: [u64; 10] = [
    0,
    CODE | ACCESSED,
    DATA | ACCESSED,
    CODE_32 | ACCESSED | DPL_3,
    DATA | ACCESSED | DPL_3,
    CODE | ACCESSED | DPL_3,
    CODE_32 | ACCESSED,
    tss_descriptor()[0],
    tss_descriptor()[1],
    (DATA | ACCESSED) & !PRESENT,
];

#[used]
// SAFETY: the only static of its section.
#[unsafe(link_section = ".vp.gdt")]
static GDT: Shared<[u64; 10]> = Shared::new(GDT_ENTRIES);

/// Index of the interrupt stack table entry of a vector: each vector has a stack that no other code uses, so
/// neither a red zone nor a broken stack matters. Vectors that can strike inside a handler have one of their own.
const fn interrupt_stack(vector: usize) -> u64 {
    match vector {
        2 => 2,
        8 => 3,
        18 => 4,
        1 => 5,
        _ => 1,
    }
}

/// Number of interrupt stacks in use.
pub(crate) const NR_INTERRUPT_STACKS: usize = 5;

const fn idt() -> [[u64; 2]; 256] {
    let mut table = [[0; 2]; 256];
    let mut vector = 0;
    while vector < 256 {
        let offset = layout::VECTORS + vector as u64 * layout::VECTOR_STUB_SIZE;
        // INT3, INTO and the software interrupts of the cases may be raised at CPL 3.
        let dpl: u64 = if vector == 3 || vector == 4 || vector == 0x80 { 3 } else { 0 };
        let interrupt_gate = 0x8e00 | dpl << 13;
        let low = (offset & 0xffff)
            | (selector::KERNEL_CODE as u64) << 16
            | interrupt_stack(vector) << 32
            | interrupt_gate << 32
            | (offset >> 16 & 0xffff) << 48;
        table[vector] = [low, offset >> 32];
        vector += 1;
    }
    table
}

#[used]
// SAFETY: the only static of its section.
#[unsafe(link_section = ".vp.idt")]
static IDT: Shared<[[u64; 2]; 256]> = Shared::new(idt());

/// The 64-bit TSS; `repr(packed)` because its quadwords are not aligned.
#[repr(C, packed)]
pub(crate) struct Tss {
    reserved_0: u32,
    rsp: [*const u8; 3],
    reserved_1: u64,
    ist: [*const u8; 7],
    reserved_2: u64,
    reserved_3: u16,
    io_bitmap_offset: u16,
    io_bitmap: [u8; IO_BITMAP_SIZE],
}

impl Tss {
    /// With these stacks for CPL 0 and for the entries of the interrupt stack table from 1 on, and no port allowed.
    pub(crate) const fn new(privilege_0: *const u8, interrupt: [*const u8; NR_INTERRUPT_STACKS]) -> Self {
        let [first, second, third, fourth, fifth] = interrupt;
        let null = core::ptr::null();
        Self {
            reserved_0: 0,
            rsp: [privilege_0, null, null],
            reserved_1: 0,
            ist: [first, second, third, fourth, fifth, null, null],
            reserved_2: 0,
            reserved_3: 0,
            io_bitmap_offset: IO_BITMAP_OFFSET,
            io_bitmap: [0xff; IO_BITMAP_SIZE],
        }
    }
}

#[repr(C, align(4096))]
pub(crate) struct Stacks<const N: usize>(UnsafeCell<[[u8; STACK_SIZE]; N]>);

// SAFETY: only the processor uses the content, as stacks.
unsafe impl<const N: usize> Sync for Stacks<N> {}

impl<const N: usize> Stacks<N> {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new([[0; STACK_SIZE]; N]))
    }

    /// The address behind stack number `index`.
    pub(crate) const fn top(&'static self, index: usize) -> *const u8 {
        assert!(index < N, "no such stack");
        self.0.get().cast::<u8>().wrapping_add((index + 1) * STACK_SIZE)
    }
}

/// The stack of ring 0 and that of ring 3.
#[unsafe(no_mangle)]
// SAFETY: the name is used by nothing else.
pub(crate) static BOOT_STACKS: Stacks<2> = Stacks::new();
static INTERRUPT_STACKS: Stacks<NR_INTERRUPT_STACKS> = Stacks::new();

pub(crate) const KERNEL_STACK: usize = 0;
pub(crate) const USER_STACK: usize = 1;

#[used]
// SAFETY: the only static of its section.
#[unsafe(link_section = ".vp.tss")]
pub(crate) static TSS: Shared<Tss> = Shared::new(Tss::new(
    BOOT_STACKS.top(KERNEL_STACK),
    [
        INTERRUPT_STACKS.top(0),
        INTERRUPT_STACKS.top(1),
        INTERRUPT_STACKS.top(2),
        INTERRUPT_STACKS.top(3),
        INTERRUPT_STACKS.top(4),
    ],
));

/// Bits of a paging-structure entry (SDM vol. 3A, "4-Level Paging and 5-Level Paging").
pub mod page_bit {
    /// Present.
    pub const P: u64 = 1 << 0;
    /// Read/write.
    pub const RW: u64 = 1 << 1;
    /// User/supervisor.
    pub const US: u64 = 1 << 2;
    /// Page-level write-through.
    pub const PWT: u64 = 1 << 3;
    /// Page-level cache disable.
    pub const PCD: u64 = 1 << 4;
    /// Accessed.
    pub const A: u64 = 1 << 5;
    /// Dirty.
    pub const D: u64 = 1 << 6;
    /// Page size: the entry maps a page instead of referring to a table.
    pub const PS: u64 = 1 << 7;
    /// Global.
    pub const G: u64 = 1 << 8;
    /// Execute-disable.
    pub const XD: u64 = 1 << 63;
    /// The bits of the physical address.
    pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
}

const fn boot_page_tables() -> [[u64; 512]; 9] {
    use page_bit::{A, D, P, PCD, PS, PWT, RW, US};
    const TABLE: u64 = P | RW | US | A;
    const IDENTITY_PDPT: usize = 1;
    const IDENTITY_PD: usize = 2;
    const WINDOW_PDPT: usize = 6;
    const WINDOW_PD: usize = 7;
    let mut pages = [[0; 512]; 9];
    pages[0][0] = layout::IDENTITY_PDPT | TABLE;
    pages[0][1] = layout::WINDOW_PDPT | TABLE;
    let mut gib = 0;
    while gib < 4 {
        pages[IDENTITY_PDPT][gib] = (layout::IDENTITY_PD + gib as u64 * 4096) | TABLE;
        // Devices live in the fourth GiB.
        let uncached = if gib == 3 { PCD | PWT } else { 0 };
        let mut index = 0;
        while index < 512 {
            let address = (gib as u64) << 30 | (index as u64) << 21;
            pages[IDENTITY_PD + gib][index] = address | P | RW | US | A | D | PS | uncached;
            index += 1;
        }
        gib += 1;
    }
    pages[WINDOW_PDPT][0] = layout::WINDOW_PD | TABLE;
    pages[WINDOW_PD][0] = layout::WINDOW_PT | TABLE;
    pages
}

#[used]
// SAFETY: the only static of its section.
#[unsafe(link_section = ".vp.pages")]
static BOOT_PAGE_TABLES: Shared<[[u64; 512]; 9]> = Shared::new(boot_page_tables());

#[used]
// SAFETY: the only static of its section.
#[unsafe(link_section = ".bss.vp.report")]
static REPORT_PAGES: Shared<[u8; case::message::page::SIZE]> = Shared::new([0; case::message::page::SIZE]);
