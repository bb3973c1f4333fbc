//! The tables that a processor needs, prepared once: page tables, GDT, IDT, TSS, handlers.
//!
//! Sources: Intel SDM vol. 3A, "4-Level Paging", "Segment Descriptors", "64-Bit Mode IDT", "64-Bit Task State Segment".

use super::{
    Flavour,
    layout::{self, selector},
};
use iced_decoder::machine::window::{self, PAGE, Page, Window};
use iced_x86::{IcedError, code_asm::CodeAssembler};

/// Bits of a page-table entry.
mod entry {
    pub(super) const PRESENT: u64 = 1 << 0;
    pub(super) const WRITABLE: u64 = 1 << 1;
    pub(super) const USER: u64 = 1 << 2;
    pub(super) const ACCESSED: u64 = 1 << 5;
    pub(super) const DIRTY: u64 = 1 << 6;
    pub(super) const NO_EXECUTE: u64 = 1 << 63;
    /// Set from the start, so that no walk writes to the tables.
    pub(super) const SEEN: u64 = PRESENT | ACCESSED | DIRTY;
    pub(super) const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
}

/// Descriptors, with base 0 and limit 4 GiB, accessed.
mod descriptor {
    pub(super) const KERNEL_CODE_16: u64 = 0x008f_9b00_0000_ffff;
    pub(super) const KERNEL_CODE_32: u64 = 0x00cf_9b00_0000_ffff;
    pub(super) const KERNEL_CODE: u64 = 0x00af_9b00_0000_ffff;
    pub(super) const KERNEL_DATA: u64 = 0x00cf_9300_0000_ffff;
    pub(super) const USER_CODE_16: u64 = 0x008f_fb00_0000_ffff;
    pub(super) const USER_CODE_32: u64 = 0x00cf_fb00_0000_ffff;
    pub(super) const USER_DATA: u64 = 0x00cf_f300_0000_ffff;
    pub(super) const USER_CODE: u64 = 0x00af_fb00_0000_ffff;
    /// Type and presence of a busy 64-bit TSS.
    pub(super) const TSS_BUSY: u64 = 0x0000_8b00_0000_0000;
    /// Type and presence of an LDT.
    pub(super) const LDT: u64 = 0x0000_8200_0000_0000;
    /// Type and presence of an interrupt gate.
    pub(super) const INTERRUPT_GATE: u64 = 0x8e00;
    /// Privilege level 3 of a gate.
    pub(super) const LEVEL_3: u64 = 0x6000;
}

/// Limit of the TSS: the I/O permission bitmap behind it ends with a byte of ones after that of [`layout::END_PORT`].
pub(super) const TSS_LIMIT: u32 = 0x68 + layout::END_PORT as u32 / 8 + 1;
/// Limit of the LDT.
pub(super) const LDT_LIMIT: u32 = selector::LDT_SIZE as u32 - 1;
/// Offsets within the TSS.
mod tss {
    pub(super) const RSP0: usize = 0x04;
    pub(super) const IST1: usize = 0x24;
    pub(super) const IO_BITMAP: usize = 0x66;
    /// Where the bitmap starts: behind everything else.
    pub(super) const BITMAP: u16 = 0x68;
}

/// Vectors that programs in ring 3 may raise with INT3 and INTO, as on Linux.
const VECTORS_FOR_USERS: [u64; 2] = [3, 4];
/// Number of vectors.
const NR_VECTORS: u64 = 256;

/// Writes all tables for a flavour to guest memory.
pub(super) fn write(memory: &mut [u8], flavour: Flavour) -> Result<(), IcedError> {
    let mut tables = Tables { memory, free: layout::PAGE_TABLES + PAGE };
    for page in (layout::GDT..layout::SYSTEM_END).step_by(PAGE as usize) {
        let bits = match page {
            layout::HANDLERS => 0,
            layout::FRAMES => entry::NO_EXECUTE | entry::WRITABLE,
            // Nobody may break them.
            _ => entry::NO_EXECUTE,
        };
        tables.map(layout::SYSTEM + page, page, bits);
    }
    for page in 0..window::NR_CODE_PAGES {
        tables.map(window::CODE + page * PAGE, layout::CODE + page * PAGE, entry::USER);
    }
    let data = entry::USER | entry::NO_EXECUTE;
    for page in 0..window::NR_STACK_PAGES {
        tables.map(window::STACK + page * PAGE, layout::STACK + page * PAGE, data | entry::WRITABLE);
    }
    for window in Window::ALL {
        for (index, page) in (0..).zip(window.pages()) {
            let linear = window.address() + index * PAGE;
            let backing = layout::backing(window) + index * PAGE;
            match page {
                Page::Tested if flavour.is_mmio() => {
                    tables.map(linear, layout::DEVICES + (backing - layout::DATA), data | entry::WRITABLE);
                }
                Page::Tested | Page::Memory => tables.map(linear, backing, data | entry::WRITABLE),
                Page::ReadOnly => tables.map(linear, backing, data),
                Page::Absent => {}
            }
        }
    }
    if flavour.has_batches() {
        for (linear, physical, bits) in [
            (layout::BATCH_CODE_LINEAR, layout::BATCH_CODE..layout::BATCH_VARIABLES, entry::USER),
            (
                layout::BATCH_VARIABLES_LINEAR,
                layout::BATCH_VARIABLES..layout::MEMORY_SIZE as u64,
                data | entry::WRITABLE,
            ),
            (layout::BATCH_ALIAS_LINEAR, layout::CODE..layout::DATA_END, data | entry::WRITABLE),
        ] {
            for page in physical.clone().step_by(PAGE as usize) {
                tables.map(linear + page - physical.start, page, bits);
            }
        }
    }
    tables.descriptors();
    tables.handlers()
}

