//! The way out of long mode and back.
//!
//! What runs outside of long mode is copied to the arena before, so that 16-bit segments reach it and page tables of a
//! case need to map nothing but the arena. Addresses in it are distances from its start, plus that of the copy.

use super::{
    block::{ARENA, ARENA_SEGMENT, Arrival, at, kind},
    layout::{BLOB, STACK_0},
    tables::{NR_VECTORS, selector},
};
use crate::{
    cpu::msr::number::{IA32_EFER, IA32_FS_BASE, IA32_GS_BASE},
    layout, tables,
};
use core::arch::global_asm;

/// Vectors that push an error code (SDM vol. 3A, "Exception and Interrupt Vectors"), as bits.
const WITH_ERROR_CODE: u32 = 0x6022_7d00;

// Entered in compatibility mode. Leaves long mode, loads what the block says, and goes to the program: by a far return,
// by IRET, or by way of real mode. DS is flat until the last moment; behind that CS reads the block.
global_asm!(
    r#"
    .macro excursion_load_general
        movl %cs:{BLOCK} + {IN} + 4, %ecx
        movl %cs:{BLOCK} + {IN} + 8, %edx
        movl %cs:{BLOCK} + {IN} + 12, %ebx
        movl %cs:{BLOCK} + {IN} + 20, %ebp
        movl %cs:{BLOCK} + {IN} + 24, %esi
        movl %cs:{BLOCK} + {IN} + 28, %edi
    .endm
    .macro excursion_load_segments
        movl {BLOCK} + {IN} + {ES}, %eax
        movl %eax, %es
        movl {BLOCK} + {IN} + {FS}, %eax
        movl %eax, %fs
        movl {BLOCK} + {IN} + {GS}, %eax
        movl %eax, %gs
        movl {BLOCK} + {IN} + {DS}, %eax
        movl %eax, %ds
    .endm

    .pushsection .rodata.excursion, "a", @progbits
    .balign 16
    .global excursion_blob
    .code32
    excursion_blob:
        movl %cr0, %eax
        andl $0x7fffffff, %eax
        movl %eax, %cr0
        movl {BLOCK} + {CR4}, %eax
        movl %eax, %cr4
        movl ${EFER_NUMBER}, %ecx
        xorl %edx, %edx
        movl {BLOCK} + {EFER}, %eax
        wrmsr
        movl {BLOCK} + {CR3}, %eax
        movl %eax, %cr3
        lgdtl {BLOCK} + {GDTR}
        lidtl {BLOCK} + {IDTR}
        ljmpl ${CODE_32}, $(1f - excursion_blob + {AT})
    1:
        movl ${DATA_32}, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl {BLOCK} + {CR0}, %eax
        movl %eax, %cr0
        jmp 1f
    1:
        movl {BLOCK} + {LDTR}, %eax
        lldt %ax
        movl {BLOCK} + {TR}, %eax
        testl %eax, %eax
        jz 1f
        ltr %ax
    1:
        movl {BLOCK} + {KIND}, %eax
        cmpl ${REAL}, %eax
        jae excursion_to_real
        cmpl ${VIRTUAL_8086}, %eax
        je 3f
        testl %eax, %eax
        jnz 2f

        movl {BLOCK} + {IN} + {SS}, %eax
        movl %eax, %ss
        movl {BLOCK} + {IN} + 16, %esp
        pushl {BLOCK} + {IN} + {CS}
        pushl {BLOCK} + {IN} + {EIP}
        pushl {BLOCK} + {IN} + {EFLAGS}
        excursion_load_general
        excursion_load_segments
        movl %cs:{BLOCK} + {IN}, %eax
        popfl
        lretl
    2:
        movl $({BLOCK} + {STACK_0}), %esp
        pushl {BLOCK} + {IN} + {SS}
        pushl {BLOCK} + {IN} + 16
        pushl {BLOCK} + {IN} + {EFLAGS}
        pushl {BLOCK} + {IN} + {CS}
        pushl {BLOCK} + {IN} + {EIP}
        excursion_load_general
        excursion_load_segments
        movl %cs:{BLOCK} + {IN}, %eax
        iretl
    3:
        movl $({BLOCK} + {STACK_0}), %esp
        pushl {BLOCK} + {IN} + {GS}
        pushl {BLOCK} + {IN} + {FS}
        pushl {BLOCK} + {IN} + {DS}
        pushl {BLOCK} + {IN} + {ES}
        pushl {BLOCK} + {IN} + {SS}
        pushl {BLOCK} + {IN} + 16
        pushl {BLOCK} + {IN} + {EFLAGS}
        pushl {BLOCK} + {IN} + {CS}
        pushl {BLOCK} + {IN} + {EIP}
        excursion_load_general
        movl %cs:{BLOCK} + {IN}, %eax
        iretl

    excursion_to_real:
        lidtl {BLOCK} + {REAL_IDTR}
        movl ${DATA_16}, %ecx
        movl %ecx, %ss
        cmpl ${BIG_REAL}, %eax
        movl ${DATA_32}, %eax
        je 1f
        movl %ecx, %eax
    1:
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %fs
        movl %eax, %gs
        ljmpl ${CODE_16}, $(1f - excursion_blob + {BLOB})
    .code16
    1:
        movl %cr0, %eax
        andb $0xfe, %al
        movl %eax, %cr0
        ljmpw ${SEGMENT}, $(1f - excursion_blob + {BLOB})
    1:
        movw %cs:{IN} + {SS}, %ax
        movw %ax, %ss
        movl %cs:{IN} + 16, %esp
        pushw %cs:{IN} + {CS}
        pushw %cs:{IN} + {EIP}
        pushl %cs:{IN} + {EFLAGS}
        movw %cs:{IN} + {ES}, %ax
        movw %ax, %es
        movw %cs:{IN} + {FS}, %ax
        movw %ax, %fs
        movw %cs:{IN} + {GS}, %ax
        movw %ax, %gs
        movw %cs:{IN} + {DS}, %ax
        movw %ax, %ds
        movl %cs:{IN} + 4, %ecx
        movl %cs:{IN} + 8, %edx
        movl %cs:{IN} + 12, %ebx
        movl %cs:{IN} + 20, %ebp
        movl %cs:{IN} + 24, %esi
        movl %cs:{IN} + 28, %edi
        movl %cs:{IN}, %eax
        popfl
        lretw
    .popsection
    "#,
    BLOCK = const ARENA,
    BLOB = const BLOB,
    AT = const ARENA + BLOB,
    STACK_0 = const STACK_0,
    SEGMENT = const ARENA_SEGMENT,
    CODE_32 = const selector::CODE_32,
    DATA_32 = const selector::DATA_32,
    CODE_16 = const selector::CODE_16,
    DATA_16 = const selector::DATA_16,
    EFER_NUMBER = const IA32_EFER,
    VIRTUAL_8086 = const kind::VIRTUAL_8086,
    REAL = const kind::REAL,
    BIG_REAL = const kind::BIG_REAL,
    CR0 = const at::CR0,
    CR3 = const at::CR3,
    CR4 = const at::CR4,
    EFER = const at::EFER,
    GDTR = const at::GDTR,
    IDTR = const at::IDTR,
    REAL_IDTR = const at::REAL_IDTR,
    LDTR = const at::LDTR,
    TR = const at::TR,
    KIND = const at::KIND,
    IN = const at::IN,
    EIP = const at::EIP,
    EFLAGS = const at::EFLAGS,
    CS = const at::CS,
    SS = const at::SS,
    DS = const at::DS,
    ES = const at::ES,
    FS = const at::FS,
    GS = const at::GS,
    options(att_syntax)
);

