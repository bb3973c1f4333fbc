//! A stub in real mode that writes down what a start-up IPI left, for cases about the start itself.

#![expect(unsafe_code, reason = "code for real mode is assembly")]
// UNSAFETY: `global_asm!` of a blob that is copied as bytes.

use crate::mmio;
use core::arch::global_asm;

/// Pages below 1 MiB that may hold a stub.
pub const PAGES: core::ops::RangeInclusive<u8> = 0x40..=0x8f;

/// Where in its page the stub writes.
const RECORD: u64 = 0x200;
/// Number of doublewords that it writes.
const NR_WORDS: usize = 20;
const _: () = assert!(COUNT as usize == 4 * (NR_WORDS - 1));
/// Offset in the record of how often the stub ran.
const COUNT: u64 = 76;

// All stores go through CS, so they land in the page whose number the start-up IPI told.
global_asm!(
    r#"
    .pushsection .rodata.smp_stub, "a", @progbits
    .balign 8
    .global smp_stub
    .global smp_stub_end
    .code16
    smp_stub:
        movl %eax, %cs:0x200
        movl %ecx, %cs:0x204
        movl %edx, %cs:0x208
        movl %ebx, %cs:0x20c
        movl %esp, %cs:0x210
        movl %ebp, %cs:0x214
        movl %esi, %cs:0x218
        movl %edi, %cs:0x21c
        movl %cs, %eax
        movl %eax, %cs:0x220
        movl %ds, %eax
        movl %eax, %cs:0x224
        movl %es, %eax
        movl %eax, %cs:0x228
        movl %ss, %eax
        movl %eax, %cs:0x22c
        movl %fs, %eax
        movl %eax, %cs:0x230
        movl %gs, %eax
        movl %eax, %cs:0x234
        movl %cr0, %eax
        movl %eax, %cs:0x238
        movl %cr2, %eax
        movl %eax, %cs:0x23c
        movl %cr3, %eax
        movl %eax, %cs:0x240
        movl %cr4, %eax
        movl %eax, %cs:0x244
        lock incl %cs:0x24c
    1:
        cli
        hlt
        jmp 1b
    .balign 8
    smp_stub_end:
    .code64
    .popsection
    "#,
    options(att_syntax),
);

unsafe extern "C" {
    static smp_stub: u64;
    static smp_stub_end: u64;
}

/// A stub in a page.
#[derive(Clone, Copy, Debug)]
pub struct Stub(u8);

/// What stands in the record, as an index of [`Stub::word`].
pub mod word {
    #![expect(missing_docs, reason = "registers")]
    pub const EAX: usize = 0;
    pub const EDX: usize = 2;
    pub const CS: usize = 8;
    pub const DS: usize = 9;
    pub const CR0: usize = 14;
    pub const CR2: usize = 15;
    pub const CR3: usize = 16;
    pub const CR4: usize = 17;
}

impl Stub {
    /// Puts a stub that never ran at the start of a page.
    ///
    /// # Panics
    /// If the page is not one of [`PAGES`].
    pub fn put(page: u8) -> Self {
        assert!(PAGES.contains(&page), "this page may be in use");
        let (from, end) = ((&raw const smp_stub) as u64, (&raw const smp_stub_end) as u64);
        let to = u64::from(page) << 12;
        let mut offset = 0;
        while from + offset < end {
            mmio::write_u64(to + offset, mmio::read_u64(from + offset));
            offset += 8;
        }
        for index in 0..NR_WORDS as u64 {
            mmio::write_u32(to + RECORD + index * 4, if index * 4 == COUNT { 0 } else { u32::MAX });
        }
        Self(page)
    }

    /// The page's number.
    pub fn page(&self) -> u8 {
        self.0
    }

    /// How often it ran.
    pub fn read_count(&self) -> u32 {
        mmio::read_u32((u64::from(self.0) << 12) + RECORD + COUNT)
    }

    /// What it found in a register, by its index in [`word`]; all ones if it never ran.
    pub fn word(&self, index: usize) -> u32 {
        assert!(index < NR_WORDS, "the record is shorter");
        mmio::read_u32((u64::from(self.0) << 12) + RECORD + index as u64 * 4)
    }
}