/// Both words of a descriptor of a system segment.
const fn system_descriptor(type_: u64, base: u64, limit: u32) -> [u64; 2] {
    [type_ | limit as u64 | (base & 0xff_ffff) << 16 | (base >> 24 & 0xff) << 56, base >> 32]
}

struct Tables<'a> {
    memory: &'a mut [u8],
    /// The next table that is not used.
    free: u64,
}

impl Tables<'_> {
    fn read(&self, address: u64) -> u64 {
        let at = address as usize;
        self.memory[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default()
    }

    fn write(&mut self, address: u64, value: u64) {
        let at = address as usize;
        self.memory[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// Maps one page.
    fn map(&mut self, linear: u64, physical: u64, bits: u64) {
        let mut table = layout::PAGE_TABLES;
        for shift in [39, 30, 21] {
            let at = table + (linear >> shift & 0x1ff) * 8;
            if self.read(at) == 0 {
                debug_assert!(self.free < layout::PAGE_TABLES_END, "page tables do not fit");
                self.write(at, self.free | entry::SEEN | entry::WRITABLE | entry::USER);
                self.free += PAGE;
            }
            table = self.read(at) & entry::ADDRESS;
        }
        self.write(table + (linear >> 12 & 0x1ff) * 8, physical | entry::SEEN | bits);
    }

    /// GDT, IDT and TSS.
    fn descriptors(&mut self) {
        let tss = system_descriptor(descriptor::TSS_BUSY, layout::SYSTEM + layout::TSS, TSS_LIMIT);
        let ldt = system_descriptor(descriptor::LDT, layout::SYSTEM + layout::LDT, LDT_LIMIT);
        for (selector, descriptor) in [
            (selector::KERNEL_CODE_32, descriptor::KERNEL_CODE_32),
            (selector::KERNEL_CODE, descriptor::KERNEL_CODE),
            (selector::KERNEL_DATA, descriptor::KERNEL_DATA),
            (selector::USER_CODE_32, descriptor::USER_CODE_32),
            (selector::USER_DATA, descriptor::USER_DATA),
            (selector::USER_CODE, descriptor::USER_CODE),
            (selector::TSS, tss[0]),
            (selector::TSS + 8, tss[1]),
            (selector::LDT, ldt[0]),
            (selector::LDT + 8, ldt[1]),
        ] {
            // The low three bits of a selector are no part of the index.
            self.write(layout::GDT + u64::from(selector & !7), descriptor);
        }
        for (selector, descriptor) in
            [(selector::USER_CODE_16, descriptor::USER_CODE_16), (selector::KERNEL_CODE_16, descriptor::KERNEL_CODE_16)]
        {
            self.write(layout::LDT + u64::from(selector & !7), descriptor);
        }
        for vector in 0..NR_VECTORS {
            let handler = layout::SYSTEM + layout::HANDLERS + vector * layout::HANDLER_STEP;
            let level = if VECTORS_FOR_USERS.contains(&vector) { descriptor::LEVEL_3 } else { 0 };
            // IST 1 for every vector: the frame stands at the same place whatever the stack pointer was.
            let low = handler & 0xffff
                | u64::from(selector::KERNEL_CODE) << 16
                | 1 << 32
                | (descriptor::INTERRUPT_GATE | level) << 32
                | (handler >> 16 & 0xffff) << 48;
            self.write(layout::IDT + vector * 16, low);
            self.write(layout::IDT + vector * 16 + 8, handler >> 32);
        }
        let stack_top = layout::SYSTEM + layout::FRAMES + PAGE;
        for offset in [tss::RSP0, tss::IST1] {
            self.write(layout::TSS + offset as u64, stack_top);
        }
        let at = layout::TSS as usize + tss::IO_BITMAP;
        self.memory[at..at + 2].copy_from_slice(&tss::BITMAP.to_le_bytes());
        // Ring 3 may use one port.
        let bitmap = layout::TSS as usize + usize::from(tss::BITMAP);
        self.memory[bitmap..=layout::TSS as usize + TSS_LIMIT as usize].fill(0xff);
        self.memory[bitmap + usize::from(layout::END_PORT / 8)] &= !(1 << (layout::END_PORT % 8));
    }

    /// A handler leaves at once: where it did so tells the vector.
    fn handlers(&mut self) -> Result<(), IcedError> {
        let mut assembler = CodeAssembler::new(64)?;
        assembler.hlt()?;
        let halt = assembler.assemble(0)?;
        for vector in 0..NR_VECTORS {
            let at = (layout::HANDLERS + vector * layout::HANDLER_STEP) as usize;
            self.memory[at..at + halt.len()].copy_from_slice(&halt);
        }
        Ok(())
    }
}
