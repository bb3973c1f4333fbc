//! VM entry and exit.

#![expect(unsafe_code, reason = "transitions are assembly")]
// UNSAFETY: `global_asm!` and its call, inside of `catch`.

use super::{field, instruction};
use crate::{Outcome, catch, catch::Registers};
use core::arch::global_asm;

// `vmx_enter(registers, is_launched)`: returns 0 behind an exit, and RFLAGS where the instruction failed. What an exit does
// not bring back as it was it restores itself: general registers, RFLAGS, and the limits of GDTR and IDTR. An exit finds the
// address of the registers on top of the stack.
global_asm!(
    r#"
    .pushsection .text.vmx_enter, "ax", @progbits
    .global vmx_enter
    vmx_enter:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        sub rsp, 32
        sgdt [rsp]
        sidt [rsp + 16]
        push rdi
        mov eax, {HOST_RSP}
        vmwrite rax, rsp
        jbe 2f
        test rsi, rsi
        mov rax, [rdi + 0]
        mov rcx, [rdi + 8]
        mov rdx, [rdi + 16]
        mov rbx, [rdi + 24]
        mov rbp, [rdi + 40]
        mov rsi, [rdi + 48]
        mov r8, [rdi + 64]
        mov r9, [rdi + 72]
        mov r10, [rdi + 80]
        mov r11, [rdi + 88]
        mov r12, [rdi + 96]
        mov r13, [rdi + 104]
        mov r14, [rdi + 112]
        mov r15, [rdi + 120]
        mov rdi, [rdi + 56]
        jnz 1f
        vmlaunch
        jmp 2f
    1:
        vmresume
    2:
        pushfq
        pop rax
        add rsp, 8
        jmp 3f
    .global vmx_exit
    vmx_exit:
        push rdi
        mov rdi, [rsp + 8]
        mov [rdi + 0], rax
        mov [rdi + 8], rcx
        mov [rdi + 16], rdx
        mov [rdi + 24], rbx
        mov [rdi + 40], rbp
        mov [rdi + 48], rsi
        mov [rdi + 64], r8
        mov [rdi + 72], r9
        mov [rdi + 80], r10
        mov [rdi + 88], r11
        mov [rdi + 96], r12
        mov [rdi + 104], r13
        mov [rdi + 112], r14
        mov [rdi + 120], r15
        pop rax
        mov [rdi + 56], rax
        add rsp, 8
        lgdt [rsp]
        lidt [rsp + 16]
        xor eax, eax
    3:
        add rsp, 32
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        cld
        ret
    .popsection
    "#,
    HOST_RSP = const field::HOST_RSP,
);

unsafe extern "C" {
    fn vmx_enter(registers: *mut Registers, is_launched: u64) -> u64;
    fn vmx_exit();
}

/// Where exits arrive.
pub(super) fn exit_address() -> u64 {
    vmx_exit as *const () as u64
}

/// Executes VMLAUNCH or VMRESUME; comes back behind the next exit, that of a failed entry too.
///
/// # Errors
/// The outcome of an instruction that made no entry.
pub(super) fn enter(registers: &mut Registers, is_launched: bool) -> Result<(), Outcome> {
    let registers = &raw mut *registers;
    // SAFETY: 1. the VMCS' host state is that of `super::guest`, which leads to `vmx_exit` on this stack. 2. its guest
    // executes code of the image that cannot leave it but by an exit. 3. the registers are borrowed.
    let flags = catch(|| unsafe { vmx_enter(registers, is_launched.into()) })?;
    match flags {
        0 => Ok(()),
        // Only an instruction that fails falls through; what else its flags say is for those that are refused on purpose.
        flags => Err(instruction::outcome_of_flags(flags)),
    }
}
