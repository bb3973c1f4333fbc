//! An excursion out of long mode, into 32-bit protected mode without paging, and what it takes to come back.
//!
//! Source: SDM vol. 3A, "Switching Out of IA-32e Mode Operation" and "Initializing IA-32e Mode".

#![expect(unsafe_code, reason = "changing the mode of the processor takes assembly")]
// UNSAFETY: `global_asm!` and one call of it. It runs with interrupts disabled, in the identity map and below 4 GiB,
// and restores CR0, CR4, IA32_EFER, the IDT, the stack and the registers that the ABI preserves.

use crate::{
    cpu::msr::number::IA32_EFER,
    layout,
    tables::{IDT_LIMIT, selector},
};
use core::{arch::global_asm, mem::offset_of};

/// What is tried outside of long mode, and what came of it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempt {
    /// Written first.
    pub cr4: u32,
    /// Low half of IA32_EFER, written second. Both must be legal without paging.
    pub efer: u32,
    /// Written third: the write that may fault.
    pub cr0: u32,
    /// Not 0 if the write to CR0 raised #GP.
    pub faulted: u32,
    /// Its error code.
    pub error_code: u32,
    /// Low half of IA32_EFER right after paging was disabled.
    pub efer_unpaged: u32,
    /// Low half of IA32_EFER after the write to CR0.
    pub efer_after: u32,
    /// CR0 after the write to it.
    pub cr0_after: u32,
}

// `unpaged_try(attempt)`. While long mode is off, an IDT of 32-bit gates holds #GP only: any other exception there is a
// triple fault. DS, ES and SS get a flat segment, because 64-bit mode may have left them null.
global_asm!(
    r#"
    .pushsection .text.unpaged, "ax", @progbits
    .code64
    .global unpaged_try
    unpaged_try:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        pushfq
        cli
        mov [unpaged_stack], rsp
        mov rax, cr0
        mov [unpaged_cr0], eax
        mov rax, cr4
        mov [unpaged_cr4], eax
        mov ecx, {EFER}
        rdmsr
        mov [unpaged_efer], eax
        mov eax, offset unpaged_fault
        mov [unpaged_idt + 13 * 8], ax
        mov word ptr [unpaged_idt + 13 * 8 + 2], {CODE_32}
        mov word ptr [unpaged_idt + 13 * 8 + 4], 0x8e00
        shr eax, 16
        mov [unpaged_idt + 13 * 8 + 6], ax
        mov eax, {DATA}
        mov ds, eax
        mov es, eax
        mov ss, eax
        push {CODE_32}
        mov eax, offset unpaged_entry
        push rax
        retfq
    .code32
    unpaged_entry:
        mov eax, cr0
        and eax, 0x7fffffff
        mov cr0, eax
        lidt [unpaged_idt_pointer]
        mov ecx, {EFER}
        rdmsr
        mov [edi + {EFER_UNPAGED}], eax
        mov eax, [edi + {ATTEMPT_CR4}]
        mov cr4, eax
        xor edx, edx
        mov eax, [edi + {ATTEMPT_EFER}]
        wrmsr
        mov dword ptr [edi + {FAULTED}], 0
        mov eax, [edi + {ATTEMPT_CR0}]
        mov cr0, eax
        jmp unpaged_after
    unpaged_fault:
        pop dword ptr [edi + {ERROR_CODE}]
        add esp, 12
        mov dword ptr [edi + {FAULTED}], 1
    unpaged_after:
        mov eax, cr0
        mov [edi + {CR0_AFTER}], eax
        mov ecx, {EFER}
        rdmsr
        mov [edi + {EFER_AFTER}], eax
        mov eax, cr0
        and eax, 0x7fffffff
        mov cr0, eax
        mov eax, [unpaged_cr4]
        mov cr4, eax
        xor edx, edx
        mov eax, [unpaged_efer]
        wrmsr
        mov eax, [unpaged_cr0]
        mov cr0, eax
        // JMP ptr16:32; the assembler's own form of it differs between versions.
        .byte 0xea
        .long unpaged_back
        .word {CODE_64}
    .code64
    unpaged_back:
        lidt [unpaged_long_idt_pointer]
        mov rsp, [unpaged_stack]
        popfq
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        ret
    .popsection

    .pushsection .data.unpaged, "aw", @progbits
    .balign 8
    unpaged_stack:
        .quad 0
    unpaged_idt:
        .zero 14 * 8
    unpaged_cr0:
        .long 0
    unpaged_cr4:
        .long 0
    unpaged_efer:
        .long 0
    .balign 8
    unpaged_idt_pointer:
        .word 14 * 8 - 1
        .long unpaged_idt
    .balign 8
    unpaged_long_idt_pointer:
        .word {IDT_LIMIT}
        .quad {IDT}
    .popsection
    "#,
    EFER = const IA32_EFER,
    CODE_32 = const selector::KERNEL_CODE_32,
    CODE_64 = const selector::KERNEL_CODE,
    DATA = const selector::KERNEL_DATA,
    IDT = const layout::IDT,
    IDT_LIMIT = const IDT_LIMIT,
    ATTEMPT_CR4 = const offset_of!(Attempt, cr4),
    ATTEMPT_EFER = const offset_of!(Attempt, efer),
    ATTEMPT_CR0 = const offset_of!(Attempt, cr0),
    FAULTED = const offset_of!(Attempt, faulted),
    ERROR_CODE = const offset_of!(Attempt, error_code),
    EFER_UNPAGED = const offset_of!(Attempt, efer_unpaged),
    EFER_AFTER = const offset_of!(Attempt, efer_after),
    CR0_AFTER = const offset_of!(Attempt, cr0_after),
);

unsafe extern "C" {
    fn unpaged_try(attempt: *mut Attempt);
}

/// Leaves long mode, writes CR4, IA32_EFER and CR0 as told, notes what came of it, and returns to long mode.
///
/// `cr0` may enable paging only together with what makes it four-level paging, or with what must fault.
pub fn attempt(cr4: u32, efer: u32, cr0: u32) -> Attempt {
    let mut attempt = Attempt { cr4, efer, cr0, ..Attempt::default() };
    // SAFETY: 1. the stack, and so `attempt`, lies in the identity map below 4 GiB. 2. the assembly restores all that
    // it changes; see above.
    unsafe { unpaged_try(&raw mut attempt) };
    attempt
}
