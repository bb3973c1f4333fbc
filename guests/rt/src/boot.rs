//! The two entries: PVH in 32-bit protected mode, and directly in long mode. Both end in [`crate::select::start`].
//!
//! Sources: Xen PVH, "start_info.h"; SDM vol. 3A, "Initializing IA-32e Mode".

#![expect(unsafe_code, reason = "entry code is assembly")]
// UNSAFETY: `global_asm!` that runs before any Rust code, and the exported variables it writes.

use crate::{
    layout,
    tables::{GDT_LIMIT, IDT_LIMIT, STACK_SIZE, TSS_LIMIT, selector},
};
use case::image::{ImageNote, NOTE_TYPE};
use core::{
    arch::global_asm,
    sync::atomic::{AtomicU32, Ordering},
};

/// CR0 from the first line of a case on: PE, MP, ET, NE, WP, PG.
pub const CR0: u64 = case::image::control::CR0;
/// CR4 from the first line of a case on: PAE, OSFXSR, OSXMMEXCPT.
pub const CR4: u64 = case::image::control::CR4;
/// IA32_EFER from the first line of a case on, less LMA: LME.
pub const EFER: u64 = case::image::control::EFER;

/// Registers as the PVH entry found them.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "registers")]
pub struct EntryState {
    pub eax: u32,
    pub ebx: u32,
    pub cr0: u32,
    pub cr4: u32,
    pub eflags: u32,
    pub cs: u16,
    pub ds: u16,
    pub es: u16,
    pub ss: u16,
    pub tr: u16,
    /// EBX's copy in memory, read through each segment: equal to `ebx` if the segment's base is 0.
    pub ebx_through_cs: u32,
    pub ebx_through_es: u32,
    pub ebx_through_ss: u32,
}

const NR_ENTRY_WORDS: usize = 13;

// SAFETY: no other symbol has this name; written by the entry code before any Rust code runs.
#[unsafe(no_mangle)]
static pvh_entry_words: [AtomicU32; NR_ENTRY_WORDS] = [const { AtomicU32::new(0) }; NR_ENTRY_WORDS];

/// What the PVH entry found, or `None` if the image was entered directly.
pub fn entry_state() -> Option<EntryState> {
    let word = |index: usize| pvh_entry_words[index].load(Ordering::Relaxed);
    (word(2) != 0).then(|| EntryState {
        eax: word(0),
        ebx: word(1),
        cr0: word(2),
        cr4: word(3),
        eflags: word(4),
        cs: word(5) as u16,
        ds: word(6) as u16,
        es: word(7) as u16,
        ss: word(8) as u16,
        tr: word(9) as u16,
        ebx_through_cs: word(10),
        ebx_through_es: word(11),
        ebx_through_ss: word(12),
    })
}

global_asm!(
    r#"
    .pushsection .text.boot, "ax", @progbits
    .code32
    .global pvh_entry
    pvh_entry:
        mov [pvh_entry_words + 0], eax
        mov [pvh_entry_words + 4], ebx
        mov eax, cr0
        mov [pvh_entry_words + 8], eax
        mov eax, cr4
        mov [pvh_entry_words + 12], eax
        mov esp, offset BOOT_STACKS + {STACK_SIZE}
        pushfd
        pop eax
        mov [pvh_entry_words + 16], eax
        mov eax, cs
        mov [pvh_entry_words + 20], eax
        mov eax, ds
        mov [pvh_entry_words + 24], eax
        mov eax, es
        mov [pvh_entry_words + 28], eax
        mov eax, ss
        mov [pvh_entry_words + 32], eax
        str eax
        mov [pvh_entry_words + 36], eax
        mov eax, cs:[pvh_entry_words + 4]
        mov [pvh_entry_words + 40], eax
        mov eax, es:[pvh_entry_words + 4]
        mov [pvh_entry_words + 44], eax
        mov eax, ss:[pvh_entry_words + 4]
        mov [pvh_entry_words + 48], eax

        mov eax, {CR4}
        mov cr4, eax
        mov eax, {PML4}
        mov cr3, eax
        mov ecx, 0xc0000080
        xor edx, edx
        mov eax, {EFER}
        wrmsr
        mov eax, {CR0}
        mov cr0, eax
        lgdt [gdt_pointer]
        // JMP ptr16:32; the assembler's own form of it differs between versions.
        .byte 0xea
        .long pvh_entry_64
        .word {KERNEL_CODE}
    .code64
    pvh_entry_64:
        mov eax, {KERNEL_DATA}
        mov ds, eax
        mov es, eax
        mov ss, eax
        xor eax, eax
        mov fs, eax
        mov gs, eax
        lidt [idt_pointer]
        mov eax, {TSS}
        ltr ax
        mov esp, offset BOOT_STACKS + {STACK_SIZE}
    .global long_mode_entry
    long_mode_entry:
        mov edi, ebx
        xor ebp, ebp
        call runtime_start
        ud2
    .balign 8
    gdt_pointer:
        .word {GDT_LIMIT}
        .quad {GDT}
    .balign 8
    idt_pointer:
        .word {IDT_LIMIT}
        .quad {IDT}
    .popsection

    .pushsection .note.vmproof, "a", @note
    .balign 4
        .long 4, 8, 18
        .asciz "Xen"
        .quad pvh_entry
    .balign 4
        .long 8, {NOTE_SIZE}, {NOTE_TYPE}
        .asciz "vmproof"
        .long {VERSION}, 0
        .quad long_mode_entry
        .quad BOOT_STACKS + {STACK_SIZE}
        .quad {PML4}
        .quad {GDT}
        .quad {IDT}
        .quad {TSS_BASE}
        .quad {REPORT_PAGES}
        .long {GDT_LIMIT}, {IDT_LIMIT}, {TSS_LIMIT}
        .word {KERNEL_CODE}, {KERNEL_DATA}, {TSS}, 0, 0, 0
    .popsection
    "#,
    STACK_SIZE = const STACK_SIZE,
    CR0 = const CR0,
    CR4 = const CR4,
    EFER = const EFER,
    PML4 = const layout::PML4,
    GDT = const layout::GDT,
    IDT = const layout::IDT,
    TSS_BASE = const layout::TSS,
    REPORT_PAGES = const layout::REPORT_PAGES,
    GDT_LIMIT = const GDT_LIMIT,
    IDT_LIMIT = const IDT_LIMIT,
    TSS_LIMIT = const TSS_LIMIT,
    KERNEL_CODE = const selector::KERNEL_CODE,
    KERNEL_DATA = const selector::KERNEL_DATA,
    TSS = const selector::TSS,
    NOTE_SIZE = const size_of::<ImageNote>(),
    NOTE_TYPE = const NOTE_TYPE,
    VERSION = const case::FORMAT_VERSION,
);

/// The `.note.vmproof` section above spells the fields of [`ImageNote`] in their order.
const _: () = assert!(size_of::<ImageNote>() == 88);
