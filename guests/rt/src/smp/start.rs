//! From the start-up IPI to Rust: trampolines, and tables of the other processors.
//!
//! Source: SDM vol. 3A, "MP Initialization Protocol Algorithm for MP Systems", "Initializing IA-32e Mode".

#![expect(unsafe_code, reason = "entry code is assembly, and tables are memory that processors read")]
// UNSAFETY: `global_asm!` that runs before any Rust code of a processor, and statics that it alone uses afterwards.

use super::{
    MAX_OTHERS,
    processor::{KERNEL_STACK_OFFSET, Processor},
};
use crate::{
    boot,
    layout::{self, IDENTITY_PD, IMAGE_REST, PROCESSOR, REPORT_PAGES, WINDOW_PDPT},
    mmio,
    tables::{
        GDT_ENTRIES, GDT_LIMIT, IDT_LIMIT, NR_INTERRUPT_STACKS, STACK_SIZE, Shared, Stacks, Tss, page_bit, selector,
    },
};
use core::arch::global_asm;

/// Where the trampolines stand: one page for each of the other processors, below 1 MiB.
pub(super) const TRAMPOLINES: u64 = 0x3_0000;

// Entered in real mode at the start of a page, in one of its own for each processor. It goes to long mode at once, with
// the CR3 that stands at its end, and finds everything else at the linear addresses of its page of `processor`.
global_asm!(
    r#"
    .pushsection .rodata.smp_trampoline, "a", @progbits
    .balign 8
    .global smp_trampoline
    .global smp_trampoline_cr3
    .global smp_trampoline_end
    .code16
    smp_trampoline:
        cli
        movl %cs, %eax
        movl %eax, %ds
        lgdtl smp_trampoline_gdtr - smp_trampoline
        movl ${CR4}, %eax
        movl %eax, %cr4
        movl smp_trampoline_cr3 - smp_trampoline, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx
        xorl %edx, %edx
        movl ${EFER}, %eax
        wrmsr
        movl ${CR0}, %eax
        movl %eax, %cr0
        .byte 0x66, 0xea
        .long smp_entry_64
        .word {KERNEL_CODE}
    .balign 8
    smp_trampoline_gdtr:
        .word {GDT_LIMIT}
        .long {GDT}
        .word 0
    smp_trampoline_cr3:
        .quad 0
    smp_trampoline_end:
    .code64
    .popsection

    .pushsection .text.smp_entry, "ax", @progbits
    .code64
    smp_entry_64:
        movl ${KERNEL_DATA}, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        lidt smp_idt_pointer
        movl ${TSS}, %eax
        ltr %ax
        movq {KERNEL_STACK}, %rsp
        xorl %ebp, %ebp
        call smp_main
        ud2
    .balign 8
    smp_idt_pointer:
        .word {IDT_LIMIT}
        .quad {IDT}
    .popsection
    "#,
    CR0 = const boot::CR0,
    CR4 = const boot::CR4,
    EFER = const boot::EFER,
    GDT = const layout::GDT,
    GDT_LIMIT = const GDT_LIMIT,
    IDT = const layout::IDT,
    IDT_LIMIT = const IDT_LIMIT,
    KERNEL_CODE = const selector::KERNEL_CODE,
    KERNEL_DATA = const selector::KERNEL_DATA,
    TSS = const selector::TSS,
    KERNEL_STACK = const PROCESSOR as usize + KERNEL_STACK_OFFSET,
    options(att_syntax),
);

unsafe extern "C" {
    static smp_trampoline: u64;
    static smp_trampoline_cr3: u64;
    static smp_trampoline_end: u64;
}

/// Stacks of one of the other processors: of ring 0, of ring 3, and those of the interrupt stack table.
type OwnStacks = Stacks<{ 2 + NR_INTERRUPT_STACKS }>;

static STACKS: [OwnStacks; MAX_OTHERS] = [const { Stacks::new() }; MAX_OTHERS];

const fn tss(index: usize) -> Shared<Tss> {
    let stacks = &STACKS[index];
    let interrupt = [stacks.top(2), stacks.top(3), stacks.top(4), stacks.top(5), stacks.top(6)];
    Shared::new(Tss::new(stacks.top(0), interrupt))
}

