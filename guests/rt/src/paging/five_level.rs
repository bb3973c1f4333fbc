//! Long mode with five levels of paging structures, entered by way of protected mode without paging.
//!
//! Source: SDM vol. 3A, "4-Level Paging and 5-Level Paging" and "Initializing IA-32e Mode": CR4.LA57 cannot be changed
//! while long mode is active.

#![expect(unsafe_code, reason = "changing the mode of the processor takes assembly")]
// UNSAFETY: `global_asm!` and one call of it, which comes back in long mode with all registers of the ABI preserved.

use super::{ALL_RIGHTS, frame, table};
use crate::{
    cpu::control::{cr4, read_cr4},
    layout,
    tables::selector,
};
use core::arch::global_asm;

// `paging_switch(cr3, cr4)` leaves long mode, writes both, and enters it again. The stack lies below 4 GiB in the
// identity map of either; DS, ES and SS get a flat segment, because 64-bit mode may have left them null.
global_asm!(
    r#"
    .pushsection .text.paging_switch, "ax", @progbits
    .code64
    .global paging_switch
    paging_switch:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        pushfq
        cli
        mov eax, {DATA}
        mov ds, eax
        mov es, eax
        mov ss, eax
        push {CODE_32}
        lea rax, [rip + paging_switch_32]
        push rax
        retfq
    .code32
    paging_switch_32:
        mov eax, cr0
        and eax, 0x7fffffff
        mov cr0, eax
        mov cr4, esi
        mov cr3, edi
        or eax, 0x80000000
        mov cr0, eax
        jmp paging_switched
    paging_switched:
        // JMP ptr16:32; the assembler's own form of it differs between versions.
        .byte 0xea
        .long paging_switch_64
        .word {CODE_64}
    .code64
    paging_switch_64:
        mov esp, esp
        popfq
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret
    .popsection
    "#,
    DATA = const selector::KERNEL_DATA,
    CODE_32 = const selector::KERNEL_CODE_32,
    CODE_64 = const selector::KERNEL_CODE,
);

unsafe extern "C" {
    fn paging_switch(cr3: u32, cr4: u32);
}

/// Five levels until this is dropped. The first entry of the PML5 leads to the boot tables, so that all they map is where
/// it was.
#[derive(Debug)]
pub struct FiveLevel(());

impl FiveLevel {
    /// Makes the frame with this index the PML5, and enters long mode with CR4.LA57 set.
    ///
    /// On a subject that refuses CR4.LA57 in protected mode this is a triple fault.
    ///
    /// # Panics
    /// If there is no such frame.
    #[must_use = "four levels return when this is dropped"]
    pub fn new(pml5: usize) -> Self {
        table::write(frame(pml5), 0, layout::PML4 | ALL_RIGHTS);
        switch(frame(pml5), read_cr4() | cr4::LA57);
        Self(())
    }
}

impl Drop for FiveLevel {
    fn drop(&mut self) {
        switch(layout::PML4, read_cr4() & !cr4::LA57);
    }
}

/// Clears CR0.PG and sets it again, by way of protected mode.
pub fn toggle_paging() {
    switch(crate::cpu::control::read_cr3(), read_cr4());
}

fn switch(root: u64, cr4: u64) {
    // SAFETY: 1. either root maps the runtime where it is. 2. frames and CR4 fit 32 bits.
    unsafe { paging_switch(root as u32, cr4 as u32) };
}