// The stubs of the vectors, 16 bytes each, of 32-bit and of real mode; what writes the block; and the ways back. They
// follow the code above in the same section. A stub may be entered with any stack that took the exception's frame.
global_asm!(
    r#"
    .pushsection .rodata.excursion, "a", @progbits
    .balign 16
    .global excursion_stubs_32
    .code32
    excursion_stubs_32:
    .set excursion_vector, 0
    .rept {NR_VECTORS}
        .if ((({WITH_ERROR_CODE} >> excursion_vector) & 1) == 0)
        pushl $0
        .endif
        pushl $excursion_vector
        jmp excursion_common
        .balign 16
        .set excursion_vector, excursion_vector + 1
    .endr

    .global excursion_end_32
    excursion_end_32:
        pushfl
        pushl %cs
        pushl $0
        pushl $0
        pushl ${END}
    excursion_common:
        pushal
        pushl %ds
        movl ${DATA_32}, %eax
        movl %eax, %ds
        popl {BLOCK} + {OUT} + {DS}
        popl {BLOCK} + {OUT} + 28
        popl {BLOCK} + {OUT} + 24
        popl {BLOCK} + {OUT} + 20
        popl {BLOCK} + {OUT} + 16
        popl {BLOCK} + {OUT} + 12
        popl {BLOCK} + {OUT} + 8
        popl {BLOCK} + {OUT} + 4
        popl {BLOCK} + {OUT}
        popl {BLOCK} + {VECTOR}
        popl {BLOCK} + {ERROR_CODE}
        movl %esp, {BLOCK} + {HANDLER_ESP}
        xorl %eax, %eax
        movw %ss, %ax
        movl %eax, {BLOCK} + {HANDLER_SS}
        movl %eax, {BLOCK} + {OUT} + {SS}
        movw %es, %ax
        movl %eax, {BLOCK} + {OUT} + {ES}
        movw %fs, %ax
        movl %eax, {BLOCK} + {OUT} + {FS}
        movw %gs, %ax
        movl %eax, {BLOCK} + {OUT} + {GS}
        str %ax
        movl %eax, {BLOCK} + {TR_OUT}
        movl %cr2, %eax
        movl %eax, {BLOCK} + {CR2}
        movl %cr0, %eax
        movl %eax, {BLOCK} + {CR0_OUT}
        movl $0, {BLOCK} + {IS_REAL}
        popl {BLOCK} + {OUT} + {EIP}
        popl {BLOCK} + {OUT} + {CS}
        popl {BLOCK} + {OUT} + {EFLAGS}
        movl %esp, {BLOCK} + {OUT} + 16
        testl $0x20000, {BLOCK} + {OUT} + {EFLAGS}
        jnz 1f
        testb $3, {BLOCK} + {OUT} + {CS}
        jz excursion_return
        popl {BLOCK} + {OUT} + 16
        popl {BLOCK} + {OUT} + {SS}
        jmp excursion_return
    1:
        popl {BLOCK} + {OUT} + 16
        popl {BLOCK} + {OUT} + {SS}
        popl {BLOCK} + {OUT} + {ES}
        popl {BLOCK} + {OUT} + {DS}
        popl {BLOCK} + {OUT} + {FS}
        popl {BLOCK} + {OUT} + {GS}
    excursion_return:
        movl %cr0, %eax
        andl $0x7fffffff, %eax
        movl %eax, %cr0
        // Behind a switch to a 16-bit task long mode cannot be entered: the first task's segment is loaded again.
        movl {BLOCK} + {TR}, %eax
        testl %eax, %eax
        jz 1f
        cmpl $0, {BLOCK} + {IS_REAL}
        jne 1f
        cmpl %eax, {BLOCK} + {TR_OUT}
        je 1f
        lgdtl {BLOCK} + {GDTR}
        movl {BLOCK} + {GDTR} + 2, %ecx
        addl %eax, %ecx
        movl 4(%ecx), %edx
        andb $0xfd, 5(%ecx)
        ltr %ax
        // As the program left it.
        movl %edx, 4(%ecx)
    1:
        lgdtl {BLOCK} + {SAVED_GDTR}
        movl {BLOCK} + {SAVED_CR4}, %eax
        movl %eax, %cr4
        movl ${EFER_NUMBER}, %ecx
        xorl %edx, %edx
        movl {BLOCK} + {SAVED_EFER}, %eax
        wrmsr
        movl {BLOCK} + {SAVED_CR3}, %eax
        movl %eax, %cr3
        movl {BLOCK} + {SAVED_CR0}, %eax
        movl %eax, %cr0
        ljmpl ${LONG_CODE}, $excursion_back

    .balign 16
    .global excursion_stubs_16
    .code16
    excursion_stubs_16:
    .set excursion_vector, 0
    .rept {NR_VECTORS}
        pushw $excursion_vector
        jmp excursion_common_16
        .balign 8
        .set excursion_vector, excursion_vector + 1
    .endr

    .global excursion_end_16
    excursion_end_16:
        pushfw
        pushw %cs
        pushw $0
        pushw ${END}
    excursion_common_16:
        movl %eax, %cs:{OUT}
        movl %ecx, %cs:{OUT} + 4
        movl %edx, %cs:{OUT} + 8
        movl %ebx, %cs:{OUT} + 12
        movl %ebp, %cs:{OUT} + 20
        movl %esi, %cs:{OUT} + 24
        movl %edi, %cs:{OUT} + 28
        xorl %eax, %eax
        popw %ax
        movl %eax, %cs:{VECTOR}
        movl %esp, %cs:{HANDLER_ESP}
        movw %ss, %ax
        movl %eax, %cs:{HANDLER_SS}
        movl %eax, %cs:{OUT} + {SS}
        movw %ds, %ax
        movl %eax, %cs:{OUT} + {DS}
        movw %es, %ax
        movl %eax, %cs:{OUT} + {ES}
        movw %fs, %ax
        movl %eax, %cs:{OUT} + {FS}
        movw %gs, %ax
        movl %eax, %cs:{OUT} + {GS}
        popw %ax
        movl %eax, %cs:{OUT} + {EIP}
        popw %ax
        movl %eax, %cs:{OUT} + {CS}
        popw %ax
        movl %eax, %cs:{OUT} + {EFLAGS}
        movl %esp, %cs:{OUT} + 16
        xorl %eax, %eax
        movl %eax, %cs:{ERROR_CODE}
        movl %eax, %cs:{CR2}
        movl %eax, %cs:{TR_OUT}
        incl %eax
        movl %eax, %cs:{IS_REAL}
        movl %cr0, %eax
        movl %eax, %cs:{CR0_OUT}
        cli
        lgdtl %cs:{GDTR}
        orb $1, %al
        movl %eax, %cr0
        ljmpl ${CODE_32}, $(1f - excursion_blob + {AT})
    .code32
    1:
        movl ${DATA_32}, %eax
        movl %eax, %ds
        movl %eax, %ss
        jmp excursion_return
    .global excursion_blob_end
    excursion_blob_end:
    .popsection
    "#,
    BLOCK = const ARENA,
    AT = const ARENA + BLOB,
    NR_VECTORS = const NR_VECTORS,
    WITH_ERROR_CODE = const WITH_ERROR_CODE,
    END = const Arrival::END,
    CODE_32 = const selector::CODE_32,
    DATA_32 = const selector::DATA_32,
    LONG_CODE = const tables::selector::KERNEL_CODE,
    EFER_NUMBER = const IA32_EFER,
    GDTR = const at::GDTR,
    OUT = const at::OUT,
    EIP = const at::EIP,
    EFLAGS = const at::EFLAGS,
    CS = const at::CS,
    SS = const at::SS,
    DS = const at::DS,
    ES = const at::ES,
    FS = const at::FS,
    GS = const at::GS,
    VECTOR = const at::VECTOR,
    ERROR_CODE = const at::ERROR_CODE,
    CR2 = const at::CR2,
    CR0_OUT = const at::CR0_OUT,
    TR = const at::TR,
    TR_OUT = const at::TR_OUT,
    HANDLER_SS = const at::HANDLER_SS,
    HANDLER_ESP = const at::HANDLER_ESP,
    IS_REAL = const at::IS_REAL,
    SAVED_CR0 = const at::SAVED_CR0,
    SAVED_CR3 = const at::SAVED_CR3,
    SAVED_CR4 = const at::SAVED_CR4,
    SAVED_EFER = const at::SAVED_EFER,
    SAVED_GDTR = const at::SAVED_GDTR,
    options(att_syntax)
);