const fn processor(index: usize) -> Processor {
    Processor::new(index + 1, STACKS[index].top(0), STACKS[index].top(1))
}

static TSS: [Shared<Tss>; MAX_OTHERS] = [tss(0), tss(1), tss(2)];
#[used]
static PROCESSORS: [Processor; MAX_OTHERS] = [processor(0), processor(1), processor(2)];
static GDTS: [Shared<[u64; 10]>; MAX_OTHERS] = [const { Shared::new(GDT_ENTRIES) }; MAX_OTHERS];

/// Page tables that differ from the image's in a few pages of 4 KiB: PML4, page-directory-pointer table, page directory,
/// page table. Entries that refer to the others of the four, or to what a processor has of its own, are filled in later.
const PAGES: [[u64; 512]; 4] = {
    use page_bit::{A, D, P, PS, RW, US};
    const TABLE: u64 = P | RW | US | A;
    let mut pages = [[0; 512]; 4];
    pages[0][1] = WINDOW_PDPT | TABLE;
    let mut gib = 1;
    while gib < 4 {
        pages[1][gib] = (IDENTITY_PD + gib as u64 * 4096) | TABLE;
        gib += 1;
    }
    let mut index = 0;
    while index < 512 {
        pages[2][index] = (index as u64) << 21 | TABLE | D | PS;
        pages[3][index] = (FIRST + index as u64 * 4096) | TABLE | D;
        index += 1;
    }
    // Only the first processor reports: on another one, a message is a #PF.
    let mut page = REPORT_PAGES;
    while page < IMAGE_REST {
        pages[3][((page - FIRST) >> 12) as usize] = 0;
        page += 4096;
    }
    pages
};

/// The 2 MiB that the image starts in.
const FIRST: u64 = layout::VECTORS;
const _: () = assert!(FIRST.is_multiple_of(2 << 20) && IMAGE_REST - FIRST < 2 << 20);

static TABLES: [Shared<[[u64; 512]; 4]>; MAX_OTHERS] = [const { Shared::new(PAGES) }; MAX_OTHERS];

/// Puts a trampoline for processor `index + 1` into its page, and everything that is its own into its page tables.
/// Returns the page's number, which is the vector of its start-up IPI.
pub(super) fn prepare(index: usize) -> u8 {
    use page_bit::{A, D, P, RW, US};
    const TABLE: u64 = P | RW | US | A;
    assert!(index < MAX_OTHERS, "no such processor");
    PROCESSORS[index].reset();
    // LTR marks it busy.
    mmio::write_u64(GDTS[index].0.get() as u64 + u64::from(selector::TSS), GDT_ENTRIES[selector::TSS as usize / 8]);
    let tables = TABLES[index].0.get() as u64;
    let [pml4, pdpt, pd, pt] = [tables, tables + 0x1000, tables + 0x2000, tables + 0x3000];
    mmio::write_u64(pml4, pdpt | TABLE);
    mmio::write_u64(pdpt, pd | TABLE);
    mmio::write_u64(pd + (FIRST >> 21) * 8, pt | TABLE);
    let map = |linear: u64, memory: u64| mmio::write_u64(pt + ((linear - FIRST) >> 12) * 8, memory | TABLE | D);
    map(layout::GDT, GDTS[index].0.get() as u64);
    for page in 0..3 {
        map(layout::TSS + page * 4096, TSS[index].0.get() as u64 + page * 4096);
    }
    map(PROCESSOR, (&raw const PROCESSORS[index]) as u64);
    let trampoline = TRAMPOLINES + index as u64 * 4096;
    let from = (&raw const smp_trampoline) as u64;
    let (cr3, end) = ((&raw const smp_trampoline_cr3) as u64, (&raw const smp_trampoline_end) as u64);
    let mut offset = 0;
    while from + offset < end {
        let value = if from + offset == cr3 { pml4 } else { mmio::read_u64(from + offset) };
        mmio::write_u64(trampoline + offset, value);
        offset += 8;
    }
    (trampoline >> 12) as u8
}

const _: () = assert!(STACK_SIZE.is_multiple_of(4096));
