//! The 256 vectors: stubs, and the one handler behind them.
//!
//! An exception that a [`crate::catch`] or a [`crate::user`] call waits for is written into its frame, and execution
//! goes on behind that call without an IRET, which costs microseconds where ring 0 is interpreted. Everything else goes
//! to [`crate::trap`].

#![expect(unsafe_code, reason = "the entry code of the vectors is assembly")]
// UNSAFETY: `global_asm!`; what it relies on is written beside each part.

use crate::catch::frame;
use core::arch::global_asm;

// Stubs: vector and error code (0 where the processor pushes none) on the stack, then the common handler.
global_asm!(
    r#"
    .pushsection .vp.vectors, "ax", @progbits
    .set vector, 0
    .rept 256
        .balign 16
        .if (vector == 8) || (vector == 10) || (vector == 11) || (vector == 12) || (vector == 13) || (vector == 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
        .else
            push 0
        .endif
        push vector
        jmp vector_common
        .set vector, vector + 1
    .endr
    .balign 16
    .popsection
    "#
);

// The stack holds: vector, error code, RIP, CS, RFLAGS, RSP, SS. Two pushes come on top.
global_asm!(
    r#"
    .pushsection .text.vectors, "ax", @progbits
    .global vector_common
    vector_common:
        cmp qword ptr [rsp], 32
        jae trap_common
        push rax
        push rdi
        mov rdi, [catch_top]
        test rdi, rdi
        jz 2f
        mov rax, [rsp + 16]
        mov [rdi + {VECTOR}], rax
        mov rax, [rsp + 24]
        mov [rdi + {ERROR_CODE}], rax
        mov rax, [rsp + 32]
        mov [rdi + {RIP}], rax
        mov rax, [rsp + 40]
        mov [rdi + {CS}], rax
        mov rax, [rsp + 48]
        mov [rdi + {RFLAGS}], rax
        mov rax, [rsp + 56]
        mov [rdi + {RSP}], rax
        mov rax, [rsp + 64]
        mov [rdi + {SS}], rax
        mov rax, cr2
        mov [rdi + {CR2}], rax
        mov [rdi + {HANDLER_RSP}], rsp
        cmp qword ptr [rdi + {WANTS_REGISTERS}], 0
        je 1f
        mov rax, [rsp + 8]
        mov [rdi + {RAX}], rax
        mov rax, [rsp]
        mov [rdi + {RDI}], rax
        mov [rdi + {RAX} + 8], rcx
        mov [rdi + {RAX} + 16], rdx
        mov [rdi + {RAX} + 24], rbx
        mov [rdi + {RAX} + 40], rbp
        mov [rdi + {RAX} + 48], rsi
        mov [rdi + {RAX} + 64], r8
        mov [rdi + {RAX} + 72], r9
        mov [rdi + {RAX} + 80], r10
        mov [rdi + {RAX} + 88], r11
        mov [rdi + {RAX} + 96], r12
        mov [rdi + {RAX} + 104], r13
        mov [rdi + {RAX} + 112], r14
        mov [rdi + {RAX} + 120], r15
    1:
        mov rsp, [rdi + {RESUME_RSP}]
        mov eax, 1
        jmp catch_leave
    2:
        pop rdi
        pop rax
    trap_common:
        push rax
        push rcx
        push rdx
        push rbx
        push rbp
        push rsi
        push rdi
        push r8
        push r9
        push r10
        push r11
        push r12
        push r13
        push r14
        push r15
        mov rdi, rsp
        cld
        call trap_dispatch
        pop r15
        pop r14
        pop r13
        pop r12
        pop r11
        pop r10
        pop r9
        pop r8
        pop rdi
        pop rsi
        pop rbp
        pop rbx
        pop rdx
        pop rcx
        pop rax
        add rsp, 16
        iretq
    .popsection
    "#,
    VECTOR = const frame::VECTOR,
    ERROR_CODE = const frame::ERROR_CODE,
    RIP = const frame::RIP,
    CS = const frame::CS,
    RFLAGS = const frame::RFLAGS,
    RSP = const frame::RSP,
    SS = const frame::SS,
    CR2 = const frame::CR2,
    HANDLER_RSP = const frame::HANDLER_RSP,
    WANTS_REGISTERS = const frame::WANTS_REGISTERS,
    RESUME_RSP = const frame::RESUME_RSP,
    RAX = const frame::REGISTERS,
    RDI = const frame::REGISTERS + 56,
);