// `excursion_run()` saves what the excursion changes, goes to the copy, and comes back at `excursion_back`.
global_asm!(
    r#"
    .pushsection .text.excursion, "ax", @progbits
    .code64
    .global excursion_run
    excursion_run:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        pushfq
        cli
        mov [{BLOCK} + {SAVED_RSP}], rsp
        sgdt [{BLOCK} + {SAVED_GDTR}]
        sidt [{BLOCK} + {SAVED_IDTR}]
        mov rax, cr0
        mov [{BLOCK} + {SAVED_CR0}], eax
        mov rax, cr3
        mov [{BLOCK} + {SAVED_CR3}], eax
        mov rax, cr4
        mov [{BLOCK} + {SAVED_CR4}], eax
        mov ecx, {EFER_NUMBER}
        rdmsr
        mov [{BLOCK} + {SAVED_EFER}], eax
        mov ecx, {FS_NUMBER}
        rdmsr
        mov [{BLOCK} + {SAVED_FS_BASE}], eax
        mov [{BLOCK} + {SAVED_FS_BASE} + 4], edx
        mov ecx, {GS_NUMBER}
        rdmsr
        mov [{BLOCK} + {SAVED_GS_BASE}], eax
        mov [{BLOCK} + {SAVED_GS_BASE} + 4], edx
        mov eax, ds
        mov [{BLOCK} + {SAVED_DS}], eax
        mov eax, es
        mov [{BLOCK} + {SAVED_ES}], eax
        mov eax, fs
        mov [{BLOCK} + {SAVED_FS}], eax
        mov eax, gs
        mov [{BLOCK} + {SAVED_GS}], eax
        mov eax, {DATA}
        mov ds, eax
        mov es, eax
        mov ss, eax
        push {CODE_32}
        push {AT}
        retfq
    .global excursion_back
    excursion_back:
        lidt [{BLOCK} + {SAVED_IDTR}]
        mov rsp, [{BLOCK} + {SAVED_RSP}]
        // The task-state segment is busy since it was loaded first.
        and byte ptr [{GDT} + {TSS} + 5], 0xfd
        mov eax, {TSS}
        ltr ax
        xor eax, eax
        lldt ax
        mov eax, {DATA}
        mov ss, eax
        mov eax, [{BLOCK} + {SAVED_DS}]
        mov ds, eax
        mov eax, [{BLOCK} + {SAVED_ES}]
        mov es, eax
        mov eax, [{BLOCK} + {SAVED_FS}]
        mov fs, eax
        mov eax, [{BLOCK} + {SAVED_GS}]
        mov gs, eax
        mov ecx, {FS_NUMBER}
        mov eax, [{BLOCK} + {SAVED_FS_BASE}]
        mov edx, [{BLOCK} + {SAVED_FS_BASE} + 4]
        wrmsr
        mov ecx, {GS_NUMBER}
        mov eax, [{BLOCK} + {SAVED_GS_BASE}]
        mov edx, [{BLOCK} + {SAVED_GS_BASE} + 4]
        wrmsr
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
    BLOCK = const ARENA,
    AT = const ARENA + BLOB,
    GDT = const layout::GDT,
    TSS = const tables::selector::TSS,
    DATA = const tables::selector::KERNEL_DATA,
    CODE_32 = const tables::selector::KERNEL_CODE_32,
    EFER_NUMBER = const IA32_EFER,
    FS_NUMBER = const IA32_FS_BASE,
    GS_NUMBER = const IA32_GS_BASE,
    SAVED_RSP = const at::SAVED_RSP,
    SAVED_CR0 = const at::SAVED_CR0,
    SAVED_CR3 = const at::SAVED_CR3,
    SAVED_CR4 = const at::SAVED_CR4,
    SAVED_EFER = const at::SAVED_EFER,
    SAVED_GDTR = const at::SAVED_GDTR,
    SAVED_IDTR = const at::SAVED_IDTR,
    SAVED_FS_BASE = const at::SAVED_FS_BASE,
    SAVED_GS_BASE = const at::SAVED_GS_BASE,
    SAVED_DS = const at::SAVED_DS,
    SAVED_ES = const at::SAVED_ES,
    SAVED_FS = const at::SAVED_FS,
    SAVED_GS = const at::SAVED_GS,
);
