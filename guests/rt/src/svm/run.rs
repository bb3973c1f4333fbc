//! Into L2 and back.

#![expect(unsafe_code, reason = "VMRUN, and what it leaves to software, take assembly")]
// UNSAFETY: `global_asm!`; the contract is written at `svm_run`.

use core::arch::global_asm;

/// Registers of L2 that the VMCB has no place for, RBX to R15 but RSP; RAX is in the VMCB.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "registers")]
pub struct Registers {
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
}

// `svm_run(vmcb, registers, host_state)`: keeps what VMRUN does not (FS, GS, TR, LDTR and their MSRs) by VMSAVE. It leaves
// GIF clear: NMIs that wait must not come before its caller is out of `catch`, which would take them for exceptions.
global_asm!(
    r#"
    .pushsection .text.svm_run, "ax", @progbits
    .global svm_run
    svm_run:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        push rdx
        push rsi
        mov rax, rdx
        vmsave rax
        clgi
        mov rax, rdi
        vmload rax
        mov rbx, [rsi + 0]
        mov rcx, [rsi + 8]
        mov rdx, [rsi + 16]
        mov rdi, [rsi + 32]
        mov rbp, [rsi + 40]
        mov r8, [rsi + 48]
        mov r9, [rsi + 56]
        mov r10, [rsi + 64]
        mov r11, [rsi + 72]
        mov r12, [rsi + 80]
        mov r13, [rsi + 88]
        mov r14, [rsi + 96]
        mov r15, [rsi + 104]
        mov rsi, [rsi + 24]
        vmrun rax
        push rsi
        mov rsi, [rsp + 8]
        mov [rsi + 0], rbx
        mov [rsi + 8], rcx
        mov [rsi + 16], rdx
        mov [rsi + 32], rdi
        mov [rsi + 40], rbp
        mov [rsi + 48], r8
        mov [rsi + 56], r9
        mov [rsi + 64], r10
        mov [rsi + 72], r11
        mov [rsi + 80], r12
        mov [rsi + 88], r13
        mov [rsi + 96], r14
        mov [rsi + 104], r15
        pop rbx
        mov [rsi + 24], rbx
        vmsave rax
        mov rax, [rsp + 8]
        vmload rax
        pop rsi
        pop rdx
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        cld
        ret
    .popsection
    "#
);

unsafe extern "C" {
    pub(super) fn svm_run(vmcb: u64, registers: *mut Registers, host_state: u64);
}
